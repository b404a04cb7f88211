// Owns what is known of one certificate. Its frame is read here, from the octets as they came,
// which signatures and comparisons need; libcrypto decodes names, algorithms and extensions. It is
// not asked for the whole, because it would then look for a decoder of the key each time, which
// takes longer than all the rest. Invariant: every view points into `der`.
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

using Extensions = openssl::Handle<X509_EXTENSIONS, [](X509_EXTENSIONS* extensions) {
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}>;

std::unexpected<Error> malformed() {
  return openssl::failed(Fault::peer_misbehaved, Reason::bad_value);
}

// One element of the type that `decode` knows.
template <auto Decode, auto Free>
Result<ByteView> read_decodable(Reader& reader) {
  const ByteView whole = TRY(der::read(reader, der::kSequence)).whole;
  const unsigned char* at = whole.data();
  const auto* end = whole.data() + whole.size();
  auto* object = Decode(nullptr, &at, static_cast<long>(whole.size()));
  const bool sound = object != nullptr && at == end;
  Free(object);
  if (!sound) return malformed();
  return whole;
}
Result<ByteView> read_name(Reader& reader) {
  return read_decodable<d2i_X509_NAME, X509_NAME_free>(reader);
}
Result<ByteView> read_algorithm(Reader& reader) {
  return read_decodable<d2i_X509_ALGOR, X509_ALGOR_free>(reader);
}

// X.690, 8.3.2: at least one octet, and no more than are needed.
Result<ByteView> read_integer(Reader& reader) {
  const ByteView value = TRY(der::read(reader, der::kInteger)).value;
  if (value.empty()) return malformed();
  if (value.size() > 1 &&
      ((value[0] == 0x00 && value[1] < 0x80) || (value[0] == 0xff && value[1] >= 0x80)))
    return malformed();
  return value;
}

// X.690, 8.6.2: first the number of unused bits, then the bits.
Result<> check_bits(ByteView value) {
  if (value.empty() || value[0] > (value.size() == 1 ? 0 : 7)) return malformed();
  return {};
}

// Whether the next element has the tag; it is then read.
Result<std::optional<ByteView>> read_optional(Reader& reader, std::uint8_t tag) {
  if (reader.empty()) return std::nullopt;
  Reader next = reader;
  const auto element = TRY(der::read(next));
  if (element.tag != tag) return std::nullopt;
  reader = next;
  return element.value;
}

Result<> read_version(Reader& reader) {
  const auto version = TRY(read_optional(reader, der::constructed_context(0)));
  if (!version) return {};
  Reader inner(*version);
  CHECK_OK(read_integer(inner));
  return inner.empty() ? Result<>{} : malformed();
}

Result<> read_validity(Reader& reader, Certificate& to) {
  Reader validity(TRY(der::read(reader, der::kSequence)).value);
  to.not_before = TRY(read_time(validity));
  to.not_after = TRY(read_time(validity));
  return validity.empty() ? Result<>{} : malformed();
}

Result<> read_key(Reader& reader, Certificate& to) {
  const auto spki = TRY(der::read(reader, der::kSequence));
  Reader inner(spki.value);
  CHECK_OK(read_algorithm(inner));
  const ByteView bits = TRY(der::read(inner, der::kBitString)).value;
  CHECK_OK(check_bits(bits));
  if (!inner.empty()) return malformed();
  to.spki = spki.whole;
  return {};
}

Result<> read_tail(Reader& reader, Certificate& to) {
  for (const std::uint8_t unique_id : {1, 2})  // nobody uses them
    if (const auto bits = TRY(read_optional(reader, der::context(unique_id))))
      CHECK_OK(check_bits(*bits));
  const auto tagged = TRY(read_optional(reader, der::constructed_context(3)));
  if (!reader.empty()) return malformed();
  if (!tagged) return {};
  const unsigned char* at = tagged->data();
  const Extensions extensions(d2i_X509_EXTENSIONS(nullptr, &at, static_cast<long>(tagged->size())));
  if (!extensions || at != tagged->data() + tagged->size()) return malformed();
  return read_extensions(*extensions, to);
}

// TBSCertificate, RFC 5280, 4.1.
Result<> read_body(Certificate& to, ByteView body, ByteView outer_algorithm) {
  Reader reader(body);
  CHECK_OK(read_version(reader));
  to.serial = TRY(read_integer(reader));
  // RFC 5280, 4.1.1.2: the algorithm outside is the one that the signature covers.
  if (!equal(TRY(read_algorithm(reader)), outer_algorithm)) return malformed();
  to.issuer = TRY(read_name(reader));
  CHECK_OK(read_validity(reader, to));
  to.subject = TRY(read_name(reader));
  CHECK_OK(read_key(reader, to));
  return read_tail(reader, to);
}

Result<> read_frame(Certificate& to) {
  Reader reader(TRY(der::read_only(to.der, der::kSequence)).value);
  const auto tbs = TRY(der::read(reader, der::kSequence));
  const ByteView algorithm = TRY(read_algorithm(reader));
  const auto signature = TRY(der::read(reader, der::kBitString));
  if (!reader.empty() || signature.value.empty() || signature.value[0] != 0) return malformed();
  to.tbs = tbs.whole;
  to.signature = signature.value.subspan(1);
  if (const auto scheme = decode_scheme(algorithm)) to.scheme = *scheme;
  return read_body(to, tbs.value, algorithm);
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
