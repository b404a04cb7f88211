// What an error notification in a response means, in words that say what to compare.
#pragma once

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// The first error notification of a response, if it has one (types below 16384: RFC 7296, 3.10.1).
const wire::Notify* first_error(std::span<const wire::Payload> payloads);

// Emits PeerRefused for the response's error notification, or MalformedMessage when a response
// lacks both its payloads and a reason.
void report_refusal(Host& host, IkeSa& sa, const Inbound& in, const ChildConfig* child = nullptr);

}  // namespace culvert::ikev2
