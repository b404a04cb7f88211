// CHILD SAs: their life in the data plane. RFC 7296, 1.3, 2.8, 2.17.
#pragma once

#include "ikev2/child_negotiation.h"

namespace culvert::ikev2 {

struct ChildNonces {
  ByteView initiator, responder;  // of the exchange that makes the CHILD SA
  ByteView shared_secret = {};    // with PFS
  bool we_initiate = false;       // that exchange
};

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
void reschedule_child(Host& host, const IkeSa& sa, ChildSa& child, TimePoint now);
// The same for all of an IKE SA that ends. A younger IKE SA with the same peer goes on receiving on
// them for a while.
void remove_children(Host& host, IkeSa& sa, IkeSa* heir, std::string_view by, TimePoint now);
// Ends lingering that is over, and queues rekeys and deletes that are due.
void expire_children(Host& host, IkeSa& sa, TimePoint now);

// The mark that traffic of the direction has, and the number of its xfrm interface; those that are
// to be unique are the same for all successors by rekeying.
Mark mark_of(const ChildSa& child, Direction direction);
std::uint32_t if_id_of(const IkeSa& sa, const ChildSa& child, Direction direction);
// Sets when the CHILD SA is rekeyed: jittered, counted from its installation.
void schedule_rekey(Host& host, ChildSa& child);
// A random part of `most`, so that the two sides and many tunnels do not rekey at the same moment.
Duration jitter(Host& host, Duration most);

// Ends the waiting for a child (or, with no name, for the IKE SA).
void finish_waiters(Host& host, IkeSa& sa, std::string_view child, bool success);

}  // namespace culvert::ikev2
