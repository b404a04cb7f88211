#include "pki/revocation.h"

#include <fmt/format.h>

#include "pki/asn1_time.h"

namespace culvert::pki {
namespace {

constexpr std::chrono::minutes kClockSkew{5};

}  // namespace

void take_evidence(Provider& provider, RevocationCache& cache, const Certificate& issuer,
                   const Evidence& evidence, std::chrono::sys_seconds now) {
  if (!issuer.key) return;
  for (const CrlRef& crl : evidence.crls) {
    if (crl->this_update > now + kClockSkew || cache.contains(*issuer.key, *crl)) continue;
    if (verify(provider, *crl, issuer)) cache.add(*issuer.key, crl);
  }
  for (const OcspResponseRef& response : evidence.ocsp) {
    if (!verify(provider, *response, issuer, now, evidence.nonce)) continue;
    for (const OcspAnswer& answer : response->answers) {
      const bool current = answer.this_update <= now + kClockSkew && now <= expiry(answer);
      if (current && is_about(provider, answer, issuer)) cache.add(*issuer.key, answer);
    }
  }
}

RevocationStatus status_of(const RevocationCache& cache, const Certificate& certificate,
                           const Certificate& issuer, std::chrono::sys_seconds now) {
  using Kind = RevocationStatus::Kind;
  RevocationStatus result;
  if (!issuer.key) return result;
  const auto* answer = cache.find_status(*issuer.key, certificate.serial);
  if (answer != nullptr && answer->status == OcspAnswer::Status::revoked)
    return {Kind::revoked, answer->revocation, {}};
  const CrlRef crl = cache.find_crl(*issuer.key, certificate);
  // A list that is too old still tells what was revoked when it was made.
  if (crl) {
    if (const auto revocation = crl->find(certificate.serial))
      return {Kind::revoked, *revocation, {}};
  }
  const bool answered = answer != nullptr && now <= answer->expires;
  if (answered && answer->status == OcspAnswer::Status::good) return {Kind::good, {}, {}};
  if (crl && now <= crl->next_update) return {Kind::good, {}, {}};
  if (answered)
    result.why_unknown = "the OCSP responder does not know it";
  else if (crl)
    result.why_unknown =
        fmt::format("the CRL was to be renewed by {}", to_string(crl->next_update));
  else
    result.why_unknown = "there is no CRL and no OCSP response";
  return result;
}

}  // namespace culvert::pki
