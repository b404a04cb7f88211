// IKE_AUTH with pre-shared keys and the first CHILD SA, both roles: RFC 7296, 1.2; RFC 6023.
//
//   Initiator                                                  Responder
//   HDR, SK{IDi, [N(INITIAL_CONTACT)], [IDr], AUTH,
//           [SAi2, TSi, TSr]}                         -->
//                                                      <--   HDR, SK{IDr, AUTH, [SAr2, TSi, TSr]}
//                                                      <--   HDR, SK{IDr, AUTH, N(error)}  no CHILD
//                                                      SA
//                                                      <--   HDR, SK{N(AUTHENTICATION_FAILED)}
#pragma once

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// Sends the request; `auth` was filled by IKE_SA_INIT. The SA moves to AuthSent.
void send_ike_auth(Host& host, IkeSa& sa, AuthMaterial&& auth, TimePoint now);
void handle_ike_auth_request(Host& host, IkeSa& sa, const Inbound& in);
void handle_ike_auth_response(Host& host, IkeSa& sa, const Inbound& in);

}  // namespace culvert::ikev2
