// INFORMATIONAL, both roles: liveness checks and deletes. RFC 7296, 1.4 and 1.4.1.
//
//   HDR, SK{}                          -->   liveness: any protected answer will do
//                                       <--   HDR, SK{}
//   HDR, SK{D(ESP, our inbound SPIs)}  -->
//                                       <--   HDR, SK{D(ESP, its inbound SPIs)}
//   HDR, SK{D(IKE)}                    -->
//                                       <--   HDR, SK{}
#pragma once

#include "ikev2/channel.h"

namespace culvert::ikev2 {

void send_liveness_check(Host& host, IkeSa& sa, TimePoint now);
void send_child_delete(Host& host, IkeSa& sa, const DeleteChild& task, TimePoint now);
void send_child_refusal(Host& host, IkeSa& sa, const RefuseChild& task, TimePoint now);
void send_ike_delete(Host& host, IkeSa& sa, const DeleteIke& task, TimePoint now);
void handle_informational_request(Host& host, IkeSa& sa, const Inbound& in);
void handle_informational_response(Host& host, IkeSa& sa, const Inbound& in);

}  // namespace culvert::ikev2
