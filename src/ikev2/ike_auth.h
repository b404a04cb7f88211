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

// As initiator, after IKE_SA_INIT has filled `material`. The SA moves to AuthSent, by AuthPending
// where our own proof takes its time.
void begin_ike_auth(Host& host, IkeSa& sa, AuthMaterial&& material, TimePoint now);
// The answer to Host::make_signature().
void signature_made(Host& host, IkeSa& sa, JobId job, MadeSignature&& made, TimePoint now);
// The answer to Host::fetch_evidence().
void evidence_fetched(Host& host, IkeSa& sa, JobId job, FetchedEvidence&& fetched, TimePoint now);
void handle_ike_auth_request(Host& host, IkeSa& sa, const Inbound& in);
void handle_ike_auth_response(Host& host, IkeSa& sa, const Inbound& in);

}  // namespace culvert::ikev2
