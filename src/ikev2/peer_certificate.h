// Whether a connection takes a certificate of its peer: wherever it was shown, in IKE_AUTH or in
// the TLS handshake of an EAP method.
#pragma once

#include <optional>
#include <span>

#include "ikev2/host.h"

namespace culvert::ikev2 {

struct CertificateObjection {
  trace::Body why;
  std::optional<pki::PathProblem> problem;  // none: the connection wants another certificate
};

// `wanted` says which certificates and CAs the connection takes, `peer` whom the certificate is
// about. Nothing is said of the identity in it. Where whether it was revoked is to be asked first,
// exchange->wanted is not empty afterwards; without `exchange` what is known already has to do.
std::optional<CertificateObjection> objection_to_certificate(
    Host& host, const AuthConfig& wanted, const Identity& peer,
    const pki::CertificateRef& certificate, std::span<const pki::CertificateRef> received,
    pki::PathPurpose purpose, TimePoint now, AuthExchange* exchange = nullptr);
// For the operator, even where the connection does not mind.
void tell_of_complaints(Host& host, IkeSa& sa, const AuthExchange& exchange);
// The claimed identity does not stand in it.
std::optional<trace::Body> objection_to_identity(const Identity& claimed,
                                                 const pki::Certificate& certificate);

}  // namespace culvert::ikev2
