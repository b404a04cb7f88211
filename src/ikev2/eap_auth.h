// EAP inside IKE_AUTH, both roles: RFC 7296, 2.16; RFC 5998.
//
//   Initiator                                                  Responder
//   HDR, SK{IDi, [N(EAP_ONLY_AUTHENTICATION)], [IDr],
//           [SAi2, TSi, TSr]}                         -->
//                                                     <--   HDR, SK{IDr, [CERT,] [AUTH,] EAP}
//   HDR, SK{EAP}                                      -->
//                                                     <--   HDR, SK{EAP}
//                                    …
//                                                     <--   HDR, SK{EAP(Success)}
//   HDR, SK{AUTH}                                     -->
//                                                     <--   HDR, SK{AUTH, [SAr2, TSi, TSr]}
#pragma once

#include <expected>

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// ---- responder ----

// Prepares the conversation with a peer that has sent no AUTH.
std::expected<void, trace::Body> prepare_eap_server(Host& host, const IkeSa& sa,
                                                    AuthExchange& exchange, const Inbound& in);
// Our first answer: who we are, what proves it (nothing where EAP alone has to), the first EAP
// request. The SA moves to EapAsked.
void ask_by_eap(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, Payloads&& proof);
// Whether the user is one whom the connection takes.
bool is_wanted_user(const IkeSa& sa, std::string_view identity);
// Users are named by text; addresses and distinguished names by how they are written.
std::string user_name(const Identity& identity);
void handle_eap_request(Host& host, IkeSa& sa, const Inbound& in);
// The peer ends it by an INFORMATIONAL request (RFC 7296, 2.21.2).
void handle_eap_abort(Host& host, IkeSa& sa, const Inbound& in);

// ---- both ----

// What a method's TLS handshake has waited for.
void eap_signature_made(Host& host, IkeSa& sa, JobId job, MadeSignature&& made, TimePoint now);
void eap_evidence_fetched(Host& host, IkeSa& sa, JobId job, FetchedEvidence&& fetched,
                          TimePoint now);

// ---- initiator ----

// Who we are by EAP: `eap_id`, else IKE's identity.
std::string own_eap_user(const IkeSa& sa);
// True when a response holds an EAP payload that we are to answer.
bool wants_eap(const IkeSa& sa, std::span<const wire::Payload> payloads);
// The responder has shown who it is, or EAP will. The SA moves to EapSent.
void begin_eap(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, const Inbound& in);
void handle_eap_response(Host& host, IkeSa& sa, const Inbound& in);

}  // namespace culvert::ikev2
