#include "ikev2/peer_certificate.h"

#include <algorithm>

#include "pki/identity_match.h"

namespace culvert::ikev2 {
namespace {

bool is_one_of(Host& host, const std::vector<CertificateData>& configured,
               const pki::Certificate& certificate) {
  return std::ranges::any_of(configured, [&](const CertificateData& one) {
    const auto parsed = host.credentials().parse(one.view());
    return parsed && parsed->fingerprint == certificate.fingerprint;
  });
}

pki::RevocationPolicy revocation_policy(Revocation revocation) {
  switch (revocation) {
    case Revocation::strict:
      return pki::RevocationPolicy::strict;
    case Revocation::if_uri:
      return pki::RevocationPolicy::ifuri;
    default:
      return pki::RevocationPolicy::relaxed;
  }
}

// Where the state of a certificate is not known, exchange.wanted says what to fetch; once there is
// nothing more to ask, the path is judged by what has come.
std::expected<pki::Path, pki::PathFailure> find_path(Host& host, AuthExchange& exchange,
                                                     const pki::CertificateRef& certificate,
                                                     std::span<const pki::CertificateRef> received,
                                                     pki::PathOptions& options) {
  const auto check = [&](bool may_fetch) {
    options.may_fetch = may_fetch;
    return host.credentials().check(certificate, received, options, exchange.evidence.evidence());
  };
  auto path = check(true);
  if (!path || path->needs.empty()) return path;
  exchange.wanted = exchange.evidence.next(host.provider(), path->needs);
  if (!exchange.wanted.empty()) return path;
  path = check(false);
  if (!path && path.error().problem == pki::PathProblem::revocation_unknown &&
      !exchange.evidence.complaints().empty())
    path.error().detail += " (" + exchange.evidence.complaints() + ")";
  return path;
}

}  // namespace

// A certificate that the connection names is trusted for what it is.
std::optional<CertificateObjection> objection_to_certificate(
    Host& host, const AuthConfig& wanted, const Identity& peer,
    const pki::CertificateRef& certificate, std::span<const pki::CertificateRef> received,
    pki::PathPurpose purpose, TimePoint now, AuthExchange* exchange) {
  if (!wanted.certs.empty()) {
    if (!is_one_of(host, wanted.certs, *certificate))
      return CertificateObjection{
          trace::OtherCertificateWanted{pki::name_text(certificate->subject)}, std::nullopt};
    if (certificate->is_valid_at(host.date(now))) return std::nullopt;
  }
  pki::PathOptions options;
  options.now = host.date(now);
  options.purpose = purpose;
  options.revocation = revocation_policy(wanted.revocation);
  const auto path = exchange ? find_path(host, *exchange, certificate, received, options)
                             : host.credentials().check(certificate, received, options);
  if (exchange && !exchange->wanted.empty()) return std::nullopt;
  if (!path)
    return CertificateObjection{
        trace::CertificateRefused{to_string(peer), pki::to_sentence(path.error())},
        path.error().problem};
  const bool wanted_ca =
      wanted.cacerts.empty() || std::ranges::any_of(path->certificates, [&](const auto& one) {
        return is_one_of(host, wanted.cacerts, *one);
      });
  if (wanted_ca) return std::nullopt;
  return CertificateObjection{
      trace::OtherCaWanted{to_string(peer), pki::name_text(path->certificates.back()->subject)},
      std::nullopt};
}

void tell_of_complaints(Host& host, IkeSa& sa, const AuthExchange& exchange) {
  if (!exchange.evidence.complaints().empty())
    emit(host, sa,
         trace::RevocationNotTold{to_string(sa.remote_id), exchange.evidence.complaints()});
}

std::optional<trace::Body> objection_to_identity(const Identity& claimed,
                                                 const pki::Certificate& certificate) {
  if (pki::certifies(certificate, claimed)) return std::nullopt;
  std::string proven;
  for (const Identity& identity : pki::identities_of(certificate))
    proven += (proven.empty() ? "" : ", ") + to_string(identity);
  return trace::IdentityNotInCertificate{to_string(claimed), std::move(proven)};
}

}  // namespace culvert::ikev2
