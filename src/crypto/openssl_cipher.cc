// Encryption by libcrypto. One context for each algorithm and key size, keyed at each use.
// Invariant: data never counts as authentic before its tag verified; decryption that fails
// reports bad_integrity and nothing finer.
#include "crypto/openssl_cipher.h"

#include <algorithm>
#include <iterator>
#include <optional>

namespace culvert::openssl {
namespace {

enum Mode : std::uint8_t { kCbc, kCtr, kCcm, kGcm, kChaCha, kTripleDes };

constexpr const char* kNames[][3] = {
    {"AES-128-CBC", "AES-192-CBC", "AES-256-CBC"},
    {"AES-128-CTR", "AES-192-CTR", "AES-256-CTR"},
    {"AES-128-CCM", "AES-192-CCM", "AES-256-CCM"},
    {"AES-128-GCM", "AES-192-GCM", "AES-256-GCM"},
    {"ChaCha20-Poly1305"},
    {"DES-EDE3-CBC"},
};

std::optional<Mode> mode_of(Encr encr) {
  switch (encr) {
    case Encr::aes_cbc:
      return kCbc;
    case Encr::aes_ctr:
      return kCtr;
    case Encr::aes_ccm_8:
    case Encr::aes_ccm_12:
    case Encr::aes_ccm_16:
      return kCcm;
    case Encr::aes_gcm_8:
    case Encr::aes_gcm_12:
    case Encr::aes_gcm_16:
      return kGcm;
    case Encr::chacha20_poly1305:
      return kChaCha;
    case Encr::triple_des:
      return kTripleDes;
    default:
      return std::nullopt;
  }
}

CipherContext make_context(const char* name) {
  const Cipher cipher(EVP_CIPHER_fetch(nullptr, name, nullptr));
  CipherContext context(EVP_CIPHER_CTX_new());
  if (!cipher || !context) return nullptr;
  if (EVP_CipherInit_ex2(context.get(), cipher.get(), nullptr, nullptr, 1, nullptr) != 1)
    return nullptr;
  // RFC 7296, 3.14 and RFC 4303, 2.4: the padding is the protocol's, not the cipher's.
  if (EVP_CIPHER_CTX_set_padding(context.get(), 0) != 1) return nullptr;
  return context;
}

// What follows the key: salt and IV in the order of RFC 3686, 4106, 4309 and 7634.
struct Nonce {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t size = 0;
  Nonce(ByteView salt, ByteView iv) : size(salt.size() + iv.size()) {
    std::ranges::copy(iv, std::ranges::copy(salt, bytes.begin()).out);
  }
};

}  // namespace

CipherEngine::CipherEngine() {
  static_assert(std::size(kNames) == kModes);
  for (std::size_t mode = 0; mode < kModes; ++mode)
    for (std::size_t i = 0; i < kKeySizes; ++i)
      if (kNames[mode][i]) contexts_[mode][i] = make_context(kNames[mode][i]);
  ERR_clear_error();
}

EVP_CIPHER_CTX* CipherEngine::context(const CipherSpec& spec) const {
  const auto mode = mode_of(spec.encr);
  if (!mode) return nullptr;
  const bool one_size = *mode == kChaCha || *mode == kTripleDes;
  return contexts_[*mode][one_size ? 0 : (spec.key_bits - 128) / 64].get();
}

bool CipherEngine::supports(const CipherSpec& spec) const {
  return spec.encr == Encr::null || context(spec) != nullptr;
}

bool CipherEngine::run_aead(EVP_CIPHER_CTX* context, const CipherSpec& spec, ByteView key,
                            ByteView iv, ByteView aad, MutableBytes data, Direction direction,
                            ByteView expected_icv) {
  const CipherSizes sizes = *sizes_of(spec);
  const bool ccm = mode_of(spec.encr) == kCcm;
  const Nonce nonce(key.last(sizes.salt), iv);
  const int encrypt = direction == Direction::encrypt;
  int size = 0;
  // CCM computes with the sizes of nonce, tag and data, so it wants them first. A tag without
  // value sets the size only; for decryption the value itself must be there before the data.
  if (ccm) {
    if (EVP_CipherInit_ex2(context, nullptr, nullptr, nullptr, encrypt, nullptr) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(nonce.size),
                            nullptr) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, sizes.icv,
                            const_cast<std::uint8_t*>(expected_icv.data())) != 1)
      return false;
  }
  if (EVP_CipherInit_ex2(context, nullptr, key.data(), nonce.bytes.data(), encrypt, nullptr) != 1)
    return false;
  if (ccm && EVP_CipherUpdate(context, nullptr, &size, nullptr, int_size(data)) != 1) return false;
  if (!ccm && !encrypt &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, sizes.icv,
                          const_cast<std::uint8_t*>(expected_icv.data())) != 1)
    return false;
  if (!aad.empty() && EVP_CipherUpdate(context, nullptr, &size, aad.data(), int_size(aad)) != 1)
    return false;
  // CCM verifies while it decrypts, so it must be called also for empty data, and takes no null.
  std::uint8_t nothing = 0;
  std::uint8_t* at = data.empty() ? &nothing : data.data();
  if ((ccm || !data.empty()) && EVP_CipherUpdate(context, at, &size, at, int_size(data)) != 1)
    return false;
  return ccm || EVP_CipherFinal_ex(context, &nothing, &size) == 1;
}

Result<> CipherEngine::seal(const CipherSpec& spec, ByteView key, ByteView iv, ByteView aad,
                            MutableBytes data, MutableBytes icv) {
  if (!fits_int(aad) || !fits_int(data)) return invalid_argument();
  EVP_CIPHER_CTX* at = context(spec);
  if (!at) return unsupported();
  if (!run_aead(at, spec, key, iv, aad, data, Direction::encrypt, {})) return failed();
  if (EVP_CIPHER_CTX_ctrl(at, EVP_CTRL_AEAD_GET_TAG, int_size(icv), icv.data()) != 1)
    return failed();
  return {};
}

Result<> CipherEngine::open(const CipherSpec& spec, ByteView key, ByteView iv, ByteView aad,
                            MutableBytes data, ByteView icv) {
  if (!fits_int(aad) || !fits_int(data)) return invalid_argument();
  EVP_CIPHER_CTX* at = context(spec);
  if (!at) return unsupported();
  if (!run_aead(at, spec, key, iv, aad, data, Direction::decrypt, icv))
    return failed(Fault::peer_misbehaved, Reason::bad_integrity);
  return {};
}

Result<> CipherEngine::crypt(const CipherSpec& spec, ByteView key, ByteView iv, Direction direction,
                             MutableBytes data) {
  if (spec.encr == Encr::null || data.empty()) return {};
  if (!fits_int(data)) return invalid_argument();
  EVP_CIPHER_CTX* at = context(spec);
  if (!at) return unsupported();
  Nonce nonce(key.last(sizes_of(spec)->salt), iv);
  // RFC 3686, 4: the counter block is nonce, IV and a counter that starts at 1.
  if (spec.encr == Encr::aes_ctr) nonce.bytes.back() = 1;
  int size = 0;
  if (EVP_CipherInit_ex2(at, nullptr, key.data(), nonce.bytes.data(),
                         direction == Direction::encrypt, nullptr) != 1 ||
      EVP_CipherUpdate(at, data.data(), &size, data.data(), int_size(data)) != 1 ||
      size != int_size(data))
    return failed();
  return {};
}

}  // namespace culvert::openssl
