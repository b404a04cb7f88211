// The Configuration payload in IKE_AUTH: an initiator gets addresses of the responder's network,
// and what goes with them. RFC 7296, 2.19 and 3.15; RFC 8598.
//
//   Initiator                                                  Responder
//   …, AUTH, CP(CFG_REQUEST), SA, TSi, TSr            -->
//                                                     <--      …, AUTH, CP(CFG_REPLY), SA, TSi, TSr
#pragma once

#include <expected>

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// ---- responder ----

// Both ends have proven who they are. Waits for the peer's addresses where it asks for some and the
// connection has them; then establishes.
void conclude_authentication(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange,
                             Payloads&& proof, TimePoint now);
void addresses_leased(Host& host, IkeSa& sa, JobId job, LeaseGrant&& grant, TimePoint now);
// CP(CFG_REPLY); or, when the peer can't have the addresses without which there is no CHILD SA,
// why: false.
bool add_configuration_reply(Host& host, IkeSa& sa, const AuthExchange& exchange,
                             Payloads& payloads);

// ---- initiator ----

void add_configuration_request(Host& host, const IkeSa& sa, Payloads& payloads);
// What the responder has assigned. The error: it has not, although we want it.
std::expected<void, trace::Body> accept_configuration(IkeSa& sa,
                                                      std::span<const wire::Payload> payloads);

// ---- both ----

// Selectors of a child, with addresses in the place of `dynamic`: those that the end has been
// assigned, else its IKE address.
std::vector<TrafficSelector> local_selectors(const IkeSa& sa, const ChildConfig& child);
std::vector<TrafficSelector> remote_selectors(const IkeSa& sa, const ChildConfig& child);

}  // namespace culvert::ikev2
