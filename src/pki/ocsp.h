// The Online Certificate Status Protocol: RFC 6960. Requests ask for one certificate.
#pragma once

#include "pki/crl.h"

namespace culvert::pki {

inline constexpr std::size_t kOcspNonceSize = 32;  // octets: RFC 8954, 2.1

// The OCSPRequest, DER: to be sent by HTTP POST as application/ocsp-request. The certificate is
// named by SHA-1, which every responder knows (RFC 5019, 2.1.1); nothing depends on that being
// safe.
Result<Bytes> make_ocsp_request(Provider& provider, const Certificate& certificate,
                                const Certificate& issuer, ByteView nonce);

struct OcspAnswer {
  enum class Status : std::uint8_t { good, revoked, unknown };
  Hash hash = Hash::sha1;  // of the two below
  ByteView issuer_name_hash, issuer_key_hash;
  ByteView serial;
  Status status = Status::unknown;
  Revocation revocation;  // when revoked
  std::chrono::sys_seconds this_update;
  std::optional<std::chrono::sys_seconds> next_update;
};

// A BasicOCSPResponse. The views point into `der`.
struct OcspResponse {
  OcspResponse() = default;
  OcspResponse(const OcspResponse&) = delete;
  OcspResponse& operator=(const OcspResponse&) = delete;

  Bytes der;
  ByteView tbs, signature;
  std::optional<SignatureScheme> scheme;
  ByteView responder_name, responder_key;  // one of them; the key as SHA-1 of its bits
  std::chrono::sys_seconds produced_at;
  Bytes nonce;  // empty: none
  std::vector<OcspAnswer> answers;
  std::vector<CertificateRef> certificates;
};
using OcspResponseRef = std::shared_ptr<const OcspResponse>;

// An OCSPResponse, as it comes by HTTP or in a CERT payload (RFC 4806). Fails with `refused` and
// the responder's OCSPResponseStatus in `offset` when it answers with an error.
Result<OcspResponseRef> parse_ocsp_response(Provider& provider, ByteView der);
std::string_view ocsp_status_text(std::uint32_t status);  // "tryLater"

// Signed by the issuer, or by a responder to which the issuer gave that right (RFC 6960, 4.2.2.2)?
// Fails with bad_integrity, or `refused` for a stranger. `nonce`: what we sent, empty if we did
// not; a response without a nonce is taken (RFC 6960, 4.4.1), one with another fails with no_match.
Result<> verify(Provider& provider, const OcspResponse& response, const Certificate& issuer,
                std::chrono::sys_seconds now, ByteView nonce);

// Whether it is about a certificate of this issuer.
bool is_about(Provider& provider, const OcspAnswer& answer, const Certificate& issuer);
// Until when an answer counts: its nextUpdate, or some time where it has none.
std::chrono::sys_seconds expiry(const OcspAnswer& answer);

}  // namespace culvert::pki
