// MOBIKE, both roles: RFC 4555. "Initiator" is who initiated the first IKE SA of the line.
//
//   Initiator                                   Responder
//   HDR, SK{IDi, ..., N(MOBIKE_SUPPORTED),
//           [N(ADDITIONAL_*_ADDRESS)+]}    -->
//                                          <--  HDR, SK{IDr, ..., N(MOBIKE_SUPPORTED),
//                                                       [N(ADDITIONAL_*_ADDRESS)+]}
//   (from or to other addresses)
//   HDR, SK{N(UPDATE_SA_ADDRESSES),
//           N(NAT_DETECTION_*_IP),
//           N(ADDITIONAL_*_ADDRESS)+ or
//           N(NO_ADDITIONAL_ADDRESSES),
//           [N(NO_NATS_ALLOWED)],
//           N(COOKIE2)}                    -->
//                                          <--  HDR, SK{N(NAT_DETECTION_*_IP), N(COOKIE2)}
//   (the initiator's address is a new one: return routability, before CHILD SAs send there)
//                                          <--  HDR, SK{N(COOKIE2)}
//   HDR, SK{N(COOKIE2)}                    -->
//   (either side has other addresses than it had)
//   HDR, SK{N(ADDITIONAL_*_ADDRESS)+ or N(NO_ADDITIONAL_ADDRESSES), [N(NO_NATS_ALLOWED)]}
//                                          <->  HDR, SK{}
#pragma once

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// What IKE_AUTH says of MOBIKE. `agreed`: the response tells only an initiator that knows MOBIKE.
void add_mobike_support(Host& host, const IkeSa& sa, Payloads& payloads);
// The peer's side of it: from here on sa.mobility is there, when both want it.
void accept_mobike(Host& host, IkeSa& sa, std::span<const wire::Payload> payloads);
// False when NO_NATS_ALLOWED contradicts the addresses that the message came with (3.9).
bool nats_are_allowed(Host& host, IkeSa& sa, const Inbound& in);

// Before what waits: the addresses first, or nothing else arrives. Once only.
void queue_address_task(IkeSa& sa, Task&& task);
void send_address_task(Host& host, IkeSa& sa, const Task& task, TimePoint now);
// MOBIKE's part of an INFORMATIONAL request: carries it out and adds to the answer.
void answer_mobike(Host& host, IkeSa& sa, const Inbound& in, Payloads& answer);
void handle_address_response(Host& host, IkeSa& sa, const AddressRequest& request,
                             const Inbound& in);

// The initiator behind a NAT asks with each liveness check as whom the peer sees it (3.8).
void add_mapping_check(Host& host, const IkeSa& sa, Payloads& payloads);
void check_mapping(IkeSa& sa, const Inbound& in);

// The successor of a rekeyed IKE SA goes on where the old one is.
void inherit_mobility(Host& host, const IkeSa& old, IkeSa& successor);

}  // namespace culvert::ikev2
