// Owns the layout of OCSP responses. Requests are parsed by OpenSSL, within bounds.
#include "pki/ocsp_issuing.h"

#include <openssl/ocsp.h>
#include <openssl/x509.h>

#include <algorithm>

#include "crypto/openssl_handles.h"
#include "pki/der_values.h"
#include "pki/oid.h"

namespace culvert::pki {
namespace {

using RequestHandle = openssl::Handle<OCSP_REQUEST, OCSP_REQUEST_free>;
using CertificateHandle = openssl::Handle<X509, X509_free>;
using CertIdHandle = openssl::Handle<OCSP_CERTID, OCSP_CERTID_free>;

constexpr std::size_t kMaxNonce = 128;  // RFC 9654, 2.1

template <auto Parse, class Handle>
Handle parsed(ByteView der) {
  const std::uint8_t* at = der.data();
  Handle object(Parse(nullptr, &at, static_cast<long>(der.size())));
  return at == der.data() + der.size() ? std::move(object) : nullptr;
}

ByteView octets_of(const ASN1_STRING* string) {
  return {ASN1_STRING_get0_data(string), static_cast<std::size_t>(ASN1_STRING_length(string))};
}

// One question: the certificate's serial number, and whether the CA is ours.
struct Question {
  Bytes cert_id;  // DER, to be sent back
  Bytes serial;
  bool ours = false;
};

std::optional<Question> read_question(OCSP_ONEREQ* one, X509* ca) {
  OCSP_CERTID* id = OCSP_onereq_get0_id(one);
  ASN1_OBJECT* hash = nullptr;
  ASN1_INTEGER* serial = nullptr;
  if (OCSP_id_get0_info(nullptr, &hash, nullptr, &serial, id) != 1) return std::nullopt;
  Question question;
  const int size = i2d_OCSP_CERTID(id, nullptr);
  if (size <= 0 || serial == nullptr || ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
    return std::nullopt;
  question.cert_id.resize(static_cast<std::size_t>(size));
  std::uint8_t* at = question.cert_id.data();
  i2d_OCSP_CERTID(id, &at);
  ByteView number = octets_of(serial);
  while (!number.empty() && number.front() == 0) number = number.subspan(1);
  question.serial = to_bytes(number);
  // Only hashes that CertIDs are made with; others hash the CA to something that is not ours.
  const int nid = OBJ_obj2nid(hash);
  if (nid == NID_sha1 || nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512) {
    const CertIdHandle own(OCSP_cert_to_id(EVP_get_digestbynid(nid), nullptr, ca));
    question.ours = own && OCSP_id_issuer_cmp(own.get(), id) == 0;
  }
  return question;
}

std::optional<std::vector<Question>> read_questions(OCSP_REQUEST* request, X509* ca) {
  const int count = OCSP_request_onereq_count(request);
  if (count <= 0 || count > static_cast<int>(kMaxOcspQuestions)) return std::nullopt;
  std::vector<Question> questions;
  for (int i = 0; i < count; ++i) {
    auto question = read_question(OCSP_request_onereq_get0(request, i), ca);
    if (!question) return std::nullopt;
    questions.push_back(std::move(*question));
  }
  return questions;
}

// The extension with the request's nonce, to be sent back (RFC 6960, 4.4.1); empty without one.
Bytes nonce_extensions(OCSP_REQUEST* request) {
  const int at = OCSP_REQUEST_get_ext_by_NID(request, NID_id_pkix_OCSP_Nonce, -1);
  if (at < 0) return {};
  const ByteView value = octets_of(X509_EXTENSION_get_data(OCSP_REQUEST_get_ext(request, at)));
  if (value.empty() || value.size() > kMaxNonce + 4) return {};
  const Bytes nonce = der::sequence({der::oid(oid::kOcspNonce), der::octet_string(value)});
  return der::element(der::constructed_context(1), {der::sequence({nonce})});
}

Bytes status_der(const CertificateStatus& status) {
  if (status.state == CertificateState::good) return der::element(der::context(0), {});
  if (status.state == CertificateState::unknown) return der::element(der::context(2), {});
  const auto [when, reason] = status.revocation;
  Bytes why;
  if (reason != RevocationReason::unspecified)
    why = der::element(der::constructed_context(0),
                       {der::enumerated(static_cast<std::uint8_t>(reason))});
  return der::element(der::constructed_context(1), {der::generalized_time(when), why});
}

Bytes single_response(const Question& question, const StatusSource& source) {
  return der::sequence(
      {question.cert_id, status_der(source.status_of(question.serial)),
       der::generalized_time(source.this_update),
       der::element(der::constructed_context(0), {der::generalized_time(source.next_update)})});
}

}  // namespace

Bytes ocsp_refusal(OcspRefusal refusal) {
  return der::sequence({der::enumerated(static_cast<std::uint8_t>(refusal))});
}

Result<Bytes> answer_ocsp_request(ByteView request, const OcspSigner& signer,
                                  const StatusSource& source, std::chrono::sys_seconds now) {
  if (request.size() > kMaxOcspRequestSize) return ocsp_refusal(OcspRefusal::malformed_request);
  const auto parsed_request = parsed<d2i_OCSP_REQUEST, RequestHandle>(request);
  const auto ca = parsed<d2i_X509, CertificateHandle>(signer.ca_certificate);
  if (!ca) return openssl::failed();
  const auto questions =
      parsed_request ? read_questions(parsed_request.get(), ca.get()) : std::nullopt;
  ERR_clear_error();
  if (!questions) return ocsp_refusal(OcspRefusal::malformed_request);
  if (!std::ranges::all_of(*questions, &Question::ours))
    return ocsp_refusal(OcspRefusal::unauthorized);
  Bytes responses;
  for (const Question& question : *questions) append(responses, single_response(question, source));
  const Bytes responder =
      der::element(der::constructed_context(2), {der::octet_string(signer.key_id)});
  const Bytes body =
      der::sequence({responder, der::generalized_time(now), der::sequence({responses}),
                     nonce_extensions(parsed_request.get())});
  const Bytes certificates =
      signer.certificate.empty()
          ? Bytes{}
          : der::element(der::constructed_context(0), {der::sequence({signer.certificate})});
  const Bytes basic = TRY(sign_der(body, signer.key, signer.scheme, certificates));
  const Bytes answer = der::sequence({der::oid(oid::kOcspBasic), der::octet_string(basic)});
  return der::sequence({der::enumerated(0), der::element(der::constructed_context(0), {answer})});
}

}  // namespace culvert::pki
