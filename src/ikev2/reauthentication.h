// Authenticating again: when, who asks for it, and how a second IKE SA takes the place of the first
// before that is deleted, so that traffic always has a CHILD SA. RFC 7296, 2.8.3; RFC 4478.
//
//   old IKE SA                         new IKE SA
//   reauth_time is over        -->     IKE_SA_INIT, IKE_AUTH with the first CHILD SA,
//                                      CREATE_CHILD_SA for each of the others
//   D(IKE)                     <--     all of them are there
#pragma once

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// Sets reauth_at, and hard_at for the case that it fails, for an SA that is just authenticated.
void schedule_reauthentication(Host& host, IkeSa& sa, TimePoint now);
// Sets hard_at for an SA that has just come from a rekey of one with the same auth_expires.
void schedule_hard_end(IkeSa& sa, TimePoint now);
// As responder: tells the initiator how long its proof is good for, where that is configured.
void add_auth_lifetime(const IkeSa& sa, Payloads& payloads);
// The peer told us so.
void note_auth_lifetime(Host& host, IkeSa& sa, const Inbound& in);
// Does what is due: begins anew, or ends an SA for which nobody has.
void expire_authentication(Host& host, IkeSa& sa, TimePoint now);
// The new SA has nothing left to do: the one that it replaces is deleted.
void finish_reauthentication(Host& host, IkeSa& sa, TimePoint now);

}  // namespace culvert::ikev2
