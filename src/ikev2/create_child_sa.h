// CREATE_CHILD_SA for further CHILD SAs, both roles: RFC 7296, 1.3.1.
//
//   Initiator                                            Responder
//   HDR, SK{SA, Ni, [KEi], TSi, TSr}            -->
//                                                <--   HDR, SK{SA, Nr, [KEr], TSi, TSr}
//                                                <--   HDR, SK{N(INVALID_KE_PAYLOAD)}  other group
#pragma once

#include "ikev2/channel.h"

namespace culvert::ikev2 {

void send_create_child_sa(Host& host, IkeSa& sa, const CreateChild& task, TimePoint now);
void handle_create_child_sa_request(Host& host, IkeSa& sa, const Inbound& in);
void handle_create_child_sa_response(Host& host, IkeSa& sa, const Inbound& in);

}  // namespace culvert::ikev2
