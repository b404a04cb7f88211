// CRLs and OCSP responses that we make, as libcrypto reads and verifies them.
#include <algorithm>

#include "pki/crl_issuing.h"
#include "pki/ocsp_issuing.h"
#include "tests/unit/pki/issued.h"

namespace culvert::pki {
namespace {

using CrlHandle = openssl::Handle<X509_CRL, X509_CRL_free>;
using RequestHandle = openssl::Handle<OCSP_REQUEST, OCSP_REQUEST_free>;
using ResponseHandle = openssl::Handle<OCSP_RESPONSE, OCSP_RESPONSE_free>;
using BasicHandle = openssl::Handle<OCSP_BASICRESP, OCSP_BASICRESP_free>;
using StoreHandle = openssl::Handle<X509_STORE, X509_STORE_free>;
using IdHandle = openssl::Handle<OCSP_CERTID, OCSP_CERTID_free>;

struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};

template <class F, class T>
Bytes encoded(F encode, const T* object) {
  Bytes out(static_cast<std::size_t>(encode(object, nullptr)));
  std::uint8_t* at = out.data();
  encode(object, &at);
  return out;
}

CrlHandle parse_crl(ByteView der) {
  const std::uint8_t* at = der.data();
  return CrlHandle(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
}

TEST(CrlIssuing, SaysWhatIsRevokedSinceWhenAndWhy) {
  const TestAuthority ca;
  CrlContents contents{.number = 7, .this_update = kNow, .next_update = kNow + kYear};
  contents.revoked = {{{0x12, 0x34}, {kNow - kYear, RevocationReason::key_compromise}},
                      {{0xff}, {kNow}}};
  const auto der = issue_crl(contents, ca.issuer());
  ASSERT_TRUE(der);
  const auto crl = parse_crl(*der);
  const auto root = parse_x509(ca.certificate);
  ASSERT_TRUE(crl);
  EXPECT_EQ(X509_CRL_verify(crl.get(), X509_get0_pubkey(root.get())), 1);
  EXPECT_EQ(X509_CRL_get_version(crl.get()), 1);  // which is v2
  X509_REVOKED* found = nullptr;
  const openssl::Handle<ASN1_INTEGER, ASN1_INTEGER_free> serial(ASN1_INTEGER_new());
  ASN1_INTEGER_set(serial.get(), 0x1234);
  ASSERT_EQ(X509_CRL_get0_by_serial(crl.get(), &found, serial.get()), 1);
  const openssl::Handle<ASN1_ENUMERATED, ASN1_ENUMERATED_free> reason(static_cast<ASN1_ENUMERATED*>(
      X509_REVOKED_get_ext_d2i(found, NID_crl_reason, nullptr, nullptr)));
  ASSERT_TRUE(reason);
  EXPECT_EQ(ASN1_ENUMERATED_get(reason.get()), 1);
  EXPECT_EQ(ASN1_TIME_cmp_time_t(X509_REVOKED_get0_revocationDate(found),
                                 (kNow - kYear).time_since_epoch().count()),
            0);
  ASN1_INTEGER_set(serial.get(), 0xff);
  ASSERT_EQ(X509_CRL_get0_by_serial(crl.get(), &found, serial.get()), 1);
  EXPECT_EQ(X509_REVOKED_get_ext_count(found), 0);  // a reason that says nothing is left out
  const openssl::Handle<ASN1_INTEGER, ASN1_INTEGER_free> number(static_cast<ASN1_INTEGER*>(
      X509_CRL_get_ext_d2i(crl.get(), NID_crl_number, nullptr, nullptr)));
  EXPECT_EQ(ASN1_INTEGER_get(number.get()), 7);
}

TEST(CrlIssuing, AnEmptyOneHasNoList) {
  const TestAuthority ca(KeyKind::ed448);
  const auto der =
      issue_crl({.number = 1, .this_update = kNow, .next_update = kNow + kYear}, ca.issuer());
  ASSERT_TRUE(der);
  const auto crl = parse_crl(*der);
  ASSERT_TRUE(crl);
  EXPECT_EQ(X509_CRL_get_REVOKED(crl.get()), nullptr);
  const auto root = parse_x509(ca.certificate);
  EXPECT_EQ(X509_CRL_verify(crl.get(), X509_get0_pubkey(root.get())), 1);
}

class Ocsp : public ::testing::Test {
 protected:
  X509Handle issued(Bytes serial, const PrivateKey& key) {
    CertificateContents contents = TestAuthority::contents_for(key, "CN=moon");
    contents.serial = std::move(serial);
    return parse_x509(ca_.issue(contents));
  }
  // What libcrypto's client would send about the certificates.
  static RequestHandle request_for(std::initializer_list<X509*> subjects, X509* issuer,
                                   const EVP_MD* digest = EVP_sha1(), bool nonce = true) {
    RequestHandle request(OCSP_REQUEST_new());
    for (X509* subject : subjects)
      OCSP_request_add0_id(request.get(), OCSP_cert_to_id(digest, subject, issuer));
    std::uint8_t octets[] = {1, 2, 3, 4, 5, 6, 7, 8};
    if (nonce) OCSP_request_add1_nonce(request.get(), octets, sizeof octets);
    return request;
  }
  OcspSigner ca_signer() {
    return {ca_.certificate, ca_.key, scheme_of(ca_.key.kind()), key_id_of(ca_.key), {}};
  }
  ResponseHandle ask(ByteView request, const OcspSigner& signer) {
    const auto answer = answer_ocsp_request(request, signer, source_, kNow);
    EXPECT_TRUE(answer);
    const std::uint8_t* at = answer->data();
    return ResponseHandle(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(answer->size())));
  }
  // The verified answer; null when libcrypto does not take it.
  BasicHandle verified(OCSP_REQUEST* request, const OcspSigner& signer) {
    const auto response = ask(encoded(i2d_OCSP_REQUEST, request), signer);
    if (!response || OCSP_response_status(response.get()) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
      return nullptr;
    BasicHandle basic(OCSP_response_get1_basic(response.get()));
    const StoreHandle store(X509_STORE_new());
    X509_STORE_add_cert(store.get(), root_.get());
    X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store.get()),
                               (kNow + std::chrono::hours(1)).time_since_epoch().count());
    const std::unique_ptr<STACK_OF(X509), FreeStack> signers(sk_X509_new_null());
    sk_X509_push(signers.get(), root_.get());
    if (OCSP_basic_verify(basic.get(), signers.get(), store.get(), 0) != 1) return nullptr;
    if (OCSP_check_nonce(request, basic.get()) <= 0) return nullptr;
    return basic;
  }
  int status_of(OCSP_BASICRESP* basic, X509* subject, int* reason = nullptr,
                const EVP_MD* digest = EVP_sha1()) {
    const IdHandle id(OCSP_cert_to_id(digest, subject, root_.get()));
    int status = -1, unused = -1;
    if (OCSP_resp_find_status(basic, id.get(), &status, reason == nullptr ? &unused : reason,
                              nullptr, nullptr, nullptr) != 1)
      return -1;
    return status;
  }
  int refusal(ByteView request) { return OCSP_response_status(ask(request, ca_signer()).get()); }

  TestAuthority ca_;
  X509Handle root_ = parse_x509(ca_.certificate);
  StatusSource source_{.status_of =
                           [](ByteView serial) {
                             if (equal(serial, Bytes{0x0a}))
                               return CertificateStatus{CertificateState::good, {}};
                             if (equal(serial, Bytes{0xbb}))  // with a leading zero in DER
                               return CertificateStatus{
                                   CertificateState::revoked,
                                   {kNow - kYear, RevocationReason::superseded}};
                             return CertificateStatus{};
                           },
                       .this_update = kNow,
                       .next_update = kNow + std::chrono::hours(24)};
};

TEST_F(Ocsp, AnswersGoodRevokedUnknown) {
  const auto good = issued({0x0a}, ca_.key), revoked = issued({0xbb}, ca_.key),
             unknown = issued({0x0c}, ca_.key);
  for (const EVP_MD* digest : {EVP_sha1(), EVP_sha256()}) {
    const auto request =
        request_for({good.get(), revoked.get(), unknown.get()}, root_.get(), digest);
    const auto basic = verified(request.get(), ca_signer());
    ASSERT_TRUE(basic);
    int reason = -1;
    EXPECT_EQ(status_of(basic.get(), good.get(), nullptr, digest), V_OCSP_CERTSTATUS_GOOD);
    EXPECT_EQ(status_of(basic.get(), revoked.get(), &reason, digest), V_OCSP_CERTSTATUS_REVOKED);
    EXPECT_EQ(reason, 4);
    EXPECT_EQ(status_of(basic.get(), unknown.get(), nullptr, digest), V_OCSP_CERTSTATUS_UNKNOWN);
  }
}

TEST_F(Ocsp, ADelegateSignsWithItsOwnCertificate) {
  const PrivateKey key = *PrivateKey::generate(KeyKind::ed25519);
  CertificateContents contents = TestAuthority::contents_for(key, "CN=responder");
  const auto good = issued({0x0a}, ca_.key);
  const auto request = request_for({good.get()}, root_.get());
  for (const bool entitled : {true, false}) {
    contents.purposes = {entitled ? KeyPurpose::ocsp_signing : KeyPurpose::server_auth};
    const OcspSigner signer{ca_.certificate, key, scheme_of(key.kind()), key_id_of(key),
                            ca_.issue(contents)};
    EXPECT_EQ(verified(request.get(), signer) != nullptr, entitled);
  }
}

TEST_F(Ocsp, AnotherCasCertificatesAreNotOurs) {
  const TestAuthority other;
  const auto other_root = parse_x509(other.certificate);
  const auto good = issued({0x0a}, ca_.key);
  const auto theirs = request_for({good.get()}, other_root.get());
  EXPECT_EQ(refusal(encoded(i2d_OCSP_REQUEST, theirs.get())), OCSP_RESPONSE_STATUS_UNAUTHORIZED);
  // Nor would libcrypto's client take an answer about two CAs that only one of them signed.
  const auto both = request_for({good.get()}, root_.get());
  OCSP_request_add0_id(both.get(), OCSP_cert_to_id(EVP_sha1(), good.get(), other_root.get()));
  EXPECT_EQ(refusal(encoded(i2d_OCSP_REQUEST, both.get())), OCSP_RESPONSE_STATUS_UNAUTHORIZED);
}

TEST_F(Ocsp, BrokenRequestsAreCalledMalformed) {
  const auto good = issued({0x0a}, ca_.key);
  const auto request = request_for({good.get()}, root_.get());
  const Bytes octets = encoded(i2d_OCSP_REQUEST, request.get());
  for (std::size_t size = 0; size < octets.size(); ++size)
    EXPECT_EQ(refusal(ByteView(octets).first(size)), OCSP_RESPONSE_STATUS_MALFORMEDREQUEST) << size;
  for (std::size_t at = 0; at < octets.size(); ++at) {  // whatever it becomes, there is an answer
    Bytes changed = octets;
    changed[at] ^= 0xff;
    EXPECT_TRUE(ask(changed, ca_signer())) << at;
  }
  EXPECT_EQ(refusal(Bytes(kMaxOcspRequestSize + 1, 0x30)), OCSP_RESPONSE_STATUS_MALFORMEDREQUEST);
}

TEST_F(Ocsp, QuestionsAreCounted) {
  const auto good = issued({0x0a}, ca_.key);
  const auto request = request_for({}, root_.get(), EVP_sha1(), false);
  EXPECT_EQ(refusal(encoded(i2d_OCSP_REQUEST, request.get())),
            OCSP_RESPONSE_STATUS_MALFORMEDREQUEST);
  for (std::size_t i = 0; i < kMaxOcspQuestions; ++i)
    OCSP_request_add0_id(request.get(), OCSP_cert_to_id(EVP_sha1(), good.get(), root_.get()));
  EXPECT_EQ(refusal(encoded(i2d_OCSP_REQUEST, request.get())), OCSP_RESPONSE_STATUS_SUCCESSFUL);
  OCSP_request_add0_id(request.get(), OCSP_cert_to_id(EVP_sha1(), good.get(), root_.get()));
  EXPECT_EQ(refusal(encoded(i2d_OCSP_REQUEST, request.get())),
            OCSP_RESPONSE_STATUS_MALFORMEDREQUEST);
}

}  // namespace
}  // namespace culvert::pki
