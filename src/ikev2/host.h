// What an IKE SA may ask of the shard that owns it. Outputs keep the order in which they are asked.
#pragma once

#include "crypto/provider.h"
#include "eap/sim_credentials.h"
#include "eap/user_store.h"
#include "ike/credentials.h"
#include "ike/options.h"
#include "ikev2/ike_sa.h"
#include "policy/connection_table.h"
#include "policy/secret_store.h"
#include "trace/event.h"

namespace culvert::ikev2 {

class Host {
 public:
  virtual ~Host() = default;

  virtual Provider& provider() = 0;
  virtual const IkeOptions& options() const = 0;
  virtual const ConnectionTable& connections() const = 0;
  virtual const SecretStore& secrets() const = 0;
  // Users of EAP methods: the ones who may come to us, and who we are to others.
  virtual const eap::UserStore& users() const = 0;
  // Those of EAP-SIM and EAP-AKA, likewise.
  virtual eap::SubscriberStore& subscribers() = 0;
  virtual Credentials& credentials() = 0;
  // The time of day, for what has a date.
  virtual std::chrono::sys_seconds date(TimePoint now) const = 0;

  virtual void transmit(Transmit&& message) = 0;
  virtual void apply(SadOp&& operation) = 0;
  virtual void emit(trace::Event&& event) = 0;
  // One of a command's parts is over.
  virtual void finished(CommandId command, bool success, const std::string& explanation) = 0;
  // A child is not there that a connection which is kept up should have: it is tried again later.
  virtual void child_missing(const IkeSa& sa) = 0;
  // The peer is closing the CHILD SA, and there is no other of its kind: its close_action is due.
  virtual void child_closing(const IkeSa& sa, const ChildSa& child) = 0;
  virtual void up_down(const IkeSa& sa, bool up, std::optional<std::size_t> child) = 0;
  // For whoever watches: the successor has taken over; the two are among sa.children; the endpoints
  // are about to become these.
  virtual void ike_rekeyed(const IkeSa& old, const IkeSa& successor) = 0;
  virtual void child_rekeyed(const IkeSa& sa, std::size_t old, std::size_t successor) = 0;
  virtual void endpoints_changing(const IkeSa& sa, const Endpoint& local,
                                  const Endpoint& remote) = 0;
  virtual void keepalive(Keepalive&& due) = 0;
  // Asks for the paths to these addresses; the answer comes to paths_found().
  virtual void find_paths(const IkeSa& sa, std::vector<IpAddress> remotes) = 0;
  // The answer comes to signature_made(), as long as the SA waits for it.
  virtual JobId make_signature(const IkeSa& sa, const KeyId& key, const SignatureScheme& scheme,
                               Bytes octets) = 0;
  // The answer comes to addresses_leased(), as long as the SA waits for it.
  virtual JobId lease_addresses(const IkeSa& sa, LeaseRequest&& request) = 0;
  // What the peer's other IKE SAs have of ours: all of them (they are about to be replaced), or
  // those at the same address of the peer.
  virtual std::vector<IpAddress> renewable_addresses(const IkeSa& sa, bool all) const = 0;
  // What the SA has been assigned is to be on this machine from now on.
  virtual void assign_addresses(const IkeSa& sa) = 0;
  // The answer comes to evidence_fetched(), as long as the SA waits for it.
  virtual JobId fetch_evidence(const IkeSa& sa, std::vector<FetchRequest> requests) = 0;
  // The answer comes to aaa_answered(), as long as the SA waits for it.
  virtual JobId ask_aaa(const IkeSa& sa, Bytes eap, std::unique_ptr<AaaLogin> login) = 0;
  // Its session is counted from now on; and it has gone over to this SA.
  virtual SessionId begin_session(const IkeSa& sa) = 0;
  virtual void own_session(const IkeSa& sa) = 0;
  // This machine's, as NetworkChanged last told; sorted.
  virtual const std::vector<IpAddress>& own_addresses() const = 0;

  // Fresh numbers. SPIs are random, unused and carry the shard's index.
  virtual std::uint64_t new_ike_spi() = 0;
  virtual std::uint32_t new_child_spi() = 0;
  virtual void release_child_spi(std::uint32_t spi) = 0;
  virtual std::uint16_t new_cpi() = 0;  // zero: all are in use
  virtual void release_cpi(std::uint16_t cpi) = 0;
  virtual std::uint32_t new_child_id() = 0;
  virtual SaPairId new_pair_id() = 0;
  virtual PolicyId new_policy_id() = 0;
  // The configured one, else that of the child's trap, else a new one.
  virtual std::uint32_t reqid_for(const IkeSa& sa, const ChildSa& child) = 0;

  // A fresh IKE SA beside `old`, which it is to replace: connection, identities, endpoints and the
  // peer's proof are the same, the rest is the caller's. Its SPIs are given.
  virtual IkeSa& create_successor(const IkeSa& old, Role role, std::uint64_t spi_i,
                                  std::uint64_t spi_r) = 0;
  virtual IkeSa* find(Handle<IkeSa> sa) = 0;
  // Something was done to an SA other than the one whose message is handled.
  virtual void touched(const IkeSa& sa) = 0;

  // Begins to authenticate anew with a second IKE SA, which then takes the place of this one.
  virtual void reauthenticate(IkeSa& sa) = 0;
  // Asks the data plane when a packet last used the pair.
  virtual void ask_last_use(SaPairId pair) = 0;
  // Whether both sides' PFS has been seen to agree (or not) since the child was configured.
  virtual bool pfs_is_known(const IkeSa& sa, const ChildConfig& child) const = 0;
  virtual void know_pfs(const IkeSa& sa, const ChildConfig& child) = 0;

  // Whether an SA of another IKE SA with the same peer carries the child's traffic now.
  virtual bool has_elder(const IkeSa& sa, const ChildSa& child) const = 0;
  // The SA has just been authenticated: uniqueness (`initial_contact`: the peer has no other).
  virtual void authenticated(IkeSa& sa, bool initial_contact) = 0;
  // True when no other IKE SA with the same identities is established: INITIAL_CONTACT may be sent.
  virtual bool is_first_contact(const IkeSa& sa) const = 0;
  // What the reassemblies of all IKE SAs hold.
  virtual FragmentPool& fragment_pool() = 0;
  // The pair belongs to this SA from now on.
  virtual void own_pair(SaPairId pair, const IkeSa& sa) = 0;
  virtual void disown_pair(SaPairId pair) = 0;
};

// Emits an event about the SA; one that explains a failure is kept as the SA's last one.
void emit(Host& host, IkeSa& sa, trace::Body&& body, const ChildConfig* child = nullptr);

// Marks the SA closed; the shard takes it down when the handler returns.
void close(IkeSa& sa, std::string_view by);

}  // namespace culvert::ikev2
