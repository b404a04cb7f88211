// Owns what is known of one certificate. libcrypto says whether it is one, and decodes the
// extensions; the parts that signatures and comparisons need are taken from the octets as they
// came, which libcrypto does not keep. Invariant: every view points into `der`.
#include "pki/certificate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/x509.h>

#include <algorithm>

#include "base/der.h"
#include "base/limits.h"
#include "crypto/openssl_handles.h"
#include "crypto/pem.h"
#include "net/address.h"
#include "pki/asn1_time.h"
#include "pki/extensions.h"
#include "policy/distinguished_name.h"
#include "policy/identity.h"

namespace culvert::pki {
namespace {

using X509Handle = openssl::Handle<X509, X509_free>;

std::unexpected<Error> malformed() { return fail(Fault::peer_misbehaved, Reason::bad_value); }

// TBSCertificate, RFC 5280, 4.1, up to the key.
Result<> read_body(Certificate& to, ByteView body, ByteView outer_algorithm) {
  Reader reader(body);
  Reader version = reader;
  if (TRY(der::read(version)).tag == der::constructed_context(0)) reader = version;
  to.serial = TRY(der::read(reader, der::kInteger)).value;
  // RFC 5280, 4.1.1.2: the algorithm outside is the one that the signature covers.
  if (!equal(TRY(der::read(reader, der::kSequence)).whole, outer_algorithm)) return malformed();
  to.issuer = TRY(der::read(reader, der::kSequence)).whole;
  Reader validity(TRY(der::read(reader, der::kSequence)).value);
  to.not_before = TRY(read_time(validity));
  to.not_after = TRY(read_time(validity));
  to.subject = TRY(der::read(reader, der::kSequence)).whole;
  to.spki = TRY(der::read(reader, der::kSequence)).whole;
  return {};
}

Result<> read_frame(Certificate& to) {
  Reader reader(TRY(der::read_only(to.der, der::kSequence)).value);
  const auto tbs = TRY(der::read(reader, der::kSequence));
  const auto algorithm = TRY(der::read(reader, der::kSequence));
  const auto signature = TRY(der::read(reader, der::kBitString));
  if (!reader.empty() || signature.value.empty() || signature.value[0] != 0) return malformed();
  to.tbs = tbs.whole;
  to.signature = signature.value.subspan(1);
  if (const auto scheme = decode_scheme(algorithm.whole)) to.scheme = *scheme;
  return read_body(to, tbs.value, algorithm.whole);
}

std::string printable(ByteView text) {
  std::string out;
  for (const std::uint8_t c : text)
    out +=
        c >= ' ' && c < 0x7f ? std::string(1, static_cast<char>(c)) : fmt::format("\\x{:02x}", c);
  return out;
}

}  // namespace

Result<CertificateRef> parse_certificate(Provider& provider, ByteView der) {
  if (der.size() > limits::kMaxCertificateSize)
    return fail(Fault::peer_misbehaved, Reason::too_large);
  auto certificate = std::make_shared<Certificate>();
  certificate->der = to_bytes(der);
  CHECK_OK(read_frame(*certificate));
  const unsigned char* at = certificate->der.data();
  const X509Handle x509(d2i_X509(nullptr, &at, static_cast<long>(certificate->der.size())));
  if (!x509) return openssl::failed(Fault::peer_misbehaved, Reason::bad_value);
  CHECK_OK(read_extensions(x509.get(), *certificate));
  CHECK_OK(provider.hash(Hash::sha2_256, {certificate->der}, certificate->fingerprint));
  if (auto key = provider.load_public_key(certificate->spki))
    certificate->key = std::move(*key);
  else
    certificate->key_error = key.error();
  ERR_clear_error();
  return certificate;
}

Result<std::vector<CertificateRef>> read_certificates(Provider& provider, ByteView file) {
  std::vector<CertificateRef> certificates;
  if (!is_pem(file)) {
    certificates.push_back(TRY(parse_certificate(provider, file)));
    return certificates;
  }
  for (const PemBlock& block : TRY(read_pem(as_text(file)))) {
    if (block.label != "CERTIFICATE" && block.label != "X509 CERTIFICATE") continue;
    auto certificate = parse_certificate(provider, block.der);
    if (!certificate) {
      certificate.error().offset = block.offset;
      return std::unexpected(certificate.error());
    }
    certificates.push_back(std::move(*certificate));
  }
  if (certificates.empty()) return fail(Fault::local_policy, Reason::not_found);
  return certificates;
}

std::string to_string(const GeneralName& name) {
  switch (name.type) {
    case NameType::dns:
      return "DNS " + printable(name.value);
    case NameType::email:
      return "e-mail " + printable(name.value);
    case NameType::uri:
      return "URI " + printable(name.value);
    case NameType::ip:
      if (name.value.size() != 4 && name.value.size() != 16) break;
      return "address " + IpAddress::from_bytes(name.value).to_string();
    case NameType::directory:
      return "DN \"" + name_text(name.value) + "\"";
    case NameType::other:
      break;
  }
  return fmt::format("name {:02x}", fmt::join(name.value, ""));
}

std::string name_text(ByteView name) {
  if (auto text = name_to_string(name)) return *text;
  return fmt::format("{:02x}", fmt::join(name, ""));
}

std::string serial_text(ByteView serial) {
  while (serial.size() > 1 && serial[0] == 0) serial = serial.subspan(1);
  return fmt::format("{:02x}", fmt::join(serial, ":"));
}

std::string name_key(ByteView name) {
  return index_key({.type = wire::IdType::der_asn1_dn, .data = to_bytes(name)});
}

}  // namespace culvert::pki
