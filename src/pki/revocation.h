// Whether a certificate of a path is revoked, from what is known and what has just come.
#pragma once

#include "pki/path.h"

namespace culvert::pki {

struct RevocationStatus {
  enum class Kind : std::uint8_t { good, revoked, unknown } kind = Kind::unknown;
  Revocation revocation;
  std::string why_unknown;  // "the CRL was to be renewed by 2026-01-01 00:00:00 UTC"
};

// Verifies the evidence that is this issuer's and takes it up.
void take_evidence(Provider& provider, RevocationCache& cache, const Certificate& issuer,
                   const Evidence& evidence, std::chrono::sys_seconds now);

RevocationStatus status_of(const RevocationCache& cache, const Certificate& certificate,
                           const Certificate& issuer, std::chrono::sys_seconds now);

}  // namespace culvert::pki
