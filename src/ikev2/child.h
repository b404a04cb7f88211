// CHILD SAs: negotiation, shared by IKE_AUTH and CREATE_CHILD_SA, and their life in the data plane.
// RFC 7296, 1.3, 2.7, 2.9, 2.17.
#pragma once

#include <expected>

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// Why a negotiation failed: what the peer is told, and the event for the operator.
struct ChildFailure {
  wire::NotifyType notify{};
  Bytes data;
  trace::Body why;
};

// What both sides have agreed upon.
struct ChildAgreement {
  ChildConfigRef config;
  Suite suite;
  wire::Proposal accepted;  // for our response: their proposal with our SPI
  std::uint32_t spi_in = 0, spi_out = 0;
  std::vector<TrafficSelector> local_ts, remote_ts;
};

struct ChildNonces {
  ByteView initiator, responder;  // of the exchange that makes the CHILD SA
  ByteView shared_secret = {};    // with PFS
  bool we_initiate = false;       // that exchange
};

// ---- initiator ----

// Takes an SPI, which sa.offered_spi keeps until the offer is installed or withdrawn.
ChildOffer make_offer(Host& host, IkeSa& sa, ChildConfigRef config);
void withdraw_offer(Host& host, IkeSa& sa);
// SA (without key exchange in IKE_AUTH), TSi, TSr. A Nonce and KE go between SA and TSi: `between`.
void add_offer(const ChildOffer& offer, bool in_ike_auth, Payloads&& between, Payloads& payloads);
// Checks the responder's SA, TSi and TSr against what was offered.
std::expected<ChildAgreement, ChildFailure> accept_answer(const ChildOffer& offer,
                                                          std::span<const wire::Payload> payloads,
                                                          bool in_ike_auth);

// ---- responder ----

// Chooses one of the connection's children (or takes `only`) and a suite. The agreement has an SPI
// of ours, to be given back with release_child_spi() when it comes to nothing.
std::expected<ChildAgreement, ChildFailure> agree(Host& host, const IkeSa& sa,
                                                  const ConnectionRef& connection,
                                                  std::span<const wire::Payload> payloads,
                                                  bool in_ike_auth, ChildConfigRef only = nullptr);
// SA, [between], TSi, TSr of the response.
void add_agreement(const ChildAgreement& agreement, Payloads&& between, Payloads& payloads);

// ---- both ----

// Derives the keys and installs both directions and the policy. Only for an authenticated peer.
// False, with everything given back, when our own cryptography fails.
bool install_child(Host& host, IkeSa& sa, const PeerAuthenticated& proof,
                   const ChildAgreement& agreement, const ChildNonces& nonces, TimePoint now);
// The same for the successor of `old`, which becomes "rekeyed". The policy still points to the old
// one. Returns the new pair; zero on failure.
SaPairId install_successor(Host& host, IkeSa& sa, const PeerAuthenticated& proof, SaPairId old,
                           const ChildAgreement& agreement, const ChildNonces& nonces,
                           TimePoint now);
// Outbound traffic of the lineage goes to `pair` from now on.
void switch_policy(Host& host, IkeSa& sa, SaPairId pair);
// Takes it out of the data plane and out of the SA; a live relative takes over the policy. After a
// rekey the inbound SA lingers, so that no packet under way is lost. `by`: "us", "peer", …
void remove_child(Host& host, IkeSa& sa, SaPairId pair, std::string_view by, TimePoint now);
// Its lifetime was configured anew: counted from when it was installed.
void reschedule_child(Host& host, ChildSa& child, TimePoint now);
// Ends lingering that is over, and queues rekeys and deletes that are due.
void expire_children(Host& host, IkeSa& sa, TimePoint now);

// A random part of `most`, so that the two sides and many tunnels do not rekey at the same moment.
Duration jitter(Host& host, Duration most);

// Ends the waiting for a child (or, with no name, for the IKE SA).
void finish_waiters(Host& host, IkeSa& sa, std::string_view child, bool success);

}  // namespace culvert::ikev2
