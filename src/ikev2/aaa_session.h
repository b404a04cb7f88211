// Sessions that AAA servers have granted: how long they last, and what ends them. A session begins
// with the IKE SA whose peer has logged in, and goes along when that one is rekeyed.
#pragma once

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// Where an AAA server has let the peer in; before its first CHILD SA.
void begin_session(Host& host, IkeSa& sa, const AuthExchange& exchange, TimePoint now);
// The server has other times for it now; what it leaves out stays.
void change_session(Host& host, IkeSa& sa, const radius::Authorization& changes, TimePoint now);
// Deletes the IKE SA.
void end_session(IkeSa& sa, radius::TerminateCause cause);
// Ends it when its time is over.
void expire_session(Host& host, IkeSa& sa, TimePoint now);
// After how long without traffic the CHILD SA is deleted; zero: never.
Duration inactivity_of(const IkeSa& sa, const ChildSa& child);
// Nothing else uses the session, and the server wants it ended then.
bool ends_when_idle(const IkeSa& sa, const ChildSa& child);

}  // namespace culvert::ikev2
