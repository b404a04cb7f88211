// X.509 certificates (RFC 5280) as immutable values that are shared by whoever needs them.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/provider.h"

namespace culvert::pki {

enum class NameType : std::uint8_t { dns, email, uri, ip, directory, other };
struct GeneralName {
  NameType type = NameType::other;
  // Text for dns, email and uri; the Name's DER for directory; 4 or 16 octets for ip, in name
  // constraints twice that with the mask; the GeneralName's DER for other.
  Bytes value;
  bool operator==(const GeneralName&) const = default;
};
std::string to_string(
    const GeneralName& name);  // "DNS vpn.example.org"; printable whatever it holds

// Bits of keyUsage, in RFC 5280's order (4.2.1.3).
enum KeyUsage : std::uint16_t {
  kDigitalSignature = 1 << 0,
  kNonRepudiation = 1 << 1,
  kKeyCertSign = 1 << 5,
  kCrlSign = 1 << 6
};

// Bits for the purposes of extendedKeyUsage that matter here.
enum ExtendedKeyUsage : std::uint8_t {
  kAnyUsage = 1 << 0,
  kServerAuth = 1 << 1,
  kClientAuth = 1 << 2,
  kIkeIntermediate = 1 << 3,  // 1.3.6.1.5.5.8.2.2, of old Apple and Windows clients
  kIpsecIke = 1 << 4,         // 1.3.6.1.5.5.7.3.17 (RFC 4945, 5.1.3.12), and the .5 to .7 before it
  kOcspSigning = 1 << 5,
  kOtherUsage = 1 << 6
};

struct NameConstraints {
  std::vector<GeneralName> permitted, excluded;
};

using Fingerprint = std::array<std::uint8_t, 32>;  // SHA-256 of the certificate

// Everything that the path check, identities and the operator ask of a certificate. The views point
// into `der`.
struct Certificate {
  Certificate() = default;
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;

  Bytes der;
  Fingerprint fingerprint{};
  ByteView tbs;              // what the signature covers
  ByteView serial;           // contents of the INTEGER
  ByteView issuer, subject;  // Names, DER
  std::chrono::sys_seconds not_before, not_after;
  ByteView spki;
  PublicKeyRef key;  // nullptr where `key_error` says why: its kind or its size is none of ours
  Error key_error;
  std::optional<SignatureScheme> scheme;  // none: an algorithm that we do not verify
  ByteView signature;

  std::vector<GeneralName> alternative_names;
  bool is_ca = false;
  std::optional<std::uint32_t> path_length;  // pathLenConstraint
  std::optional<std::uint16_t> key_usage;    // bits of KeyUsage; none: no such extension
  std::optional<std::uint8_t> extended_key_usage;
  Bytes subject_key_id, authority_key_id;  // empty: absent
  NameConstraints name_constraints;
  std::vector<std::string> policies;                     // "1.2.3"; "2.5.29.32.0" is anyPolicy
  std::optional<std::uint32_t> require_explicit_policy;  // policyConstraints
  std::optional<std::uint32_t> inhibit_any_policy;
  std::vector<std::string> crl_urls, ocsp_urls;
  bool ocsp_no_check = false;    // RFC 6960, 4.2.2.2.1
  std::string unknown_critical;  // OID of a critical extension that we do not handle; empty: none

  bool is_self_issued() const { return equal(subject, issuer); }
  bool is_valid_at(std::chrono::sys_seconds time) const {
    return not_before <= time && time <= not_after;
  }
};
using CertificateRef = std::shared_ptr<const Certificate>;

// Fails with `too_large` beyond limits::kMaxCertificateSize, bad_value or truncated for what is no
// well-formed certificate. A key or a signature algorithm that we lack is no failure: see above.
Result<CertificateRef> parse_certificate(Provider& provider, ByteView der);
// All certificates of a file, PEM (in any order, with text and other blocks between) or DER. The
// error's offset is that of the bad block. not_found: the file has none.
Result<std::vector<CertificateRef>> read_certificates(Provider& provider, ByteView file);

// "C=CH, CN=moon", or hexadecimal digits where the name is not printable.
std::string name_text(ByteView name);
std::string serial_text(ByteView serial);  // "0a:1b:2c"
// What names equal after RFC 5280, 7.1 have in common; for indexes.
std::string name_key(ByteView name);

}  // namespace culvert::pki
