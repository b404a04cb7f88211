// Certificate revocation lists: RFC 5280, 5.
#pragma once

#include "pki/certificate.h"

namespace culvert::pki {

// CRLReason, RFC 5280, 5.3.1.
enum class RevocationReason : std::uint8_t {
  unspecified = 0,
  key_compromise = 1,
  ca_compromise = 2,
  affiliation_changed = 3,
  superseded = 4,
  cessation_of_operation = 5,
  certificate_hold = 6,
  remove_from_crl = 8,
  privilege_withdrawn = 9,
  aa_compromise = 10
};
std::string_view name_of(RevocationReason reason);  // "key compromise"

struct Revocation {
  std::chrono::sys_seconds when;
  RevocationReason reason = RevocationReason::unspecified;
};

// A complete list of one CA. The views point into `der`.
struct Crl {
  Crl() = default;
  Crl(const Crl&) = delete;
  Crl& operator=(const Crl&) = delete;

  // Whether it lists this serial number (contents of the INTEGER); O(log n).
  std::optional<Revocation> find(ByteView serial) const;
  // Whether it replaces another one of the same scope.
  bool is_newer_than(const Crl& other) const;
  // Whether such a certificate of this CA would be listed here (issuingDistributionPoint).
  bool covers(const Certificate& certificate) const;

  Bytes der;
  Fingerprint fingerprint{};
  ByteView tbs, issuer, signature;
  Bytes authority_key_id;
  Bytes number;  // cRLNumber, big-endian without leading zeros; empty: none
  std::optional<SignatureScheme> scheme;
  std::chrono::sys_seconds this_update, next_update;
  bool only_user = false, only_ca = false;
  std::vector<std::string> urls;  // of its distribution point; empty: not bound to one

  struct Entry {
    std::uint32_t serial_at = 0;  // offset in `der`
    std::uint16_t serial_size = 0;
    RevocationReason reason = RevocationReason::unspecified;
    std::chrono::sys_seconds when;
  };
  std::vector<Entry> entries;  // by serial number

 private:
  ByteView serial_of(const Entry& entry) const;
};
using CrlRef = std::shared_ptr<const Crl>;

// DER, or PEM with one CRL in it. Fails with `unsupported` for delta and indirect CRLs, CRLs for
// some reasons only, and unknown critical extensions; with too_large beyond limits::kMaxCrlSize.
Result<CrlRef> parse_crl(Provider& provider, ByteView file);
// Signed by this CA, which may sign CRLs? Fails with bad_integrity, no_match or refused. Looks at
// no time.
Result<> verify(Provider& provider, const Crl& crl, const Certificate& issuer);

}  // namespace culvert::pki
