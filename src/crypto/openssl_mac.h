// Keyed and unkeyed hashes of the OpenSSL backend: what stands under the PRFs, the integrity
// algorithms and hash().
#pragma once

#include <array>
#include <span>

#include "crypto/openssl_handles.h"
#include "crypto/provider.h"

namespace culvert::openssl {

enum class MacAlgorithm : std::uint8_t {
  hmac_md5,
  hmac_sha1,
  hmac_sha2_256,
  hmac_sha2_384,
  hmac_sha2_512,
  aes128_cmac,
  aes128_xcbc
};

using Parts = std::span<const ByteView>;

inline constexpr std::size_t kMaxMacSize = 64;  // octets, before truncation

class MacEngine {
 public:
  MacEngine();
  bool supports(MacAlgorithm algorithm) const;
  bool supports(Hash hash) const;
  // out = MAC(key, parts[0] | parts[1] | …), cut to out's size, which is at most the algorithm's.
  // AES-based MACs take keys of 16 octets only.
  Result<> mac(MacAlgorithm algorithm, ByteView key, Parts parts, MutableBytes out);
  // out has the hash's full size.
  Result<> hash(Hash hash, Parts parts, MutableBytes out);
  // AES-128 of one block; all three have 16 octets.
  Result<> aes128_block(ByteView key, ByteView block, MutableBytes out);

 private:
  static constexpr std::size_t kHashes = 5;
  static constexpr std::size_t kMacs = 6;  // those that libcrypto has: all but XCBC

  Result<> xcbc(ByteView key, Parts parts, MutableBytes out);
  bool encrypt_block(const std::uint8_t* from, std::uint8_t* to);
  bool set_block_key(const std::uint8_t* key);

  std::array<Digest, kHashes> digests_;
  std::array<MacContext, kMacs> macs_;  // each bound to its hash or cipher, keyed anew by each use
  DigestContext digest_context_;
  CipherContext aes_block_;  // AES-128 in ECB mode: the bare block cipher for XCBC
};

}  // namespace culvert::openssl
