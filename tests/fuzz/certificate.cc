// links: pki
// What we take for a certificate libcrypto takes for one too, with the same names and serial
// number; its identities, texts and path checks end.
#include <openssl/x509.h>

#include <cstdlib>

#include "crypto/openssl_handles.h"
#include "crypto/openssl_provider.h"
#include "pki/identity_match.h"
#include "pki/path.h"

namespace {

using namespace culvert;
using namespace culvert::pki;

template <class T>
bool encodes_as(const T* object, int (*encode)(const T*, unsigned char**), ByteView der) {
  unsigned char* octets = nullptr;
  const int size = encode(object, &octets);
  const bool same = size > 0 && equal({octets, static_cast<std::size_t>(size)}, der);
  OPENSSL_free(octets);
  return same;
}

void compare(const Certificate& certificate) {
  const unsigned char* at = certificate.der.data();
  const openssl::Handle<X509, X509_free> x509(
      d2i_X509(nullptr, &at, static_cast<long>(certificate.der.size())));
  if (!x509 || at != certificate.der.data() + certificate.der.size()) std::abort();
  if (!encodes_as<X509_NAME>(X509_get_subject_name(x509.get()), i2d_X509_NAME,
                             certificate.subject) ||
      !encodes_as<X509_NAME>(X509_get_issuer_name(x509.get()), i2d_X509_NAME, certificate.issuer))
    std::abort();
  tm time{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(x509.get()), &time) != 1) std::abort();
  const std::chrono::year_month_day date(
      std::chrono::floor<std::chrono::days>(certificate.not_after));
  if (static_cast<int>(date.year()) != time.tm_year + 1900) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto provider = make_openssl_provider();
  const auto certificates = read_certificates(*provider, {data, size});
  if (!certificates) return 0;
  for (const CertificateRef& certificate : *certificates) {
    compare(*certificate);
    for (const Identity& identity : identities_of(*certificate)) (void)to_string(identity);
    for (const GeneralName& name : certificate->alternative_names) (void)to_string(name);
  }
  TrustStore store;
  store.add_ca(certificates->back());
  SignatureCache signatures;
  RevocationCache revocations;
  PathOptions options{.now = certificates->front()->not_before, .allow_weak = true};
  const auto outcome = PathChecker(*provider, store, signatures, revocations)
                           .check(certificates->front(), *certificates, options);
  if (!outcome) (void)to_sentence(outcome.error());
  return 0;
}
