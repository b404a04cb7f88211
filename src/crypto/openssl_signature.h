// Public keys and verification by libcrypto.
#pragma once

#include "crypto/openssl_mac.h"
#include "crypto/signature.h"

namespace culvert::openssl {

// Fails as parse_public_key() does, and with bad_public_value for points that are not on the curve.
Result<PublicKeyRef> load_public_key(MacEngine& hashes, ByteView spki);

// Fails with bad_integrity whatever is wrong with the signature, the scheme or the key.
Result<> verify(MacEngine& hashes, const culvert::PublicKey& key, const SignatureScheme& scheme,
                Parts message, ByteView signature);

// What both directions tell libcrypto of a scheme that has a hash.
class SchemeParameters {
 public:
  explicit SchemeParameters(const SignatureScheme& scheme);
  SchemeParameters(const SchemeParameters&) = delete;
  SchemeParameters& operator=(const SchemeParameters&) = delete;
  const OSSL_PARAM* get() const { return parameters_.data(); }

 private:
  int salt_size_;
  std::array<OSSL_PARAM, 5> parameters_;
};
const char* digest_name(Hash hash);
// ECDSA signatures between r | s, each `half` octets long, and DER. Empty: malformed.
Bytes ecdsa_der_from_raw(ByteView raw);
Bytes ecdsa_raw_from_der(ByteView der, std::size_t half);
// Octets of r, and of s, on a curve.
std::size_t ecdsa_half(KeyKind kind);

}  // namespace culvert::openssl
