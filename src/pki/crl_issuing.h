// Makes certificate revocation lists (RFC 5280, 5).
#pragma once

#include <chrono>
#include <vector>

#include "pki/crl.h"
#include "pki/issuing.h"

namespace culvert::pki {

struct RevokedEntry {
  Bytes serial;  // big-endian
  Revocation revocation;
};

struct CrlContents {
  std::uint64_t number = 0;  // higher than that of every CRL before
  std::chrono::sys_seconds this_update, next_update;
  std::vector<RevokedEntry> revoked;
};

// The CRL in DER.
Result<Bytes> issue_crl(const CrlContents& contents, const Issuer& issuer);

}  // namespace culvert::pki
