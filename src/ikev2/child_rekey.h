// Rekeying a CHILD SA with CREATE_CHILD_SA, both roles and both at once: RFC
// 7296, 1.3.3, 2.8, 2.25.1.
//
//   Initiator                                                 Responder
//   HDR, SK{N(REKEY_SA), SA, Ni, [KEi], TSi, TSr}     -->     installs the new pair, sends on the
//   old
//                                                     <--     HDR, SK{SA, Nr, [KEr], TSi, TSr}
//   installs the new pair, sends on it
//   HDR, SK{D(old)}                                   -->     sends on the new pair
//                                                     <--     HDR, SK{D(old)}
#pragma once

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// A PFS mismatch shows at the first rekey only (the CHILD SA of IKE_AUTH has no key exchange of its
// own), so the first CHILD SA of a new configuration is rekeyed at once: by the initiator, and soon
// after by the responder if the initiator has not.
void rehearse_rekey(Host& host, IkeSa& sa, std::string_view child, TimePoint now);
void send_child_rekey(Host& host, IkeSa& sa, const RekeyChild& task, TimePoint now);
void handle_child_rekey_response(Host& host, IkeSa& sa, ChildRequest&& request, const Inbound& in);
void handle_child_rekey_request(Host& host, IkeSa& sa, const Inbound& in,
                                const wire::Notify& rekey);

}  // namespace culvert::ikev2
