// Answers OCSP requests (RFC 6960) about the certificates of one CA.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "pki/crl.h"
#include "pki/issuing.h"

namespace culvert::pki {

inline constexpr std::size_t kMaxOcspRequestSize = 16 * 1'024;
inline constexpr std::size_t kMaxOcspQuestions = 64;  // certificates asked about in one request

enum class CertificateState : std::uint8_t { good, revoked, unknown };

struct CertificateStatus {
  CertificateState state = CertificateState::unknown;
  Revocation revocation;  // when revoked
};

// What is known of all certificates of the CA, and for how long that stays so.
struct StatusSource {
  std::function<CertificateStatus(ByteView serial)> status_of;  // serial: big-endian, no leading 0
  std::chrono::sys_seconds this_update, next_update;
};

struct OcspSigner {
  ByteView ca_certificate;  // DER
  const PrivateKey& key;
  SignatureScheme scheme;
  Bytes key_id;       // SHA-1 of the signer's public key
  Bytes certificate;  // DER, sent along; empty: the CA signs itself
};

// The OCSPResponse in DER. Whatever does not parse is answered with an error response, and so is a
// request about another CA's certificates. Fails when signing fails.
Result<Bytes> answer_ocsp_request(ByteView request, const OcspSigner& signer,
                                  const StatusSource& source, std::chrono::sys_seconds now);

// OCSPResponseStatus without an answer: RFC 6960, 4.2.1.
enum class OcspRefusal : std::uint8_t {
  malformed_request = 1,
  internal_error = 2,
  try_later = 3,
  unauthorized = 6
};
Bytes ocsp_refusal(OcspRefusal refusal);

}  // namespace culvert::pki
