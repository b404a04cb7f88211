// Proving who one is: AUTH payloads of IKEv2 with pre-shared keys (RFC 7296, 2.15).
// This is the only place that makes a PeerAuthenticated.
#pragma once

#include <expected>

#include "ikev2/channel.h"

namespace culvert::ikev2 {

struct Authentication {
  // Our AUTH payload for `id_payload`, the ID payload that we send.
  static std::expected<wire::Auth, trace::Body> sign(Host& host, const IkeSa& sa,
                                                     const AuthMaterial& material,
                                                     const wire::Identification& id_payload);
  // Checks the peer's AUTH for the ID payload that it sent.
  static std::expected<PeerAuthenticated, trace::Body> verify(
      Host& host, const IkeSa& sa, const AuthMaterial& material,
      const wire::Identification& id_payload, const wire::Auth& auth);
};

}  // namespace culvert::ikev2
