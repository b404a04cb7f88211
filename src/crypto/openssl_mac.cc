// HMAC and AES-CMAC by libcrypto, and AES-XCBC-MAC (RFC 3566), which libcrypto does not have, over
// its AES block cipher.
// Invariant: contexts are made once and keyed at each use; the key of the last use stays inside
// until the next use or the engine's end, where libcrypto clears it.
#include "crypto/openssl_mac.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>

namespace culvert::openssl {
namespace {

constexpr std::size_t kBlock = 16;

using Block = InlineSecret<kBlock>;

constexpr const char* kHashNames[] = {"SHA1", "SHA2-256", "SHA2-384", "SHA2-512", "MD5"};

struct MacRow {
  const char* mac;
  const char* parameter;  // which the value of sets, once and for all
  const char* value;
};
constexpr MacRow kMacRows[] = {
    {"HMAC", OSSL_MAC_PARAM_DIGEST, "MD5"},      {"HMAC", OSSL_MAC_PARAM_DIGEST, "SHA1"},
    {"HMAC", OSSL_MAC_PARAM_DIGEST, "SHA2-256"}, {"HMAC", OSSL_MAC_PARAM_DIGEST, "SHA2-384"},
    {"HMAC", OSSL_MAC_PARAM_DIGEST, "SHA2-512"}, {"CMAC", OSSL_MAC_PARAM_CIPHER, "AES-128-CBC"},
};

MacContext make_mac(const MacRow& row) {
  const Mac mac(EVP_MAC_fetch(nullptr, row.mac, nullptr));
  if (!mac) return nullptr;
  MacContext context(EVP_MAC_CTX_new(mac.get()));
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(row.parameter, const_cast<char*>(row.value), 0),
      OSSL_PARAM_construct_end()};
  if (!context || EVP_MAC_CTX_set_params(context.get(), parameters) != 1) return nullptr;
  return context;
}

void xor_into(std::uint8_t* to, const std::uint8_t* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] ^= from[i];
}

// A null pointer would mean "the key of before" to EVP_MAC_init, also with length 0.
const std::uint8_t* not_null(ByteView bytes) {
  static constexpr std::uint8_t kNothing = 0;
  return bytes.empty() ? &kNothing : bytes.data();
}

}  // namespace

MacEngine::MacEngine() : digest_context_(EVP_MD_CTX_new()) {
  for (std::size_t i = 0; i < kHashes; ++i)
    digests_[i].reset(EVP_MD_fetch(nullptr, kHashNames[i], nullptr));
  for (std::size_t i = 0; i < kMacs; ++i) macs_[i] = make_mac(kMacRows[i]);
  const Cipher aes(EVP_CIPHER_fetch(nullptr, "AES-128-ECB", nullptr));
  aes_block_.reset(EVP_CIPHER_CTX_new());
  if (!aes || !aes_block_ ||
      EVP_EncryptInit_ex2(aes_block_.get(), aes.get(), nullptr, nullptr, nullptr) != 1 ||
      EVP_CIPHER_CTX_set_padding(aes_block_.get(), 0) != 1)
    aes_block_.reset();
  ERR_clear_error();
}

bool MacEngine::supports(MacAlgorithm algorithm) const {
  if (algorithm == MacAlgorithm::aes128_xcbc) return aes_block_ != nullptr;
  return macs_[static_cast<std::size_t>(algorithm)] != nullptr;
}

bool MacEngine::supports(Hash hash) const {
  return digest_context_ && digests_[static_cast<std::size_t>(hash)] != nullptr;
}

Result<> MacEngine::mac(MacAlgorithm algorithm, ByteView key, Parts parts, MutableBytes out) {
  if (!supports(algorithm)) return unsupported();
  if (algorithm == MacAlgorithm::aes128_xcbc) return xcbc(key, parts, out);
  EVP_MAC_CTX* context = macs_[static_cast<std::size_t>(algorithm)].get();
  if (EVP_MAC_init(context, not_null(key), key.size(), nullptr) != 1) return failed();
  for (ByteView part : parts)
    if (!part.empty() && EVP_MAC_update(context, part.data(), part.size()) != 1) return failed();
  InlineSecret<kMaxMacSize> full;
  full.resize(kMaxMacSize);
  std::size_t size = 0;
  if (EVP_MAC_final(context, full.mutable_view().data(), &size, kMaxMacSize) != 1) return failed();
  if (out.size() > size) return invalid_argument();
  std::ranges::copy(full.view().first(out.size()), out.begin());
  return {};
}

Result<> MacEngine::hash(Hash hash, Parts parts, MutableBytes out) {
  if (!supports(hash)) return unsupported();
  const EVP_MD* digest = digests_[static_cast<std::size_t>(hash)].get();
  if (out.size() != static_cast<std::size_t>(EVP_MD_get_size(digest))) return invalid_argument();
  EVP_MD_CTX* context = digest_context_.get();
  if (EVP_DigestInit_ex2(context, digest, nullptr) != 1) return failed();
  for (ByteView part : parts)
    if (!part.empty() && EVP_DigestUpdate(context, part.data(), part.size()) != 1) return failed();
  if (EVP_DigestFinal_ex(context, out.data(), nullptr) != 1) return failed();
  return {};
}

bool MacEngine::set_block_key(const std::uint8_t* key) {
  return EVP_EncryptInit_ex2(aes_block_.get(), nullptr, key, nullptr, nullptr) == 1;
}

bool MacEngine::encrypt_block(const std::uint8_t* from, std::uint8_t* to) {
  int size = 0;
  return EVP_EncryptUpdate(aes_block_.get(), to, &size, from, kBlock) == 1 &&
         size == static_cast<int>(kBlock);
}

Result<> MacEngine::aes128_block(ByteView key, ByteView block, MutableBytes out) {
  if (!aes_block_) return unsupported();
  if (key.size() != kBlock || block.size() != kBlock || out.size() != kBlock)
    return invalid_argument();
  if (!set_block_key(key.data()) || !encrypt_block(block.data(), out.data())) return failed();
  return {};
}

// RFC 3566, 4. `state` is E[n-1] xor what has come of M[n]; a full block is encrypted only when
// more follows, since the last one is treated apart.
Result<> MacEngine::xcbc(ByteView key, Parts parts, MutableBytes out) {
  if (key.size() != kBlock || out.size() > kBlock) return invalid_argument();
  // K1, K2, K3 = 0x01…, 0x02…, 0x03… encrypted with the key.
  std::array<Block, 3> keys;
  if (!set_block_key(key.data())) return failed();
  for (std::uint8_t i = 0; i < 3; ++i) {
    std::array<std::uint8_t, kBlock> pattern;
    pattern.fill(static_cast<std::uint8_t>(i + 1));
    keys[i].resize(kBlock);
    if (!encrypt_block(pattern.data(), keys[i].mutable_view().data())) return failed();
  }
  if (!set_block_key(keys[0].view().data())) return failed();

  Block secret_state;
  secret_state.resize(kBlock);
  std::uint8_t* state = secret_state.mutable_view().data();
  std::size_t filled = 0;
  for (ByteView part : parts) {
    while (!part.empty()) {
      if (filled == kBlock) {
        if (!encrypt_block(state, state)) return failed();
        filled = 0;
      }
      const std::size_t count = std::min(part.size(), kBlock - filled);
      xor_into(state + filled, part.data(), count);
      filled += count;
      part = part.subspan(count);
    }
  }
  const bool whole = filled == kBlock;
  if (!whole) state[filled] ^= 0x80;
  xor_into(state, keys[whole ? 1 : 2].view().data(), kBlock);
  if (!encrypt_block(state, state)) return failed();
  std::ranges::copy(secret_state.view().first(out.size()), out.begin());
  return {};
}

}  // namespace culvert::openssl
