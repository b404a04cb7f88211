// CREATE_CHILD_SA: which of its three uses a message is, and the first of them, further CHILD SAs.
// RFC 7296, 1.3 and 1.3.1. The others: child_rekey.h, ike_rekey.h.
//
//   Initiator                                            Responder
//   HDR, SK{SA, Ni, [KEi], TSi, TSr}            -->
//                                                <--   HDR, SK{SA, Nr, [KEr], TSi, TSr}
//                                                <--   HDR, SK{N(INVALID_KE_PAYLOAD)}  other group
#pragma once

#include "ikev2/channel.h"
#include "ikev2/child.h"
#include "ikev2/key_agreement.h"

namespace culvert::ikev2 {

void send_create_child_sa(Host& host, IkeSa& sa, const CreateChild& task, TimePoint now);
void handle_create_child_sa_request(Host& host, IkeSa& sa, const Inbound& in);
void handle_create_child_sa_response(Host& host, IkeSa& sa, const Inbound& in);

// ---- for all uses ----

// Answers with a lone notification; INVALID_SYNTAX ends the IKE SA (RFC 7296, 2.21.3).
void refuse_create_child_sa(Host& host, IkeSa& sa, const Inbound& in, wire::NotifyType type,
                            Bytes data = {}, wire::ProtocolId protocol = wire::ProtocolId::none,
                            Bytes spi = {});
// Sends `request`, filled in for the child that is `wanted`; N(REKEY_SA) goes first in a rekey.
// False when our own cryptography fails.
bool send_child_request(Host& host, IkeSa& sa, const CreateChild& wanted, ChildRequest&& request,
                        Payloads&& payloads, TimePoint now);
// What a response agrees to, with the secret of PFS; otherwise the event has been emitted, the
// offer withdrawn, and what the responder has made is refused.
struct ChildGrant {
  ChildAgreement agreement;
  SecretBytes secret;
  Bytes nonce;
};
std::optional<ChildGrant> read_child_response(Host& host, IkeSa& sa, const ChildRequest& request,
                                              const Inbound& in);
// The responder's side: negotiates, with `only` where the child is given. Otherwise it has refused.
struct ChildAnswer {
  ChildAgreement agreement;
  KeHalf half;
  Bytes nonce;
};
std::optional<ChildAnswer> answer_child_request(Host& host, IkeSa& sa, const Inbound& in,
                                                ChildConfigRef only);
void send_child_response(Host& host, IkeSa& sa, const Inbound& in, const ChildAnswer& answer);

}  // namespace culvert::ikev2
