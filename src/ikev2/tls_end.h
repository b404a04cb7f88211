// Our end of the TLS handshake in an EAP method: our certificate, and what the peer's is worth.
#pragma once

#include <expected>
#include <string>

#include "crypto/tls.h"
#include "ikev2/host.h"

namespace culvert::ikev2 {

// With our certificate, whose signatures are asked for; its key becomes exchange.eap_key.
std::expected<std::shared_ptr<const tls::Context>, trace::Body> own_tls_context(
    Host& host, const IkeSa& sa, AuthExchange& exchange);

// Verifiers outlive neither the host nor the SA nor the exchange, whose `wanted` says what is to be
// fetched where they are undecided. `now` is when the conversation began.
// Server: the certificate is that of `user`, as EAP-Identity gave it, or of IKE's identity.
tls::Verifier trust_user(Host& host, const IkeSa& sa, AuthExchange& exchange, std::string user,
                         TimePoint now);
// Client: it is that of the responder, or of `aaa_id`.
tls::Verifier trust_server(Host& host, const IkeSa& sa, AuthExchange& exchange, TimePoint now);

}  // namespace culvert::ikev2
