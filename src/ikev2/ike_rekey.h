// Rekeying the IKE SA with CREATE_CHILD_SA, both roles and both at once: RFC
// 7296, 1.3.2, 2.8, 2.18, 2.25.2.
//
//   Initiator                               Responder
//   HDR, SK{SA(new SPIi), Ni, KEi}    -->   makes the new IKE SA, moves the CHILD SAs to it
//                                     <--   HDR, SK{SA(new SPIr), Nr, KEr}
//   makes the new IKE SA, moves the CHILD SAs
//   HDR, SK{D(IKE)}  on the old one   -->
//                                     <--   HDR, SK{}
#pragma once

#include "ikev2/channel.h"

namespace culvert::ikev2 {

void send_ike_rekey(Host& host, IkeSa& sa, const RekeyIke& task, TimePoint now);
void handle_ike_rekey_request(Host& host, IkeSa& sa, const Inbound& in);
void handle_ike_rekey_response(Host& host, IkeSa& sa, const Inbound& in);
// What the peer's rekey made while ours, whose answer is not here, is out; nullptr: nothing.
IkeSa* successor_by_peer(Host& host, const IkeSa& sa);
// The SA ends while our own rekey of it is out: if the peer's rekey stands, the CHILD SAs go there.
void concede_ike_rekey(Host& host, IkeSa& sa);
// Called for each request on an IKE SA that the peer made by a rekey of its own while ours was out:
// when the peer puts it to use, it has not seen our rekey and the CHILD SAs go there at once.
void settle_by_use(Host& host, IkeSa& sa, std::span<const wire::Payload> payloads);
// A time in the future at which the SA asks for its rekey; kNever when that is not configured.
TimePoint next_ike_rekey(Host& host, const ConnectionConfig& connection, TimePoint now);

}  // namespace culvert::ikev2
