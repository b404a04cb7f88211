// Owns the table of proposal keywords, which are strongSwan's.
// Invariant: the first row of a transform is the one we print.
#include "policy/proposal_keywords.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/nearest.h"

namespace culvert {
namespace {

constexpr ProposalKeyword encr(std::string_view name, Encr id, std::uint16_t bits = 0) {
  return {name, TransformType::encr, static_cast<std::uint16_t>(id), bits};
}
constexpr ProposalKeyword integ(std::string_view name, Integ id) {
  return {name, TransformType::integ, static_cast<std::uint16_t>(id), 0};
}
constexpr ProposalKeyword prf(std::string_view name, Prf id) {
  return {name, TransformType::prf, static_cast<std::uint16_t>(id), 0};
}
constexpr ProposalKeyword ke(std::string_view name, Ke id) {
  return {name, TransformType::ke, static_cast<std::uint16_t>(id), 0};
}
constexpr ProposalKeyword esn(std::string_view name, Esn id) {
  return {name, TransformType::esn, static_cast<std::uint16_t>(id), 0};
}

constexpr ProposalKeyword kKeywords[] = {
    encr("aes128", Encr::aes_cbc, 128),
    encr("aes192", Encr::aes_cbc, 192),
    encr("aes256", Encr::aes_cbc, 256),
    encr("aes", Encr::aes_cbc, 128),
    encr("aes128ctr", Encr::aes_ctr, 128),
    encr("aes192ctr", Encr::aes_ctr, 192),
    encr("aes256ctr", Encr::aes_ctr, 256),
    encr("aes128gcm16", Encr::aes_gcm_16, 128),
    encr("aes192gcm16", Encr::aes_gcm_16, 192),
    encr("aes256gcm16", Encr::aes_gcm_16, 256),
    encr("aes128gcm12", Encr::aes_gcm_12, 128),
    encr("aes192gcm12", Encr::aes_gcm_12, 192),
    encr("aes256gcm12", Encr::aes_gcm_12, 256),
    encr("aes128gcm8", Encr::aes_gcm_8, 128),
    encr("aes192gcm8", Encr::aes_gcm_8, 192),
    encr("aes256gcm8", Encr::aes_gcm_8, 256),
    // Tag lengths may be given in bits too, and the longest one may be left out.
    encr("aes128gcm128", Encr::aes_gcm_16, 128),
    encr("aes192gcm128", Encr::aes_gcm_16, 192),
    encr("aes256gcm128", Encr::aes_gcm_16, 256),
    encr("aes128gcm96", Encr::aes_gcm_12, 128),
    encr("aes192gcm96", Encr::aes_gcm_12, 192),
    encr("aes256gcm96", Encr::aes_gcm_12, 256),
    encr("aes128gcm64", Encr::aes_gcm_8, 128),
    encr("aes192gcm64", Encr::aes_gcm_8, 192),
    encr("aes256gcm64", Encr::aes_gcm_8, 256),
    encr("aes128gcm", Encr::aes_gcm_16, 128),
    encr("aes192gcm", Encr::aes_gcm_16, 192),
    encr("aes256gcm", Encr::aes_gcm_16, 256),
    encr("aes128ccm16", Encr::aes_ccm_16, 128),
    encr("aes192ccm16", Encr::aes_ccm_16, 192),
    encr("aes256ccm16", Encr::aes_ccm_16, 256),
    encr("aes128ccm12", Encr::aes_ccm_12, 128),
    encr("aes192ccm12", Encr::aes_ccm_12, 192),
    encr("aes256ccm12", Encr::aes_ccm_12, 256),
    encr("aes128ccm8", Encr::aes_ccm_8, 128),
    encr("aes192ccm8", Encr::aes_ccm_8, 192),
    encr("aes256ccm8", Encr::aes_ccm_8, 256),
    encr("aes128ccm128", Encr::aes_ccm_16, 128),
    encr("aes192ccm128", Encr::aes_ccm_16, 192),
    encr("aes256ccm128", Encr::aes_ccm_16, 256),
    encr("aes128ccm96", Encr::aes_ccm_12, 128),
    encr("aes192ccm96", Encr::aes_ccm_12, 192),
    encr("aes256ccm96", Encr::aes_ccm_12, 256),
    encr("aes128ccm64", Encr::aes_ccm_8, 128),
    encr("aes192ccm64", Encr::aes_ccm_8, 192),
    encr("aes256ccm64", Encr::aes_ccm_8, 256),
    encr("aes128ccm", Encr::aes_ccm_16, 128),
    encr("aes192ccm", Encr::aes_ccm_16, 192),
    encr("aes256ccm", Encr::aes_ccm_16, 256),
    encr("chacha20poly1305", Encr::chacha20_poly1305),
    encr("camellia128", Encr::camellia_cbc, 128),
    encr("camellia192", Encr::camellia_cbc, 192),
    encr("camellia256", Encr::camellia_cbc, 256),
    encr("camellia", Encr::camellia_cbc, 128),
    encr("aes128gmac", Encr::null_auth_aes_gmac, 128),
    encr("aes192gmac", Encr::null_auth_aes_gmac, 192),
    encr("aes256gmac", Encr::null_auth_aes_gmac, 256),
    encr("cast128", Encr::cast, 128),
    encr("blowfish128", Encr::blowfish, 128),
    encr("blowfish192", Encr::blowfish, 192),
    encr("blowfish256", Encr::blowfish, 256),
    encr("blowfish", Encr::blowfish, 128),
    encr("3des", Encr::triple_des),
    encr("des", Encr::des),
    encr("null", Encr::null),

    integ("sha256", Integ::hmac_sha2_256_128),
    integ("sha384", Integ::hmac_sha2_384_192),
    integ("sha512", Integ::hmac_sha2_512_256),
    integ("sha2_256", Integ::hmac_sha2_256_128),
    integ("sha2_384", Integ::hmac_sha2_384_192),
    integ("sha2_512", Integ::hmac_sha2_512_256),
    integ("sha1", Integ::hmac_sha1_96),
    integ("sha", Integ::hmac_sha1_96),
    integ("md5", Integ::hmac_md5_96),
    integ("aesxcbc", Integ::aes_xcbc_96),
    integ("aescmac", Integ::aes_cmac_96),

    prf("prfsha256", Prf::hmac_sha2_256),
    prf("prfsha384", Prf::hmac_sha2_384),
    prf("prfsha512", Prf::hmac_sha2_512),
    prf("prfsha1", Prf::hmac_sha1),
    prf("prfmd5", Prf::hmac_md5),
    prf("prfaesxcbc", Prf::aes128_xcbc),
    prf("prfaescmac", Prf::aes128_cmac),

    ke("x25519", Ke::x25519),
    ke("curve25519", Ke::x25519),
    ke("x448", Ke::x448),
    ke("curve448", Ke::x448),
    ke("ecp256", Ke::ecp256),
    ke("ecp384", Ke::ecp384),
    ke("ecp521", Ke::ecp521),
    ke("nistp256", Ke::ecp256),
    ke("nistp384", Ke::ecp384),
    ke("nistp521", Ke::ecp521),
    ke("modp2048", Ke::modp2048),
    ke("modp3072", Ke::modp3072),
    ke("modp4096", Ke::modp4096),
    ke("modp6144", Ke::modp6144),
    ke("modp8192", Ke::modp8192),
    ke("modp1536", Ke::modp1536),
    ke("modp1024", Ke::modp1024),
    ke("modp768", Ke::modp768),
    ke("mlkem512", Ke::mlkem512),
    ke("mlkem768", Ke::mlkem768),
    ke("mlkem1024", Ke::mlkem1024),
    ke("modpnone", Ke::none),
    ke("none", Ke::none),

    esn("noesn", Esn::no),
    esn("esn", Esn::yes),
};

std::string_view prefix_of(TransformType type) {
  switch (type) {
    case TransformType::encr:
      return "encr";
    case TransformType::prf:
      return "prf";
    case TransformType::integ:
      return "integ";
    case TransformType::ke:
      return "ke";
    case TransformType::esn:
      return "esn";
    default:
      return "transform";
  }
}

}  // namespace

const ProposalKeyword* find_proposal_keyword(std::string_view name) {
  const auto* row = std::ranges::find(kKeywords, name, &ProposalKeyword::name);
  return row == std::end(kKeywords) ? nullptr : row;
}

bool is_implemented(const ProposalKeyword& keyword) {
  switch (keyword.type) {
    case TransformType::encr: {
      const Encr id{keyword.id};
      const Integ with = is_aead(id) ? Integ::none : Integ::hmac_sha2_256_128;
      return sizes_of({id, keyword.key_bits, with}).has_value();
    }
    case TransformType::integ:
      return sizes_of({Encr::null, 0, Integ{keyword.id}}).has_value();
    case TransformType::prf:
      return prf_size(Prf{keyword.id}).has_value();
    case TransformType::ke:
      return Ke{keyword.id} == Ke::none || public_value_size(Ke{keyword.id}).has_value();
    default:
      return true;
  }
}

std::string_view nearest_proposal_keyword(std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& row : kKeywords)
    if (is_implemented(row)) names.push_back(row.name);
  return nearest(name, names);
}

std::string proposal_keyword(TransformType type, std::uint16_t id, std::uint16_t key_bits) {
  for (const auto& row : kKeywords)
    if (row.type == type && row.id == id && row.key_bits == key_bits) return std::string(row.name);
  auto text = fmt::format("{}#{}", prefix_of(type), id);
  if (key_bits != 0) text += fmt::format("/{}", key_bits);
  return text;
}

}  // namespace culvert
