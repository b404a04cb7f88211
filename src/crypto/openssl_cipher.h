// Ciphers of the OpenSSL backend: AEADs with their tag, and plain encryption for cipher and MAC.
#pragma once

#include <array>

#include "crypto/openssl_handles.h"
#include "crypto/provider.h"

namespace culvert::openssl {

enum class Direction : std::uint8_t { decrypt, encrypt };

class CipherEngine {
 public:
  CipherEngine();
  // Every spec given to this class must have sizes; true for null, which needs nothing.
  bool supports(const CipherSpec& spec) const;

  // Runs in place. `key` ends in the salt where there is one; `icv` is written by encryption and
  // checked (bad_integrity) by decryption. The caller has checked all sizes against sizes_of().
  Result<> seal(const CipherSpec& spec, ByteView key, ByteView iv, ByteView aad, MutableBytes data,
                MutableBytes icv);
  Result<> open(const CipherSpec& spec, ByteView key, ByteView iv, ByteView aad, MutableBytes data,
                ByteView icv);
  // CBC, CTR and null; no integrity.
  Result<> crypt(const CipherSpec& spec, ByteView key, ByteView iv, Direction direction,
                 MutableBytes data);

 private:
  static constexpr std::size_t kModes = 6;
  static constexpr std::size_t kKeySizes = 3;

  EVP_CIPHER_CTX* context(const CipherSpec& spec) const;
  // Sets key and nonce and runs aad and data through; what is left is the tag.
  bool run_aead(EVP_CIPHER_CTX* context, const CipherSpec& spec, ByteView key, ByteView iv,
                ByteView aad, MutableBytes data, Direction direction, ByteView expected_icv);

  // By mode, and by key size for AES.
  std::array<std::array<CipherContext, kKeySizes>, kModes> contexts_;
};

}  // namespace culvert::openssl
