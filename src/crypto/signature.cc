// Owns the names of signature schemes and the bounds of public keys.
// Invariant: decode_scheme(encode_scheme(s)) is s for every scheme that certificates can name.
#include "crypto/signature.h"

#include <algorithm>
#include <bit>

#include "base/der.h"

namespace culvert {
namespace {

using namespace std::string_view_literals;
using Kind = SignatureKind;

// Contents octets of object identifiers.
constexpr auto kRsaEncryption = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"sv;
constexpr auto kRsaPss = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"sv;
constexpr auto kMgf1 = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"sv;
constexpr auto kEcPublicKey = "\x2a\x86\x48\xce\x3d\x02\x01"sv;
constexpr auto kEd25519 = "\x2b\x65\x70"sv;
constexpr auto kEd448 = "\x2b\x65\x71"sv;

struct SchemeRow {
  std::string_view oid;
  Kind kind;
  std::optional<Hash> hash;
};
constexpr SchemeRow kSchemes[] = {
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"sv, Kind::rsa_pkcs1, Hash::sha1},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"sv, Kind::rsa_pkcs1, Hash::sha2_256},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"sv, Kind::rsa_pkcs1, Hash::sha2_384},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"sv, Kind::rsa_pkcs1, Hash::sha2_512},
    {"\x2a\x86\x48\xce\x3d\x04\x01"sv, Kind::ecdsa, Hash::sha1},
    {"\x2a\x86\x48\xce\x3d\x04\x03\x02"sv, Kind::ecdsa, Hash::sha2_256},
    {"\x2a\x86\x48\xce\x3d\x04\x03\x03"sv, Kind::ecdsa, Hash::sha2_384},
    {"\x2a\x86\x48\xce\x3d\x04\x03\x04"sv, Kind::ecdsa, Hash::sha2_512},
    {kEd25519, Kind::ed25519, {}},
    {kEd448, Kind::ed448, {}},
};

struct HashRow {
  std::string_view oid;
  Hash hash;
};
constexpr HashRow kHashes[] = {
    {"\x2b\x0e\x03\x02\x1a"sv, Hash::sha1},
    {"\x60\x86\x48\x01\x65\x03\x04\x02\x01"sv, Hash::sha2_256},
    {"\x60\x86\x48\x01\x65\x03\x04\x02\x02"sv, Hash::sha2_384},
    {"\x60\x86\x48\x01\x65\x03\x04\x02\x03"sv, Hash::sha2_512},
};

struct KeyRow {
  KeyKind kind;
  std::string_view name;
  std::string_view curve;  // the parameter of id-ecPublicKey
  unsigned bits;
  std::size_t size;  // octets of the subject public key
};
constexpr KeyRow kKeys[] = {
    {KeyKind::rsa, "RSA", {}, 0, 0},
    {KeyKind::ecdsa_p256, "ECDSA P-256", "\x2a\x86\x48\xce\x3d\x03\x01\x07"sv, 256, 65},
    {KeyKind::ecdsa_p384, "ECDSA P-384", "\x2b\x81\x04\x00\x22"sv, 384, 97},
    {KeyKind::ecdsa_p521, "ECDSA P-521", "\x2b\x81\x04\x00\x23"sv, 521, 133},
    {KeyKind::ed25519, "Ed25519", {}, 256, 32},
    {KeyKind::ed448, "Ed448", {}, 456, 57},
};
const KeyRow& row_of(KeyKind kind) { return kKeys[static_cast<std::size_t>(kind)]; }

auto unsupported() { return fail(Fault::peer_incompatible, Reason::unsupported); }
auto malformed() { return fail(Fault::peer_misbehaved, Reason::bad_value); }

struct Algorithm {
  std::string_view oid;
  std::optional<der::Element> parameters;
};
Result<Algorithm> read_algorithm(ByteView value) {
  Reader reader(value);
  Algorithm algorithm{as_text(TRY(der::read(reader, der::kOid)).value), {}};
  if (!reader.empty()) algorithm.parameters = TRY(der::read(reader));
  if (!reader.empty()) return reader.bad(Reason::bad_length);
  return algorithm;
}
bool is_null(const der::Element& element) {
  return element.tag == der::kNull && element.value.empty();
}

// RFC 4055, 2.1: both absent parameters and NULL have to be taken.
Result<Hash> read_hash(ByteView algorithm_identifier) {
  const auto sequence = TRY(der::read_only(algorithm_identifier, der::kSequence));
  const Algorithm algorithm = TRY(read_algorithm(sequence.value));
  if (algorithm.parameters && !is_null(*algorithm.parameters)) return malformed();
  const auto* row = std::ranges::find(kHashes, algorithm.oid, &HashRow::oid);
  if (row == std::end(kHashes)) return unsupported();
  return row->hash;
}
Result<Hash> read_mask_generation(ByteView algorithm_identifier) {
  const auto sequence = TRY(der::read_only(algorithm_identifier, der::kSequence));
  const Algorithm algorithm = TRY(read_algorithm(sequence.value));
  if (algorithm.oid != kMgf1 || !algorithm.parameters) return unsupported();
  return read_hash(algorithm.parameters->whole);
}
Result<std::uint16_t> read_small_integer(ByteView integer) {
  const ByteView value = TRY(der::read_only(integer, der::kInteger)).value;
  if (value.empty() || value.size() > 2 || value[0] > 0x7f) return malformed();
  if (value.size() == 1) return value[0];
  if (value[0] == 0 && value[1] < 0x80) return malformed();
  return load_be<std::uint16_t>(value.data());
}

// RSASSA-PSS-params, RFC 4055, 3.1: what is absent has its default, SHA-1 with a salt of 20.
Result<SignatureScheme> read_pss(const std::optional<der::Element>& parameters) {
  if (!parameters || parameters->tag != der::kSequence) return malformed();
  SignatureScheme scheme{Kind::rsa_pss, Hash::sha1, 20};
  Hash mask_hash = Hash::sha1;
  Reader reader(parameters->value);
  std::uint8_t lowest = der::constructed_context(0);
  while (!reader.empty()) {
    const der::Element field = TRY(der::read(reader));
    if (field.tag < lowest) return malformed();
    lowest = static_cast<std::uint8_t>(field.tag + 1);
    switch (field.tag) {
      case der::constructed_context(0):
        scheme.hash = TRY(read_hash(field.value));
        break;
      case der::constructed_context(1):
        mask_hash = TRY(read_mask_generation(field.value));
        break;
      case der::constructed_context(2):
        scheme.salt_size = TRY(read_small_integer(field.value));
        break;
      case der::constructed_context(3):
        if (TRY(read_small_integer(field.value)) != 1) return malformed();
        break;
      default:
        return malformed();
    }
  }
  if (mask_hash != scheme.hash) return unsupported();
  return scheme;
}

Bytes encode_pss(const SignatureScheme& scheme) {
  const auto* row = std::ranges::find(kHashes, *scheme.hash, &HashRow::hash);
  const Bytes hash = der::element(der::kSequence, {der::element(der::kOid, {as_bytes(row->oid)}),
                                                   der::element(der::kNull, {})});
  const Bytes mask =
      der::element(der::kSequence, {der::element(der::kOid, {as_bytes(kMgf1)}), hash});
  Bytes salt{static_cast<std::uint8_t>(scheme.salt_size)};
  if (scheme.salt_size >= 0x80)
    salt.insert(salt.begin(), static_cast<std::uint8_t>(scheme.salt_size >> 8));
  // trailerField has its default, which DER leaves out.
  const Bytes parameters = der::element(
      der::kSequence,
      {der::element(der::constructed_context(0), {hash}),
       der::element(der::constructed_context(1), {mask}),
       der::element(der::constructed_context(2), {der::element(der::kInteger, {salt})})});
  return der::element(der::kSequence, {der::element(der::kOid, {as_bytes(kRsaPss)}), parameters});
}

// Of a positive INTEGER, without the zero that keeps it positive.
Result<ByteView> read_positive(Reader& reader) {
  ByteView value = TRY(der::read(reader, der::kInteger)).value;
  if (value.empty() || value[0] >= 0x80) return malformed();
  if (value[0] != 0) return value;
  if (value.size() == 1 || value[1] < 0x80) return malformed();  // zero, or not the shortest form
  return value.subspan(1);
}

Result<PublicKeyFields> parse_rsa(ByteView subject_public_key) {
  PublicKeyFields fields{KeyKind::rsa, 0, subject_public_key, {}, {}};
  Reader reader(TRY(der::read_only(subject_public_key, der::kSequence)).value);
  fields.modulus = TRY(read_positive(reader));
  fields.exponent = TRY(read_positive(reader));
  if (!reader.empty()) return malformed();
  const std::size_t bits =
      fields.modulus.size() * 8 - static_cast<std::size_t>(std::countl_zero(fields.modulus[0]));
  const bool large_enough = fields.exponent.size() > 1 || fields.exponent[0] >= 3;
  if (bits < kMinRsaBits || bits > kMaxRsaBits || (fields.modulus.back() & 1) == 0 ||
      (fields.exponent.back() & 1) == 0 || fields.exponent.size() > 8 || !large_enough)
    return malformed();
  fields.bits = static_cast<unsigned>(bits);
  return fields;
}

Result<KeyKind> kind_of(const Algorithm& algorithm) {
  if (algorithm.oid == kRsaEncryption) {
    if (!algorithm.parameters || !is_null(*algorithm.parameters)) return malformed();
    return KeyKind::rsa;
  }
  if (algorithm.oid == kEd25519 || algorithm.oid == kEd448) {
    if (algorithm.parameters) return malformed();  // RFC 8410, 3
    return algorithm.oid == kEd25519 ? KeyKind::ed25519 : KeyKind::ed448;
  }
  if (algorithm.oid != kEcPublicKey) return unsupported();
  // RFC 5480, 2.1.1: nothing but a named curve.
  if (!algorithm.parameters || algorithm.parameters->tag != der::kOid) return unsupported();
  const auto* row = std::ranges::find(kKeys, as_text(algorithm.parameters->value), &KeyRow::curve);
  if (row == std::end(kKeys) || row->curve.empty()) return unsupported();
  return row->kind;
}

}  // namespace

std::string_view name_of(KeyKind kind) { return row_of(kind).name; }

std::string_view name_of(Hash hash) {
  constexpr std::string_view kNames[] = {"SHA-1", "SHA2-256", "SHA2-384", "SHA2-512", "MD5"};
  return kNames[static_cast<std::size_t>(hash)];
}

std::string_view name_of(SignatureKind kind) {
  constexpr std::string_view kNames[] = {"RSASSA-PKCS1-v1_5", "RSASSA-PSS", "ECDSA",
                                         "ECDSA (RFC 4754)",  "Ed25519",    "Ed448"};
  return kNames[static_cast<std::size_t>(kind)];
}

SignatureScheme rsa_pss(Hash hash) {
  return {Kind::rsa_pss, hash, static_cast<std::uint16_t>(hash_size(hash))};
}

bool suits(const SignatureScheme& scheme, KeyKind kind) {
  const bool ec =
      kind == KeyKind::ecdsa_p256 || kind == KeyKind::ecdsa_p384 || kind == KeyKind::ecdsa_p521;
  switch (scheme.kind) {
    case Kind::rsa_pkcs1:
    case Kind::rsa_pss:
      return kind == KeyKind::rsa && scheme.hash;
    case Kind::ecdsa:
    case Kind::ecdsa_raw:
      return ec && scheme.hash;
    case Kind::ed25519:
      return kind == KeyKind::ed25519;
    case Kind::ed448:
      return kind == KeyKind::ed448;
  }
  return false;
}

Bytes encode_scheme(const SignatureScheme& scheme) {
  if (scheme.kind == Kind::rsa_pss) return encode_pss(scheme);
  const auto* row = std::ranges::find_if(kSchemes, [&](const SchemeRow& candidate) {
    return candidate.kind == scheme.kind && candidate.hash == scheme.hash;
  });
  if (row == std::end(kSchemes)) return {};
  // RSA has NULL for its parameters, the others have none (RFC 7427, A.1 and A.3).
  const Bytes parameters = scheme.kind == Kind::rsa_pkcs1 ? der::element(der::kNull, {}) : Bytes();
  return der::element(der::kSequence, {der::element(der::kOid, {as_bytes(row->oid)}), parameters});
}

Result<SignatureScheme> decode_scheme(ByteView algorithm_identifier) {
  const auto sequence = TRY(der::read_only(algorithm_identifier, der::kSequence));
  const Algorithm algorithm = TRY(read_algorithm(sequence.value));
  if (algorithm.oid == kRsaPss) return read_pss(algorithm.parameters);
  const auto* row = std::ranges::find(kSchemes, algorithm.oid, &SchemeRow::oid);
  if (row == std::end(kSchemes)) return unsupported();
  // RFC 4055, 5: NULL is what RSA must have, and its absence has to be taken as well.
  if (algorithm.parameters && (row->kind != Kind::rsa_pkcs1 || !is_null(*algorithm.parameters)))
    return malformed();
  return SignatureScheme{row->kind, row->hash, 0};
}

SignatureHash signature_hash(const SignatureScheme& scheme) {
  if (!scheme.hash) return SignatureHash::identity;
  return static_cast<SignatureHash>(static_cast<std::uint16_t>(*scheme.hash) + 1);
}

std::optional<SignatureScheme> choose_scheme(const SchemeChoice& key,
                                             std::span<const SignatureHash> announced) {
  const auto has = [announced](SignatureHash hash) {
    return std::ranges::find(announced, hash) != announced.end();
  };
  if (key.kind == KeyKind::ed25519 || key.kind == KeyKind::ed448) {
    if (!has(SignatureHash::identity)) return std::nullopt;
    return SignatureScheme{key.kind == KeyKind::ed25519 ? Kind::ed25519 : Kind::ed448, {}, 0};
  }
  const bool rsa = key.kind == KeyKind::rsa;
  // NIST SP 800-57, table 2: 3072 bits of RSA are worth 128, 7680 are worth 192.
  const std::size_t fitting =
      rsa ? (key.bits <= 3'072   ? 0
             : key.bits <= 7'680 ? 1
                                 : 2)
          : static_cast<std::size_t>(key.kind) - static_cast<std::size_t>(KeyKind::ecdsa_p256);
  constexpr Hash kStrength[] = {Hash::sha2_256, Hash::sha2_384, Hash::sha2_512};
  constexpr std::size_t kOrder[][3] = {{0, 1, 2}, {1, 2, 0}, {2, 1, 0}};
  for (const std::size_t index : kOrder[fitting]) {
    SignatureScheme scheme{rsa ? Kind::rsa_pkcs1 : Kind::ecdsa, kStrength[index], 0};
    if (rsa && key.pss) scheme = rsa_pss(kStrength[index]);
    if (has(signature_hash(scheme))) return scheme;
  }
  return std::nullopt;
}

Result<PublicKeyFields> parse_public_key(ByteView spki) {
  Reader reader(TRY(der::read_only(spki, der::kSequence)).value);
  const auto sequence = TRY(der::read(reader, der::kSequence));
  const ByteView bits = TRY(der::read(reader, der::kBitString)).value;
  if (!reader.empty() || bits.empty() || bits[0] != 0) return malformed();
  const Algorithm algorithm = TRY(read_algorithm(sequence.value));
  const KeyKind kind = TRY(kind_of(algorithm));
  const ByteView key = bits.subspan(1);
  if (kind == KeyKind::rsa) return parse_rsa(key);
  const KeyRow& row = row_of(kind);
  const bool point = !row.curve.empty();
  if (key.size() != row.size || (point && key[0] != 4)) return malformed();
  return PublicKeyFields{kind, row.bits, key, {}, {}};
}

}  // namespace culvert
