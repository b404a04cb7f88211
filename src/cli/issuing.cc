#include "cli/issuing.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/table_reader.h"
#include "crypto/openssl_provider.h"
#include "policy/distinguished_name.h"

namespace culvert::cli {
namespace {

constexpr auto kLifeOfCa = std::chrono::days(3'650);
// Apple's systems take no server's certificate that is valid for more than 825 days.
constexpr auto kLife = std::chrono::days(820);
// Clocks of clients may be slow.
constexpr auto kEarlier = std::chrono::hours(1);

Outcome<Bytes> name_of(const std::string& common_name) {
  std::string text = "CN=";
  for (const char c : common_name)
    text += std::string(",+=/\\").contains(c) ? std::string{'\\', c} : std::string{c};
  auto der = encode_name(text);
  if (der) return std::move(*der);
  return std::unexpected(
      fmt::format("{} cannot be the name in a certificate", config::in_quotes(common_name)));
}

Outcome<pki::CertificateContents> contents_for(const std::string& common_name,
                                               const PrivateKey& key) {
  std::array<std::uint8_t, pki::kSerialSize> serial;
  make_openssl_provider()->random(serial);
  pki::CertificateContents contents;
  contents.serial = pki::serial_from_random(serial);
  contents.subject = TRY(name_of(common_name));
  contents.public_key = key.spki();
  contents.key_id = to_bytes(TRY(public_half(key))->key_id());
  contents.not_before = wall_clock() - kEarlier;
  return contents;
}

Outcome<Bytes> sign(const pki::CertificateContents& contents, const pki::Issuer& issuer) {
  auto certificate = pki::issue_certificate(contents, issuer);
  if (!certificate) return std::unexpected("the CA's key could not sign the certificate");
  return std::move(*certificate);
}

}  // namespace

Outcome<PrivateKey> make_key() {
  auto key = PrivateKey::generate(KeyKind::rsa);
  if (!key) return std::unexpected("the key could not be made: libcrypto refused");
  return std::move(*key);
}

Outcome<Bytes> make_ca_certificate(const std::string& common_name, const PrivateKey& key) {
  pki::CertificateContents contents = TRY(contents_for(common_name, key));
  contents.ca = true;
  contents.path_length = 0;
  contents.not_after = contents.not_before + kLifeOfCa;
  const SignatureScheme scheme = TRY(scheme_for(key.kind(), {}));
  return sign(contents, {contents.subject, contents.key_id, key, scheme});
}

Outcome<Bytes> make_certificate(const Subject& subject, std::span<const pki::KeyPurpose> purposes,
                                const PrivateKey& key, const Authority& ca) {
  pki::CertificateContents contents = TRY(contents_for(subject.common_name, key));
  contents.subject_alt_names = subject.alternative_names;
  contents.purposes.assign(purposes.begin(), purposes.end());
  contents.not_after = std::min(contents.not_before + kLife, ca.certificate->not_after);
  return sign(contents, ca.issuer());
}

}  // namespace culvert::cli
