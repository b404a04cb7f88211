#include "sim/credentials.h"

#include <fmt/format.h>

#include "pki/issuing.h"
#include "sim/toy_provider.h"

namespace culvert::sim {
namespace {

constexpr SignatureScheme kScheme{SignatureKind::ed25519, {}, 0};

Bytes draw_public_key(Random& random) {
  // SubjectPublicKeyInfo of Ed25519 (RFC 8410, 4), whose keys are any 32 octets.
  Bytes spki{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
  const std::size_t begin = spki.size();
  spki.resize(begin + 32);
  random.fill(MutableBytes(spki).subspan(begin));
  return spki;
}

}  // namespace

Authority::Authority(Random random) : random_(random) { certificate_ = make("Authority", nullptr); }

pki::CertificateRef Authority::issue(const Identity& identity) {
  return make(to_string(identity), &identity);
}

pki::CertificateRef Authority::make(const std::string& name, const Identity* identity) {
  ToyProvider provider(0);
  pki::CertificateContents contents;
  contents.serial = Bytes{static_cast<std::uint8_t>(random_.between(1, 100))};
  contents.subject = parse_identity("O=Simulator, CN=" + name)->data;
  contents.public_key = draw_public_key(random_);
  contents.key_id = to_bytes(provider.load_public_key(contents.public_key).value()->key_id());
  contents.not_before = kFirstDay - std::chrono::days(1);
  contents.not_after = kFirstDay + std::chrono::years(1);
  contents.ca = identity == nullptr;
  if (identity) contents.subject_alt_names = {pki::general_name(*identity).value()};
  const pki::Certificate* issuer = certificate_.get();
  // Somebody's signature, which has the size of a toy's and gives way to it.
  static const PrivateKey kPlaceholder = PrivateKey::generate(KeyKind::ed25519).value();
  Bytes der =
      pki::issue_certificate(
          contents, {issuer ? to_bytes(issuer->subject) : contents.subject,
                     issuer ? issuer->subject_key_id : contents.key_id, kPlaceholder, kScheme})
          .value();
  const auto form = pki::parse_certificate(provider, der).value();
  const Bytes signature =
      toy_signature(issuer ? issuer->spki : ByteView(contents.public_key), kScheme, {form->tbs});
  std::ranges::copy(signature, der.end() - static_cast<std::ptrdiff_t>(signature.size()));
  return pki::parse_certificate(provider, der).value();
}

}  // namespace culvert::sim
