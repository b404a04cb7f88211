// Proving who one is: AUTH payloads of IKEv2 (RFC 7296, 2.15 and 2.16).
// This is the only place that makes a PeerAuthenticated.
#pragma once

#include <expected>

#include "ikev2/channel.h"

namespace culvert::ikev2 {

struct Authentication {
  // Our AUTH by the pre-shared key, for `id_payload`, the ID payload that we send.
  static std::expected<wire::Auth, trace::Body> sign(Host& host, const IkeSa& sa,
                                                     const AuthMaterial& material,
                                                     const wire::Identification& id_payload);
  // Checks the peer's AUTH for the ID payload that it sent, by what the connection asks of it.
  // nullopt: that depends on exchange.wanted, which is to be fetched first.
  static std::expected<std::optional<PeerAuthenticated>, trace::Body> verify(
      Host& host, const IkeSa& sa, AuthExchange& exchange, const wire::Identification& id_payload,
      const wire::Auth& auth, const Inbound& in);
  // The same after EAP, by the key that its method has made.
  static std::expected<wire::Auth, trace::Body> sign_after_eap(Host& host, const IkeSa& sa,
                                                               const AuthExchange& exchange);
  static std::expected<PeerAuthenticated, trace::Body> verify_after_eap(
      Host& host, const IkeSa& sa, const AuthExchange& exchange, const wire::Auth& auth);
};

// What the peer does, in words, is not what its connection wants.
trace::WrongAuthMethod wrong_method(const IkeSa& sa, std::string offered);
std::string method_name(wire::AuthMethod method);

}  // namespace culvert::ikev2
