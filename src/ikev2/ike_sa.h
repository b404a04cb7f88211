// An IKE SA and its CHILD SAs: pure state. Its states are types that hold exactly what is valid in
// them, so that the keys of a half-open SA can't outlive its authentication.
#pragma once

#include <array>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/slab.h"
#include "crypto/ikev2_keys.h"
#include "eap/peer.h"
#include "eap/server.h"
#include "eap/sim_credentials.h"
#include "ike/aaa.h"
#include "ike/action.h"
#include "ike/addresses.h"
#include "ike/evidence.h"
#include "ikev2/fragmentation.h"
#include "ipsec/operations.h"
#include "net/datagram.h"
#include "pki/certificate.h"
#include "policy/connection.h"
#include "trace/event.h"
#include "wire/header.h"
#include "wire/v2/message.h"

namespace culvert::ikev2 {

enum class Role : std::uint8_t { initiator, responder };

// Shares the ownership of the connection that it is a part of.
using ChildConfigRef = std::shared_ptr<const ChildConfig>;
inline ChildConfigRef child_ref(const ConnectionRef& connection, const ChildConfig* child) {
  return ChildConfigRef(connection, child);
}

enum class ChildState : std::uint8_t {
  installed,
  rekeying,   // our request to replace it is out
  rekeyed,    // it has a successor; its delete follows
  deleting,   // our delete is out
  lingering,  // deleted after a rekey: packets that are still under way are received
};

// Selectors that a CHILD SA is wanted for, within its configuration: those of the packet that asks
// for it (they go first, before all others), or the only ones. RFC 7296, 2.9.
struct Scope {
  std::vector<TrafficSelector> local, remote;
  bool packet = false;
};
using ScopeRef = std::shared_ptr<const Scope>;

struct ChildSa {
  ChildConfigRef config;
  SaPairId pair;
  PolicyId policy;  // zero: the policy points to another SA of the lineage
  std::uint32_t unique_id = 0;
  std::uint32_t reqid = 0;
  std::uint32_t spi_in = 0, spi_out = 0;
  std::uint16_t cpi_in = 0, cpi_out = 0;  // of IPComp; zero: none
  bool peer_takes_tfc = true;
  bool rehearse = false;   // the next rekey shows whether both sides agree about PFS
  bool refused = false;    // by the data plane; told once
  bool told_down = false;  // the end of its lineage
  Suite suite;
  ScopeRef scope;  // none: all of the configuration
  // Successors by rekeying share it; the policy always points to one of them.
  std::uint32_t lineage = 0;
  SaPairId successor;  // by rekeying; of two, the one that both sides keep
  Mode mode = Mode::tunnel;
  IpsecProtocol protocol = IpsecProtocol::esp;
  ChildState state = ChildState::installed;
  std::vector<TrafficSelector> local_ts, remote_ts;
  TimePoint installed;
  TimePoint rekey_at = kNever, expires_at = kNever;  // expires_at also ends lingering
  TimePoint send_at = kNever;  // when its policy goes before its elder's: the peer has the SAs
  TimePoint idle_at = kNever;  // when it is asked how long no packet has used it

  // May be rekeyed and may hold the policy.
  bool is_live() const { return state == ChildState::installed || state == ChildState::rekeying; }
  bool is_going() const { return state == ChildState::deleting || state == ChildState::lingering; }
};
static_assert(sizeof(ChildSa) <= 400);

// What we ask for in a CHILD SA negotiation of our own. The SPI and CPI are of our inbound SA.
struct ChildOffer {
  ChildConfigRef config;
  std::uint32_t spi_in = 0;
  std::uint16_t cpi_in = 0;  // zero: without IPComp
  std::vector<TrafficSelector> local_ts, remote_ts;
  ScopeRef scope;
  bool through_nat = false;
};
// Numbers of the offer that is out; given back if it fails.
struct Offered {
  std::uint32_t spi = 0;
  std::uint16_t cpi = 0;
};

// Somebody who waits for a child (or, with no name, for the IKE SA) to come up.
struct Waiter {
  CommandId command;
  std::string child;
  ScopeRef scope = nullptr;
};

// Tasks of an established IKE SA: one is in flight, the others wait (RFC 7296, 2.3: window of one).
struct CheckLiveness {};
struct CreateChild {
  ChildConfigRef config;
  Ke ke = Ke::none;  // PFS: the method that the responder wants; none: the first one configured
  ScopeRef scope = nullptr;
};
struct RekeyChild {
  SaPairId pair;
  Ke ke = Ke::none;
  bool rehearsal = false;  // early, to see whether both sides agree about PFS
};
// The responder has made a CHILD SA that we can't accept: RFC 7296, 1.3.1.
struct RefuseChild {
  wire::ProtocolId protocol{};
  std::uint32_t spi_in = 0;
};
struct DeleteChild {
  SaPairId pair;
  bool missed = false;  // a kept connection makes it anew when it is gone
};
struct RekeyIke {
  Ke ke = Ke::none;
};
struct DeleteIke {
  std::string_view by = "us";  // as in Closed
};
struct UpdateAddresses {  // MOBIKE: the peer learns which addresses to use
  std::uint32_t retries = 0;
};
struct AnnounceAddresses {};  // MOBIKE: the peer learns which other addresses we have
struct VerifyAddress {};      // MOBIKE: does the peer receive what is sent to its new address?
using Task = std::variant<CheckLiveness, CreateChild, RekeyChild, DeleteChild, RefuseChild,
                          RekeyIke, DeleteIke, UpdateAddresses, AnnounceAddresses, VerifyAddress>;

// The peer rekeys what we are rekeying (RFC 7296, 2.8.1 and 2.8.2): its exchange's lower nonce and
// what came of it, to be compared when our response is here.
struct ChildRival {
  Bytes lowest_nonce;
  SaPairId pair;
};
struct IkeRival {
  Bytes lowest_nonce;
  Handle<struct IkeSa> sa;
};

// What the response to the task in flight needs.
struct ChildRequest {
  ChildOffer offer;
  Bytes nonce;
  std::unique_ptr<KeyExchange> ke;  // with PFS
  bool second_ke = false;           // the responder has asked for this method
  SaPairId rekeys;                  // zero: a new CHILD SA
  bool rehearsal = false;           // as in RekeyChild
  std::optional<ChildRival> rival;
  // The peer's SPIs that its deletes named and that we don't have: what the answer to this request
  // made may be gone before the answer is here.
  std::vector<std::uint32_t> gone;
};
struct IkeRequest {
  std::uint64_t spi = 0;
  Bytes nonce;
  std::unique_ptr<KeyExchange> ke;
  bool second_ke = false;
  std::optional<IkeRival> rival;
};
struct AddressRequest {  // an UpdateAddresses, AnnounceAddresses or VerifyAddress
  Task task;
  std::uint32_t update = 0;  // Mobility::update when it left
  Bytes cookie;              // COOKIE2
};
using InFlight = std::variant<std::monostate, CheckLiveness, ChildRequest, DeleteChild, RefuseChild,
                              IkeRequest, DeleteIke, AddressRequest>;

// What MOBIKE keeps; there once both sides have said MOBIKE_SUPPORTED (RFC 4555, 3.2).
struct Mobility {
  std::uint32_t update = 0;  // counts changes of the addresses: what was sent before is out of date
  IpAddress verified;        // the peer's address that the CHILD SAs send to
  Path best;                 // routing's first choice when it was last asked
  bool asking = false;       // FindPaths is out
  std::vector<IpAddress> peer_addresses;  // all that we know of
  std::vector<IpAddress> announced;       // ours that the peer knows of beside the one in use
  std::vector<Path> refused;              // by the peer, as unacceptable
  Bytes seen_as;  // the peer's hash of our address as it sees it; empty: not known
};

// What one end has assigned to the other, for as long as the line of IKE SAs lives. RFC 7296, 2.19.
struct Assigned {
  std::vector<IpAddress> addresses;
  HostSettings settings;
  bool ours = false;         // by the peer to us; else by us to the peer
  std::uint64_t holder = 0;  // the number of the first IKE SA that has them
};

// What an AAA server has granted the peer.
struct AaaSession {
  SessionId id;
  AuthorizationRef granted;
  TimePoint ends = kNever;
  radius::TerminateCause cause = radius::TerminateCause::none;  // why we end it
};

// Only the authentication code can make one; what installs SAs asks for it.
class PeerAuthenticated {
  friend struct Authentication;
  PeerAuthenticated() = default;
};

// ---- the states ----

struct InitSent {  // initiator, IKE_SA_INIT is out
  std::unique_ptr<KeyExchange> ke;
  Bytes nonce;
  Bytes cookie;
  std::uint8_t retries = 0;
};
// What AUTH covers (RFC 7296, 2.15) and the keys for it.
struct AuthMaterial {
  SecretPack<2> sk_p;  // of the initiator, of the responder
  Bytes nonce_i, nonce_r;
  Bytes init_request, init_response;
  std::uint16_t peer_hashes = 0;  // of SIGNATURE_HASH_ALGORITHMS, 1 << number (RFC 7427, 4)
  bool wants_cert = false;        // the peer has sent CERTREQ
};
// What our AUTH is signed with, and the certificates that go with it.
struct SignaturePlan {
  wire::AuthMethod method{};
  SignatureScheme scheme;
  KeyId key{};
  std::vector<pki::CertificateRef> chain = {};
  PublicKeyRef raw_key = nullptr;  // sent in place of certificates (RFC 7670)
};
struct HalfOpen {  // responder, IKE_SA_INIT is answered
  AuthMaterial auth;
  std::uint8_t responses = 1;  // to the one request
};
// What is said to the peer in the name of an AAA server, which decides about its login.
struct EapRelayed {
  std::unique_ptr<AaaLogin> login;     // none while a question is out, or before the first
  std::string identity;                // as the peer claims it
  std::optional<eap::Type> method;     // of its last answer
  Bytes request;                       // the last one that it got
  bool asked_identity = false;         // that was our own question
  std::vector<wire::Payload> opening;  // of our first answer: who we are and what proves it
  SecretBytes msk;                     // after success; empty: the method makes none
};
// IKE_AUTH while it runs, in either role.
struct AuthExchange {
  AuthMaterial material;
  std::optional<ChildOffer> offer;         // initiator; none when childless
  std::vector<wire::Payload> request;      // responder: the peer's first request
  std::uint32_t message_id = 0;            // responder: of the request to be answered
  std::optional<PeerAuthenticated> peer;   // once the peer has proven itself
  wire::Identification own_id, peer_id;    // as the ID payloads say it
  std::unique_ptr<eap::SimCard> sim_card;  // of eap_peer
  std::unique_ptr<eap::Server> eap_server;
  std::unique_ptr<eap::Peer> eap_peer;
  std::unique_ptr<EapRelayed> eap_relayed;  // in the place of eap_server
  AuthorizationRef authorization;           // what an AAA server has granted
  bool eap_done = false;
  std::optional<eap::Refusal> eap_refusal;  // of the last attempt
  KeyId eap_key{};                          // what signs in the TLS handshake of an EAP method
  std::optional<SignaturePlan> plan;
  std::vector<wire::Payload> proof;  // responder: the beginning of our last answer
  std::string address_refusal;       // responder: why the peer gets none
  EvidenceSearch evidence;           // about the peer's certificate
  std::vector<FetchRequest> wanted;  // not empty: the peer's proof waits for these
};
struct AuthSent {  // initiator, IKE_AUTH is out
  std::unique_ptr<AuthExchange> exchange;
};
struct EapSent {  // initiator, an EAP message is out, or AUTH after the last one
  std::unique_ptr<AuthExchange> exchange;
};
struct EapAsked {  // responder, it has answered with an EAP message
  std::unique_ptr<AuthExchange> exchange;
};
// Our own proof is being made elsewhere: before the initiator's request or the responder's answer.
struct AuthPending {
  std::unique_ptr<AuthExchange> exchange;
  JobId job;
};
// Responder: the addresses that the peer is to have are asked for.
struct AddressPending {
  std::unique_ptr<AuthExchange> exchange;
  JobId job;
};
// A message whose handling waits.
struct HeldMessage {
  wire::Header header;
  std::vector<wire::Payload> payloads;
  Endpoint local, remote;
};
// Whether the peer's certificate was revoked is being asked elsewhere. Responder: with its first
// request, initiator: with the response to ours.
struct EvidencePending {
  std::unique_ptr<AuthExchange> exchange;
  std::unique_ptr<HeldMessage> message;
  JobId job;
};
// The next EAP packet is being made elsewhere, by an AAA server, or has to wait for a signature of
// ours or for news of the peer's certificate.
struct EapPending {
  std::unique_ptr<AuthExchange> exchange;
  JobId job;
};
struct Established {
  PeerAuthenticated proof;
  InFlight in_flight;
  std::list<Task> queue;
};
struct Closed {
  // "us", "peer", "timeout", "failure", "replacement", "restart of the peer" or "shutdown"
  std::string_view by;
};
using State = std::variant<InitSent, HalfOpen, AuthSent, EapSent, EapAsked, AuthPending,
                           AddressPending, EvidencePending, EapPending, Established, Closed>;

// A request of ours without its answer (RFC 7296, 2.1).
struct Outstanding {
  std::uint32_t message_id = 0;
  wire::ExchangeType exchange{};
  std::uint32_t attempt = 0;
  TimePoint first_sent, next_at;
  Bytes datagram;       // or its fragments, one after the other
  bool probed = false;  // it went over other paths too
};

// What the peer has asked for lately: it fills by requests and leaks with time.
struct RequestMeter {
  TimePoint at{};
  std::uint32_t level = 0;
  bool over = false;
  // False when the request would be too much.
  bool add(std::uint32_t cost, TimePoint now);
};

// The keys that an IKE SA has for all its life.
class IkeSaKeys {
 public:
  IkeSaKeys() = default;
  explicit IkeSaKeys(const IkeKeys& keys)
      : pack_({keys.sk_d.view(), keys.sk_ai.view(), keys.sk_ar.view(), keys.sk_ei.view(),
               keys.sk_er.view()}) {}
  bool empty() const { return pack_.empty(); }
  ByteView sk_d() const { return pack_[0]; }
  ByteView sk_ai() const { return pack_[1]; }
  ByteView sk_ar() const { return pack_[2]; }
  ByteView sk_ei() const { return pack_[3]; }
  ByteView sk_er() const { return pack_[4]; }

 private:
  SecretPack<5> pack_;
};

struct IkeSa {
  Handle<IkeSa> self;
  std::uint32_t unique_id = 0;
  Role role = Role::initiator;
  std::uint64_t spi_i = 0, spi_r = 0;
  Endpoint local, remote;
  Endpoint first_remote;  // where IKE_SA_INIT came from; the key of the half-open index
  ConnectionRef connection;
  State state;

  Suite suite;
  IkeSaKeys keys;  // empty until IKE_SA_INIT is done
  std::uint64_t iv_counter = 0;

  std::uint32_t next_request_id = 0;      // of our next request
  std::uint32_t expected_request_id = 0;  // of the peer's next request
  std::unique_ptr<Outstanding> outstanding;
  RequestMeter meter;   // of CREATE_CHILD_SA requests
  Bytes last_response;  // to the request expected_request_id - 1; or its fragments
  // What has come of a request and of a response.
  std::array<std::unique_ptr<Reassembly>, 2> fragments;
  std::uint16_t peer_fragment_size = 0;  // the largest fragment of the peer's last such message
  bool fragmentation = false;            // both sides have announced RFC 7383

  bool nat_local = false, nat_remote = false, nat_fake = false;
  bool udp_encap = false;
  bool peer_nat_t = false;       // the peer does NAT traversal
  bool first_initiator = false;  // of the first IKE SA of the line; rekeying does not change it
  bool peer_childless = false;   // the peer knows RFC 6023
  Identity local_id, remote_id;  // remote_id is proven once established
  std::string eap_user;          // who has logged in by EAP
  std::vector<ChildSa> children;
  Offered offered;
  std::vector<Waiter> waiters;
  std::vector<CommandId> close_waiters;
  bool rekeyed = false;  // another IKE SA has taken its place
  // It came up, or took another one's place: of two that both sides made at once, one never does.
  bool took_over = false;
  // Set while it is not decided whether this one or our own takes the place of the named SA, which
  // both sides are rekeying.
  Handle<IkeSa> rival_of;
  std::string last_failure;  // the sentence of the latest event that explains one

  TimePoint created, established = kNever;
  TimePoint last_inbound;      // authenticated, IKE or ESP
  TimePoint expires = kNever;  // half-open life, or the end of waiting for a delete
  TimePoint rekey_at = kNever;
  TimePoint reauth_at = kNever;  // when we begin to authenticate anew
  // over_time: when it is deleted because neither has been done, and the latest such time however
  // often it is rekeyed.
  TimePoint hard_at = kNever, auth_expires = kNever;
  TimePoint authenticated = kNever;  // itself, or the one that it comes from by rekeying
  TimePoint superseded_at = kNever;  // when it is deleted because the peer has a newer one
  Handle<IkeSa> replaced_by;         // the one that `replaces` this one
  Handle<IkeSa> replaces;  // reauthentication: deleted when this one has the same CHILD SAs
  TimePoint keepalive_at = kNever;  // behind a NAT: when the next NAT-keepalive is due
  std::unique_ptr<Mobility> mobility;
  // Successors by rekeying share it; the last one to go gives the addresses back.
  std::shared_ptr<const Assigned> assigned;
  std::unique_ptr<AaaSession> session;  // where an AAA server has let the peer in
  // The request that is being handled; its response goes back the way it came (RFC 7296, 2.11).
  const Datagram* answering = nullptr;
  TimePoint armed = kNever;  // earliest entry for it in the shard's timer queue

  template <class S>
  S* in() {
    return std::get_if<S>(&state);
  }
  template <class S>
  const S* in() const {
    return std::get_if<S>(&state);
  }
  bool closed() const { return in<Closed>() != nullptr; }
  bool is_initiator() const { return role == Role::initiator; }
  std::uint64_t our_spi() const { return is_initiator() ? spi_i : spi_r; }
  ChildSa* child_by_pair(SaPairId pair);
  ChildSa* child_by_outbound_spi(IpsecProtocol protocol, std::uint32_t spi);
  // When something has to happen without any input.
  TimePoint next_deadline() const;
};
static_assert(sizeof(IkeSa) <= 1'024);

// The subject of events about it.
trace::Subject subject_of(const IkeSa& sa, const ChildConfig* child = nullptr);

}  // namespace culvert::ikev2
