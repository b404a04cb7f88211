// The tables behind transforms.h: one row per algorithm, each naming the RFC its sizes come from.
// Invariant: a pair of cipher and integrity algorithm without authentication has no sizes, so that
// nothing can be protected with it.
#include "crypto/transforms.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace culvert {
namespace {

enum class KeyRule : std::uint8_t { aes, fixed };

struct EncrRow {
  Encr encr;
  KeyRule rule;
  std::uint16_t fixed_bits;  // for KeyRule::fixed; the salt is not counted
  std::uint8_t salt, iv, icv, block;
};

constexpr EncrRow kEncrRows[] = {
    {Encr::none, KeyRule::fixed, 0, 0, 0, 0, 1},                  // AH
    {Encr::null, KeyRule::fixed, 0, 0, 0, 0, 1},                  // RFC 2410
    {Encr::triple_des, KeyRule::fixed, 192, 0, 8, 0, 8},          // RFC 2451
    {Encr::aes_cbc, KeyRule::aes, 0, 0, 16, 0, 16},               // RFC 3602
    {Encr::aes_ctr, KeyRule::aes, 0, 4, 8, 0, 1},                 // RFC 3686, RFC 5930
    {Encr::aes_ccm_8, KeyRule::aes, 0, 3, 8, 8, 1},               // RFC 4309, RFC 5282
    {Encr::aes_ccm_12, KeyRule::aes, 0, 3, 8, 12, 1},             //
    {Encr::aes_ccm_16, KeyRule::aes, 0, 3, 8, 16, 1},             //
    {Encr::aes_gcm_8, KeyRule::aes, 0, 4, 8, 8, 1},               // RFC 4106, RFC 5282
    {Encr::aes_gcm_12, KeyRule::aes, 0, 4, 8, 12, 1},             //
    {Encr::aes_gcm_16, KeyRule::aes, 0, 4, 8, 16, 1},             //
    {Encr::chacha20_poly1305, KeyRule::fixed, 256, 4, 8, 16, 1},  // RFC 7634
};

struct IntegRow {
  Integ integ;
  std::uint8_t key, icv;
};

constexpr IntegRow kIntegRows[] = {
    {Integ::hmac_md5_96, 16, 12},        // RFC 2403
    {Integ::hmac_sha1_96, 20, 12},       // RFC 2404
    {Integ::aes_xcbc_96, 16, 12},        // RFC 3566
    {Integ::aes_cmac_96, 16, 12},        // RFC 4494
    {Integ::hmac_sha2_256_128, 32, 16},  // RFC 4868, 2.6
    {Integ::hmac_sha2_384_192, 48, 24},  //
    {Integ::hmac_sha2_512_256, 64, 32},  //
};

struct KeRow {
  Ke ke;
  std::uint16_t public_value;
};

// ML-KEM is absent: its two directions differ in size, and this build does not offer it.
constexpr KeRow kKeRows[] = {
    {Ke::modp768, 96},   {Ke::modp1024, 128},  {Ke::modp1536, 192},  // RFC 7296, B; RFC 3526
    {Ke::modp2048, 256}, {Ke::modp3072, 384},  {Ke::modp4096, 512},
    {Ke::modp6144, 768}, {Ke::modp8192, 1024}, {Ke::ecp256, 64},
    {Ke::ecp384, 96},    {Ke::ecp521, 132},  // RFC 5903, 7: x | y
    {Ke::x25519, 32},    {Ke::x448, 56},     // RFC 8031, 3.1
};

template <class Enum>
struct NameRow {
  Enum value;
  std::string_view name;
};

constexpr NameRow<TransformType> kTypeNames[] = {
    {TransformType::encr, "ENCR"},     {TransformType::prf, "PRF"},
    {TransformType::integ, "INTEG"},   {TransformType::ke, "KE"},
    {TransformType::esn, "ESN"},       {TransformType::addke1, "ADDKE1"},
    {TransformType::addke2, "ADDKE2"}, {TransformType::addke3, "ADDKE3"},
    {TransformType::addke4, "ADDKE4"}, {TransformType::addke5, "ADDKE5"},
    {TransformType::addke6, "ADDKE6"}, {TransformType::addke7, "ADDKE7"},
};

constexpr NameRow<Encr> kEncrNames[] = {
    {Encr::des, "ENCR_DES"},
    {Encr::triple_des, "ENCR_3DES"},
    {Encr::cast, "ENCR_CAST"},
    {Encr::blowfish, "ENCR_BLOWFISH"},
    {Encr::null, "ENCR_NULL"},
    {Encr::aes_cbc, "ENCR_AES_CBC"},
    {Encr::aes_ctr, "ENCR_AES_CTR"},
    {Encr::aes_ccm_8, "ENCR_AES_CCM_8"},
    {Encr::aes_ccm_12, "ENCR_AES_CCM_12"},
    {Encr::aes_ccm_16, "ENCR_AES_CCM_16"},
    {Encr::aes_gcm_8, "ENCR_AES_GCM_8"},
    {Encr::aes_gcm_12, "ENCR_AES_GCM_12"},
    {Encr::aes_gcm_16, "ENCR_AES_GCM_16"},
    {Encr::null_auth_aes_gmac, "ENCR_NULL_AUTH_AES_GMAC"},
    {Encr::camellia_cbc, "ENCR_CAMELLIA_CBC"},
    {Encr::chacha20_poly1305, "ENCR_CHACHA20_POLY1305"},
};

constexpr NameRow<Prf> kPrfNames[] = {
    {Prf::hmac_md5, "PRF_HMAC_MD5"},           {Prf::hmac_sha1, "PRF_HMAC_SHA1"},
    {Prf::aes128_xcbc, "PRF_AES128_XCBC"},     {Prf::hmac_sha2_256, "PRF_HMAC_SHA2_256"},
    {Prf::hmac_sha2_384, "PRF_HMAC_SHA2_384"}, {Prf::hmac_sha2_512, "PRF_HMAC_SHA2_512"},
    {Prf::aes128_cmac, "PRF_AES128_CMAC"},
};

constexpr NameRow<Integ> kIntegNames[] = {
    {Integ::none, "NONE"},
    {Integ::hmac_md5_96, "AUTH_HMAC_MD5_96"},
    {Integ::hmac_sha1_96, "AUTH_HMAC_SHA1_96"},
    {Integ::aes_xcbc_96, "AUTH_AES_XCBC_96"},
    {Integ::aes_cmac_96, "AUTH_AES_CMAC_96"},
    {Integ::hmac_sha2_256_128, "AUTH_HMAC_SHA2_256_128"},
    {Integ::hmac_sha2_384_192, "AUTH_HMAC_SHA2_384_192"},
    {Integ::hmac_sha2_512_256, "AUTH_HMAC_SHA2_512_256"},
};

// IANA spells the groups out in prose; these are the short forms in use everywhere.
constexpr NameRow<Ke> kKeNames[] = {
    {Ke::none, "NONE"},           {Ke::modp768, "MODP_768"},      {Ke::modp1024, "MODP_1024"},
    {Ke::modp1536, "MODP_1536"},  {Ke::modp2048, "MODP_2048"},    {Ke::modp3072, "MODP_3072"},
    {Ke::modp4096, "MODP_4096"},  {Ke::modp6144, "MODP_6144"},    {Ke::modp8192, "MODP_8192"},
    {Ke::ecp256, "ECP_256"},      {Ke::ecp384, "ECP_384"},        {Ke::ecp521, "ECP_521"},
    {Ke::x25519, "CURVE25519"},   {Ke::x448, "CURVE448"},         {Ke::mlkem512, "ML_KEM_512"},
    {Ke::mlkem768, "ML_KEM_768"}, {Ke::mlkem1024, "ML_KEM_1024"},
};

constexpr NameRow<Esn> kEsnNames[] = {{Esn::no, "NO_ESN"}, {Esn::yes, "ESN"}};

template <class Row, std::size_t N, class Value>
constexpr const Row* find(const Row (&rows)[N], Value Row::* member, Value value) {
  const Row* row = std::ranges::find(rows, value, member);
  return row == std::end(rows) ? nullptr : row;
}

template <class Enum, std::size_t N>
constexpr std::string_view name_in(const NameRow<Enum> (&rows)[N], Enum value) {
  const auto* row = find(rows, &NameRow<Enum>::value, value);
  return row ? row->name : std::string_view{};
}

// Octets of the cipher's own key, without salt; nullopt for a size the cipher does not have.
constexpr std::optional<std::uint8_t> key_octets(const EncrRow& row, std::uint16_t key_bits) {
  if (row.rule == KeyRule::aes) {
    if (key_bits != 128 && key_bits != 192 && key_bits != 256) return std::nullopt;
    return static_cast<std::uint8_t>(key_bits / 8);
  }
  // Some peers and configurations state the one size there is.
  if (key_bits != 0 && key_bits != row.fixed_bits) return std::nullopt;
  return static_cast<std::uint8_t>(row.fixed_bits / 8);
}

}  // namespace

bool is_aead(Encr encr) {
  if (encr == Encr::null_auth_aes_gmac) return true;  // RFC 4543: a combined mode without secrecy
  const EncrRow* row = find(kEncrRows, &EncrRow::encr, encr);
  return row && row->icv != 0;
}

std::optional<CipherSizes> sizes_of(const CipherSpec& spec) {
  const EncrRow* row = find(kEncrRows, &EncrRow::encr, spec.encr);
  if (!row) return std::nullopt;
  const auto key = key_octets(*row, spec.key_bits);
  if (!key) return std::nullopt;
  CipherSizes sizes{.key = static_cast<std::uint8_t>(*key + row->salt),
                    .salt = row->salt,
                    .iv = row->iv,
                    .icv = row->icv,
                    .block = row->block};
  // RFC 7296, 3.3.3: a combined mode takes no integrity algorithm; everything else needs one.
  const bool aead = row->icv != 0;
  if (aead) return spec.integ == Integ::none ? std::optional(sizes) : std::nullopt;
  const IntegRow* integ = find(kIntegRows, &IntegRow::integ, spec.integ);
  if (!integ) return std::nullopt;
  sizes.integ_key = integ->key;
  sizes.icv = integ->icv;
  return sizes;
}

std::optional<std::size_t> prf_size(Prf prf) {
  switch (prf) {
    case Prf::hmac_md5:
    case Prf::aes128_xcbc:
    case Prf::aes128_cmac:
      return 16;
    case Prf::hmac_sha1:
      return 20;
    case Prf::hmac_sha2_256:
      return 32;
    case Prf::hmac_sha2_384:
      return 48;
    case Prf::hmac_sha2_512:
      return 64;
    case Prf::none:
      break;
  }
  return std::nullopt;
}

bool prf_has_fixed_key(Prf prf) { return prf == Prf::aes128_xcbc || prf == Prf::aes128_cmac; }

std::optional<std::size_t> public_value_size(Ke ke) {
  const KeRow* row = find(kKeRows, &KeRow::ke, ke);
  return row ? std::optional<std::size_t>(row->public_value) : std::nullopt;
}

std::string_view name_of(TransformType type) { return name_in(kTypeNames, type); }
std::string_view name_of(Encr encr) { return name_in(kEncrNames, encr); }
std::string_view name_of(Prf prf) { return name_in(kPrfNames, prf); }
std::string_view name_of(Integ integ) { return name_in(kIntegNames, integ); }
std::string_view name_of(Ke ke) { return name_in(kKeNames, ke); }
std::string_view name_of(Esn esn) { return name_in(kEsnNames, esn); }

}  // namespace culvert
