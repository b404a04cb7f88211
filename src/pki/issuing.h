// Makes certificates (RFC 5280) and certification requests (RFC 2986). Times and serial numbers are
// the caller's.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/private_key.h"
#include "net/address.h"
#include "policy/identity.h"

namespace culvert::pki {

inline constexpr std::size_t kSerialSize = 16;  // octets of those that are made up
// A serial number from kSerialSize random octets: positive and not zero (RFC 5280, 4.1.2.2).
Bytes serial_from_random(ByteView random);

// GeneralNames (RFC 5280, 4.2.1.6) in DER. nullopt: the identity's type has none there.
std::optional<Bytes> general_name(const Identity& identity);
Bytes uri_name(std::string_view uri);
// For name constraints (4.2.1.10), which have prefixes of addresses.
Bytes prefix_name(const Prefix& prefix);

enum class KeyPurpose : std::uint8_t {
  server_auth,
  client_auth,
  ike_intermediate,
  ocsp_signing,
  smartcard_logon,
};

struct CertificateContents {
  Bytes serial;      // big-endian
  Bytes subject;     // DER Name
  Bytes public_key;  // DER SubjectPublicKeyInfo
  Bytes key_id;      // of the public key, for subjectKeyIdentifier
  std::chrono::sys_seconds not_before, not_after;
  std::vector<Bytes> subject_alt_names;  // GeneralNames
  bool ca = false;
  bool crl_sign = false;  // CAs have it in any case
  std::optional<std::uint8_t> path_length;
  std::vector<KeyPurpose> purposes;
  std::vector<std::string> crl_uris, ocsp_uris;
  std::vector<Bytes> permitted, excluded;  // name constraints: GeneralNames
  std::vector<Bytes> policies;             // DER OBJECT IDENTIFIERs
};

// Who signs: a CA, or the subject itself.
struct Issuer {
  Bytes name;    // DER Name
  Bytes key_id;  // what its own certificate has as subjectKeyIdentifier
  const PrivateKey& key;
  SignatureScheme scheme;
};

// The certificate in DER.
Result<Bytes> issue_certificate(const CertificateContents& contents, const Issuer& issuer);

// What RFC 5280 calls `SIGNED{}`: the body, the algorithm, the signature. `last` follows them
// (the certificates of an OCSP response).
Result<Bytes> sign_der(ByteView body, const PrivateKey& key, const SignatureScheme& scheme,
                       ByteView last = {});

// A certification request (PKCS#10).
struct RequestContents {
  Bytes subject;                         // DER Name
  Bytes public_key;                      // DER SubjectPublicKeyInfo
  std::vector<Bytes> subject_alt_names;  // GeneralNames
  std::string challenge_password;        // empty: none
};
Result<Bytes> make_request(const RequestContents& contents, const PrivateKey& key,
                           const SignatureScheme& scheme);
// Reads one, and verifies that whoever made it has the private key. Fails with bad_value, or with
// bad_integrity.
Result<RequestContents> read_request(ByteView der);

}  // namespace culvert::pki
