// What the tests of issuing share: keys, and libcrypto's view of what was made.
#pragma once

#include <gtest/gtest.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string>

#include "crypto/openssl_handles.h"
#include "crypto/openssl_provider.h"
#include "pki/issuing.h"
#include "policy/distinguished_name.h"

namespace culvert::pki {

using X509Handle = openssl::Handle<X509, X509_free>;
using BioHandle = openssl::Handle<BIO, BIO_free_all>;

inline constexpr std::chrono::sys_seconds kNow{std::chrono::seconds(1'800'000'000)};  // in 2027
inline constexpr auto kYear = std::chrono::days(365);

inline SignatureScheme scheme_of(KeyKind kind) {
  switch (kind) {
    case KeyKind::rsa:
      return {SignatureKind::rsa_pkcs1, Hash::sha2_256};
    case KeyKind::ecdsa_p256:
      return {SignatureKind::ecdsa, Hash::sha2_256};
    case KeyKind::ecdsa_p384:
      return {SignatureKind::ecdsa, Hash::sha2_384};
    case KeyKind::ecdsa_p521:
      return {SignatureKind::ecdsa, Hash::sha2_512};
    case KeyKind::ed25519:
      return {SignatureKind::ed25519};
    case KeyKind::ed448:
      break;
  }
  return {SignatureKind::ed448};
}

inline Bytes key_id_of(const PrivateKey& key) {
  return to_bytes((*make_openssl_provider()->load_public_key(key.spki()))->key_id());
}

// A CA, and the contents of a certificate that it could issue for a key.
struct TestAuthority {
  explicit TestAuthority(KeyKind kind = KeyKind::ecdsa_p256)
      : key(*PrivateKey::generate(kind, 2'048)) {
    CertificateContents contents = contents_for(key, "C=CH, O=Test, CN=CA");
    contents.ca = true;
    certificate = issue(contents);
  }
  static CertificateContents contents_for(const PrivateKey& subject, std::string_view name) {
    CertificateContents contents;
    contents.serial = {0x12, 0x34};
    contents.subject = *encode_name(name);
    contents.public_key = subject.spki();
    contents.key_id = key_id_of(subject);
    contents.not_before = kNow;
    contents.not_after = kNow + kYear;
    return contents;
  }
  Issuer issuer() const {
    return {*encode_name("C=CH, O=Test, CN=CA"), key_id_of(key), key, scheme_of(key.kind())};
  }
  Bytes issue(const CertificateContents& contents) const {
    return *issue_certificate(contents, issuer());
  }
  PrivateKey key;
  Bytes certificate;
};

inline X509Handle parse_x509(ByteView der) {
  const std::uint8_t* at = der.data();
  return X509Handle(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

// The value of an extension as `openssl x509 -text` prints it; "" without one.
inline std::string extension_text(X509* certificate, int nid) {
  const int at = X509_get_ext_by_NID(certificate, nid, -1);
  if (at < 0) return {};
  X509_EXTENSION* extension = X509_get_ext(certificate, at);
  const BioHandle bio(BIO_new(BIO_s_mem()));
  if (X509_EXTENSION_get_critical(extension) != 0) BIO_puts(bio.get(), "critical, ");
  X509V3_EXT_print(bio.get(), extension, 0, 0);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  std::string text(data, static_cast<std::size_t>(size));
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace culvert::pki
