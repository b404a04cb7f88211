// One row per algorithm, as Linux's net/xfrm/xfrm_algo.c names them.
#include "xfrm/algorithms.h"

#include <fmt/format.h>

namespace culvert::xfrm {
namespace {

struct EncrRow {
  Encr encr;
  const char* name;
};
constexpr EncrRow kAeads[] = {
    {Encr::aes_ccm_8, "rfc4309(ccm(aes))"},
    {Encr::aes_ccm_12, "rfc4309(ccm(aes))"},
    {Encr::aes_ccm_16, "rfc4309(ccm(aes))"},
    {Encr::aes_gcm_8, "rfc4106(gcm(aes))"},
    {Encr::aes_gcm_12, "rfc4106(gcm(aes))"},
    {Encr::aes_gcm_16, "rfc4106(gcm(aes))"},
    {Encr::chacha20_poly1305, "rfc7539esp(chacha20,poly1305)"},
};
constexpr EncrRow kCiphers[] = {
    {Encr::triple_des, "cbc(des3_ede)"},
    {Encr::null, "ecb(cipher_null)"},
    {Encr::aes_cbc, "cbc(aes)"},
    {Encr::aes_ctr, "rfc3686(ctr(aes))"},
};
struct IntegRow {
  Integ integ;
  const char* name;
};
constexpr IntegRow kMacs[] = {
    {Integ::hmac_md5_96, "hmac(md5)"},          {Integ::hmac_sha1_96, "hmac(sha1)"},
    {Integ::aes_xcbc_96, "xcbc(aes)"},          {Integ::aes_cmac_96, "cmac(aes)"},
    {Integ::hmac_sha2_256_128, "hmac(sha256)"}, {Integ::hmac_sha2_384_192, "hmac(sha384)"},
    {Integ::hmac_sha2_512_256, "hmac(sha512)"},
};

const char* find_encr(std::span<const EncrRow> rows, Encr encr) {
  for (const EncrRow& row : rows)
    if (row.encr == encr) return row.name;
  return nullptr;
}

}  // namespace

std::optional<KernelCipher> kernel_cipher(const CipherSpec& spec) {
  const auto sizes = sizes_of(spec);
  if (!sizes) return std::nullopt;
  KernelCipher cipher;
  cipher.icv_bits = sizes->icv * 8u;
  cipher.aead = find_encr(kAeads, spec.encr);
  if (cipher.aead) return cipher;
  cipher.encryption = find_encr(kCiphers, spec.encr);
  for (const IntegRow& row : kMacs)
    if (row.integ == spec.integ) cipher.integrity = row.name;
  if (!cipher.integrity || (!cipher.encryption && spec.encr != Encr::none)) return std::nullopt;
  return cipher;
}

std::string cipher_text(const CipherSpec& spec) {
  const auto cipher = kernel_cipher(spec);
  if (!cipher) return fmt::format("{} {}", name_of(spec.encr), name_of(spec.integ));
  const std::string bits = spec.key_bits ? fmt::format(", {} bits", spec.key_bits) : std::string();
  if (cipher->aead) return cipher->aead + bits;
  if (!cipher->encryption) return cipher->integrity;
  return fmt::format("{}{} with {}", cipher->encryption, bits, cipher->integrity);
}

}  // namespace culvert::xfrm
