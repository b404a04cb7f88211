// From a datagram for a known IKE SA to the handler of its exchange.
#pragma once

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// Checks window, integrity, syntax and the transition table, in this order, and runs the handler.
// The SA may be closed afterwards.
void receive(Host& host, IkeSa& sa, const wire::Header& header, const Datagram& datagram,
             TimePoint now);
// The first message of a peer: `sa` is fresh and closed afterwards when nothing came of it.
void receive_first(Host& host, IkeSa& sa, const wire::Header& header,
                   std::span<const wire::Payload> payloads, const Datagram& datagram,
                   TimePoint now);
// Timers: retransmission, liveness, the end of half-open life.
void expire(Host& host, IkeSa& sa, TimePoint now);

}  // namespace culvert::ikev2
