// Certificates for tests of TLS, made as they run: a CA, leaves under it, signers with their keys,
// and a verifier with a date of its own.
#pragma once

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>
#include <stdexcept>
#include <string>

#include "crypto/private_key.h"
#include "crypto/tls.h"

namespace culvert::testing {

inline constexpr std::time_t kTestNow = 1'900'000'000;  // in 2030
inline constexpr std::time_t kTestYear = 365 * 86'400;

inline void need(bool condition) {
  if (!condition) throw std::runtime_error("OpenSSL refuses to make a test's certificate");
}

struct TestCertificate {
  std::shared_ptr<const PrivateKey> key;
  std::shared_ptr<X509> x509;
  Bytes der() const {
    Bytes out(static_cast<std::size_t>(i2d_X509(x509.get(), nullptr)));
    unsigned char* at = out.data();
    i2d_X509(x509.get(), &at);
    return out;
  }
  // Signs as the process with the private keys would.
  tls::Credential credential() const {
    return {.chain = {der()}, .sign = [key = key](const SignatureScheme& scheme, ByteView message) {
              return key->sign(scheme, {message});
            }};
  }
};

struct TestSubject {
  std::string name;
  KeyKind kind = KeyKind::ecdsa_p256;
  std::time_t not_before = kTestNow - kTestYear, not_after = kTestNow + kTestYear;
  std::string extra;  // an extra extension's value, to make a certificate of any size
};

// Signed by `issuer`, or by itself as a CA.
inline TestCertificate issue(const TestSubject& subject, const TestCertificate* issuer) {
  auto key = PrivateKey::generate(subject.kind, kWeakRsaBits);
  need(key.has_value());
  TestCertificate made{std::make_shared<const PrivateKey>(std::move(*key)),
                       {X509_new(), X509_free}};
  X509* x509 = made.x509.get();
  static long serial = 0;
  X509_set_version(x509, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
  ASN1_TIME_set(X509_getm_notBefore(x509), subject.not_before);
  ASN1_TIME_set(X509_getm_notAfter(x509), subject.not_after);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(subject.name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(x509, X509_get_subject_name(issuer == nullptr ? x509 : issuer->x509.get()));
  X509_set_pubkey(x509, made.key->native());
  const auto add = [&](int nid, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
    need(extension != nullptr);
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
  };
  add(NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!subject.extra.empty()) add(NID_netscape_comment, subject.extra.c_str());
  const TestCertificate& by = issuer == nullptr ? made : *issuer;
  need(X509_sign(x509, by.key->native(), EVP_sha256()) > 0);
  return made;
}

// Trusts what `root` has signed, at that time.
inline tls::Verifier trust(const TestCertificate& root, std::time_t now = kTestNow) {
  return [root = root.x509, now](std::span<const Bytes> chain) -> std::optional<tls::Refusal> {
    const std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> store(X509_STORE_new(),
                                                                        X509_STORE_free);
    const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> context(
        X509_STORE_CTX_new(), X509_STORE_CTX_free);
    const unsigned char* at = chain.front().data();
    const std::unique_ptr<X509, decltype(&X509_free)> leaf(
        d2i_X509(nullptr, &at, static_cast<long>(chain.front().size())), X509_free);
    need(leaf != nullptr && X509_STORE_add_cert(store.get(), root.get()) == 1 &&
         X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), nullptr) == 1);
    X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context.get()), now);
    if (X509_verify_cert(context.get()) == 1) return std::nullopt;
    const int error = X509_STORE_CTX_get_error(context.get());
    const bool expired =
        error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID;
    return tls::Refusal{expired ? tls::Alert::certificate_expired : tls::Alert::unknown_ca,
                        X509_verify_cert_error_string(error)};
  };
}

}  // namespace culvert::testing
