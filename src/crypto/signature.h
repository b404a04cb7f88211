// Signatures: kinds of keys, schemes and their names in AUTH payloads and certificates (RFC 7427,
// RFC 8420), and public keys as values.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"

namespace culvert {

enum class Hash : std::uint8_t { sha1, sha2_256, sha2_384, sha2_512, md5 };
constexpr std::size_t hash_size(Hash hash) {
  constexpr std::size_t kSizes[] = {20, 32, 48, 64, 16};
  return kSizes[static_cast<std::size_t>(hash)];
}
inline constexpr std::size_t kMaxHashSize = 64;

enum class KeyKind : std::uint8_t { rsa, ecdsa_p256, ecdsa_p384, ecdsa_p521, ed25519, ed448 };
std::string_view name_of(KeyKind kind);  // "RSA", "ECDSA P-256", "Ed25519"

enum class SignatureKind : std::uint8_t {
  rsa_pkcs1,  // RSASSA-PKCS1-v1_5
  rsa_pss,    // RSASSA-PSS, MGF1 with the same hash
  ecdsa,      // DER, as in certificates and RFC 7427
  ecdsa_raw,  // r | s, as in the methods of RFC 4754
  ed25519,
  ed448
};
struct SignatureScheme {
  SignatureKind kind = SignatureKind::rsa_pkcs1;
  std::optional<Hash> hash;     // none for EdDSA, which hashes by itself
  std::uint16_t salt_size = 0;  // octets, RSASSA-PSS only
  bool operator==(const SignatureScheme&) const = default;
};
// With the salt as long as the hash, as RFC 4055, 3.1 advises.
SignatureScheme rsa_pss(Hash hash);
// "RSA_PSS with SHA2-256", "ECDSA with SHA2-384", "Ed25519".
std::string_view name_of(Hash hash);
std::string_view name_of(SignatureKind kind);
// Whether a key of this kind can make such signatures.
bool suits(const SignatureScheme& scheme, KeyKind kind);

// The AlgorithmIdentifier that names a scheme, as DER: RFC 7427, appendix A; RFC 8420, appendix A;
// also what certificates hold. Every scheme but ecdsa_raw has one.
Bytes encode_scheme(const SignatureScheme& scheme);
// Fails with `unsupported` for other algorithms, hashes and PSS parameters, and for parameters that
// the algorithm must not have.
Result<SignatureScheme> decode_scheme(ByteView algorithm_identifier);

// IANA's "IKEv2 Hash Algorithms" (RFC 7427, RFC 8420), as SIGNATURE_HASH_ALGORITHMS lists them.
enum class SignatureHash : std::uint16_t {
  sha1 = 1,
  sha2_256 = 2,
  sha2_384 = 3,
  sha2_512 = 4,
  identity = 5
};
// What we announce: all but SHA-1, which RFC 8247, 4 forbids for signatures.
inline constexpr std::array kAnnouncedHashes{SignatureHash::sha2_256, SignatureHash::sha2_384,
                                             SignatureHash::sha2_512, SignatureHash::identity};
SignatureHash signature_hash(const SignatureScheme& scheme);
// The scheme to sign AUTH with for a peer that announced these hashes: the hash that is as strong
// as the key where the peer has it, else the next stronger, else the strongest. nullopt: none fits.
struct SchemeChoice {
  KeyKind kind = KeyKind::rsa;
  unsigned bits = 0;
  bool pss = false;  // RSASSA-PSS for RSA keys
};
std::optional<SignatureScheme> choose_scheme(const SchemeChoice& key,
                                             std::span<const SignatureHash> announced);

inline constexpr std::size_t kMaxSignatureSize = 2'048;  // octets: RSA with 16384 bits
inline constexpr unsigned kMinRsaBits = 1'024, kMaxRsaBits = 16'384;
inline constexpr unsigned kWeakRsaBits = 2'048;  // RFC 8247, 4.1.1: fewer should not be used

using KeyId = std::array<std::uint8_t, 20>;

// What a SubjectPublicKeyInfo holds, after its structure and bounds were checked; whether a point
// lies on its curve is left to the provider. Views into the DER.
struct PublicKeyFields {
  KeyKind kind = KeyKind::rsa;
  unsigned bits = 0;
  ByteView subject_public_key;  // the bit string's octets
  ByteView modulus, exponent;   // of RSA, without leading zeros
};
// Fails with `unsupported` for other algorithms and curves, `bad_value` for what breaks the bounds:
// RSA of kMinRsaBits to kMaxRsaBits, exponent odd, at least 3, below 2^64; uncompressed points.
Result<PublicKeyFields> parse_public_key(ByteView spki);

// A public key that was checked when it was loaded (Provider::load_public_key). Immutable; shared
// between threads.
class PublicKey {
 public:
  virtual ~PublicKey() = default;
  PublicKey(const PublicKey&) = delete;
  PublicKey& operator=(const PublicKey&) = delete;

  KeyKind kind() const { return kind_; }
  unsigned bits() const { return bits_; }
  bool is_weak() const { return kind_ == KeyKind::rsa && bits_ < kWeakRsaBits; }
  ByteView spki() const { return spki_; }  // SubjectPublicKeyInfo, DER
  // SHA-1 of the subjectPublicKey's octets: RFC 5280, 4.2.1.2, method 1.
  const KeyId& key_id() const { return key_id_; }
  // SHA-1 of the SubjectPublicKeyInfo: what CERTREQ payloads list (RFC 7296, 3.7).
  const KeyId& spki_hash() const { return spki_hash_; }

 protected:
  struct Ids {
    KeyId key_id{}, spki_hash{};
  };
  PublicKey(const PublicKeyFields& fields, ByteView spki, const Ids& ids)
      : kind_(fields.kind),
        bits_(fields.bits),
        spki_(to_bytes(spki)),
        key_id_(ids.key_id),
        spki_hash_(ids.spki_hash) {}

 private:
  KeyKind kind_;
  unsigned bits_;
  Bytes spki_;
  KeyId key_id_, spki_hash_;
};
using PublicKeyRef = std::shared_ptr<const PublicKey>;

}  // namespace culvert
