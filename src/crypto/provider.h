// The narrow door to cryptography. One Provider serves a thread; it is not thread-safe.
// Two exist: OpenSSL's (openssl_provider.h) and a fast insecure deterministic one for simulation
// and fuzzing (sim/toy_provider.h), which no program links.
#pragma once

#include <initializer_list>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/signature.h"
#include "crypto/transforms.h"

namespace culvert {

inline constexpr std::size_t kMaxKeySize = 64;  // octets of any one derived key, salt included
using Key = InlineSecret<kMaxKeySize>;

// Our half of one key exchange; single use.
class KeyExchange {
 public:
  virtual ~KeyExchange() = default;
  virtual Ke method() const = 0;
  // As it goes into the KE payload; fixed size per method, leading zeros kept.
  virtual ByteView public_value() const = 0;
  // The shared secret g^ir (fixed size, leading zeros kept: RFC 7296, 2.14), after checking the
  // peer's value: length, range and order (RFC 6989, 2), all-zero results (RFC 8031, 2).
  // Fails with bad_public_value.
  virtual Result<SecretBytes> derive(ByteView peer_public_value) = 0;
};

class Provider {
 public:
  virtual ~Provider() = default;

  // AH (encr none) is "supported" with its integrity algorithm, though there is nothing to seal.
  virtual bool supports(const CipherSpec& spec) const = 0;
  virtual bool supports(Prf prf) const = 0;
  virtual bool supports(Ke method) const = 0;

  // Cryptographically secure octets (deterministic in the simulator).
  virtual void random(MutableBytes out) = 0;

  // prf(key, parts[0] | parts[1] | …); out is prf_size(prf) long or shorter (truncation).
  // Keys of any length are accepted; AES-XCBC and AES-CMAC hash them down (RFC 4434, RFC 4615).
  virtual Result<> prf(Prf prf, ByteView key, std::initializer_list<ByteView> parts,
                       MutableBytes out) = 0;

  // out = H(parts[0] | parts[1] | …); out has the hash's full size.
  virtual Result<> hash(Hash hash, std::initializer_list<ByteView> parts, MutableBytes out) = 0;

  // out = AES-128(key, block), the bare block cipher: what Milenage is made of. All have 16 octets.
  virtual Result<> aes128_block(ByteView key, ByteView block, MutableBytes out) = 0;

  virtual Result<std::unique_ptr<KeyExchange>> generate(Ke method) = 0;

  // Of a SubjectPublicKeyInfo. Fails as parse_public_key() does, and with bad_public_value for a
  // point that is not on its curve.
  virtual Result<PublicKeyRef> load_public_key(ByteView spki) = 0;
  // Whether `signature` is `key`'s over parts[0] | parts[1] | …. Fails with bad_integrity whatever
  // is wrong with the signature, and when the scheme does not suit the key.
  virtual Result<> verify(const PublicKey& key, const SignatureScheme& scheme,
                          std::initializer_list<ByteView> parts, ByteView signature) = 0;

  // Encrypts `data` in place and writes the tag: AEADs authenticate aad; for cipher and MAC the MAC
  // covers aad | iv | ciphertext | suffix (encrypt-then-MAC). Sizes: sizes_of(spec).
  // `suffix` is the high half of an ESN (RFC 4303, 2.2.1); empty for AEADs and IKE.
  // `iv` is what goes on the wire; the caller made it (unique, for CBC unpredictable).
  struct Operands {
    ByteView encryption_key;  // with salt
    ByteView integrity_key;
    ByteView iv;
    ByteView aad;
    ByteView suffix = {};
  };
  virtual Result<> seal(const CipherSpec& spec, const Operands& operands, MutableBytes data,
                        MutableBytes icv) = 0;
  // Verifies (in constant time) and then decrypts `data` in place. Fails with bad_integrity and
  // leaves `data` unspecified.
  virtual Result<> open(const CipherSpec& spec, const Operands& operands, MutableBytes data,
                        ByteView icv) = 0;
};

// prf+ of RFC 7296, 2.13: fills `out` (at most 255 blocks).
Result<> prf_plus(Provider& provider, Prf prf, ByteView key, std::initializer_list<ByteView> seed,
                  MutableBytes out);

}  // namespace culvert
