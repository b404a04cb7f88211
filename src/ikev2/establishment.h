// The end of IKE_AUTH, however it was authenticated: the IKE SA comes up with its first CHILD SA,
// or it doesn't. RFC 7296, 1.2 and 2.21.2.
#pragma once

#include <expected>

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// ---- responder ----

// Answers the request and closes the SA.
void refuse_peer(Host& host, IkeSa& sa, std::uint32_t message_id, wire::NotifyType type,
                 trace::Body&& why);
// The peer and we have proven who we are; `proof` begins our last response.
void establish_as_responder(Host& host, IkeSa& sa, const AuthExchange& exchange, Payloads&& proof,
                            TimePoint now);

// ---- initiator ----

// The CHILD SA that we want, at the end of our first request.
void add_first_child(Host& host, IkeSa& sa, AuthExchange& exchange, Payloads& payloads);
void fail(Host& host, IkeSa& sa, trace::Body&& why);
// The responder takes us for authenticated, but our side says no: tell it.
void fail_and_delete(Host& host, IkeSa& sa, trace::Body&& why, TimePoint now);
// The two have authenticated each other, but we have no use for the IKE SA as it is.
void fail_and_leave(Host& host, IkeSa& sa, trace::Body&& why, TimePoint now);
// The responder has refused, or its response makes no sense.
void accept_refusal(Host& host, IkeSa& sa, const AuthExchange& exchange, const Inbound& in);
void establish_as_initiator(Host& host, IkeSa& sa, const AuthExchange& exchange, const Inbound& in);

}  // namespace culvert::ikev2
