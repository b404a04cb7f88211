// IKE_SA_INIT, both roles: RFC 7296, 1.2, 2.6, 2.7, 2.23.
//
//   Initiator                                Responder
//   HDR, SAi1, KEi, Ni, N(NAT-D) x2   -->
//                                      <--   HDR, N(COOKIE)              under load
//   HDR, N(COOKIE), SAi1, KEi, Ni, … -->
//                                      <--   HDR, N(INVALID_KE_PAYLOAD)  another group, please
//   HDR, SAi1, KEi', Ni, …           -->
//                                      <--   HDR, SAr1, KEr, Nr, N(NAT-D) x2, N(CHILDLESS)
#pragma once

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// Fills a new SA and sends the first message; sa.connection, local, remote, spi_i are set.
void initiate(Host& host, IkeSa& sa, TimePoint now);
// A response of whatever kind.
void handle_ike_sa_init_response(Host& host, IkeSa& sa, const Inbound& in);

// As responder: fills `sa` (HalfOpen) and sends the answer, or refuses without keeping state;
// true when the SA shall live. Cookies have been dealt with.
bool respond_to_ike_sa_init(Host& host, IkeSa& sa, const Inbound& in);

// A stateless answer: a lone notification with the request's SPIs.
void send_unprotected_notify(Host& host, const wire::Header& request, const Datagram& datagram,
                             wire::NotifyType type, Bytes data);

}  // namespace culvert::ikev2
