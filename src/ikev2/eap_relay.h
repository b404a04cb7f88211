// EAP whose server is elsewhere, behind an AAA protocol (RFC 7296, 2.16; RFC 3579): the responder
// hands packets on in both directions, and learns in the end who it was and with which key.
//
//   Initiator                      Responder                                    AAA
//   HDR, SK{IDi, …}          -->
//                                  EAP-Response(Identity)                 -->
//                                                                         <--   EAP
//                            <--   HDR, SK{IDr, [CERT,] [AUTH,] EAP}
//   HDR, SK{EAP}             -->
//                                  EAP                                    -->
//                                    …
//                                                                         <--   EAP(Success), MSK
//                            <--   HDR, SK{EAP(Success)}
//   HDR, SK{AUTH}            -->
//
// Where the configuration says to ask for the identity, the first request is our own.
#pragma once

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// `proof` is what goes with our ID payload.
void begin_relay(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, Payloads&& proof);
// An EAP packet of the peer's, in EapAsked.
void relay_eap(Host& host, IkeSa& sa, const wire::Eap& eap);
// The answer to Host::ask_aaa().
void aaa_answered(Host& host, IkeSa& sa, JobId job, AaaAnswer&& answer);
std::string explain(const EapRelayed& relayed, const eap::Refusal& refusal);

}  // namespace culvert::ikev2
