// Owns the text form of proposals: parsing, completing, checking, printing, and the defaults.
// Invariant: parse_proposal(to_string(p), p.protocol) == p for every p that parse_proposal made.
#include "policy/proposal.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/proposal_keywords.h"

namespace culvert {
namespace {

using wire::ProtocolId;

constexpr Prf kDefaultPrfs[] = {Prf::hmac_sha2_256, Prf::hmac_sha2_384, Prf::hmac_sha2_512};
constexpr Ke kDefaultKes[] = {Ke::x25519,   Ke::ecp256,   Ke::ecp384,   Ke::ecp521,  Ke::x448,
                              Ke::modp3072, Ke::modp4096, Ke::modp8192, Ke::modp2048};
constexpr Integ kDefaultIntegs[] = {Integ::hmac_sha2_256_128, Integ::hmac_sha2_384_192,
                                    Integ::hmac_sha2_512_256};
constexpr EncrTransform kDefaultAeads[] = {
    {Encr::aes_gcm_16, 256}, {Encr::aes_gcm_16, 128}, {Encr::chacha20_poly1305, 0}};
constexpr EncrTransform kDefaultCiphers[] = {
    {Encr::aes_cbc, 256}, {Encr::aes_cbc, 192}, {Encr::aes_cbc, 128}};

std::unexpected<ParseFailure> failure(std::string message, std::string_view suggestion = {}) {
  return std::unexpected(ParseFailure{std::move(message), std::string(suggestion)});
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

template <class T>
void add_once(std::vector<T>& list, T value) {
  if (std::ranges::find(list, value) == list.end()) list.push_back(value);
}

void add(Proposal& proposal, const ProposalKeyword& keyword) {
  switch (keyword.type) {
    case TransformType::encr:
      return add_once(proposal.encr, {Encr{keyword.id}, keyword.key_bits});
    case TransformType::prf:
      return add_once(proposal.prf, Prf{keyword.id});
    case TransformType::integ:
      return add_once(proposal.integ, Integ{keyword.id});
    case TransformType::ke:
      return add_once(proposal.ke, Ke{keyword.id});
    default:
      return add_once(proposal.esn, Esn{keyword.id});
  }
}

std::string_view protocol_name(ProtocolId protocol) {
  return protocol == ProtocolId::ike ? "IKE" : protocol == ProtocolId::ah ? "AH" : "ESP";
}

// RFC 7296, 3.3.3: which transform types a protocol takes.
bool takes(ProtocolId protocol, TransformType type) {
  if (type == TransformType::prf) return protocol == ProtocolId::ike;
  if (type == TransformType::esn) return protocol != ProtocolId::ike;
  if (type == TransformType::encr) return protocol != ProtocolId::ah;
  return true;
}

std::expected<void, ParseFailure> add_token(Proposal& proposal, std::string_view token) {
  std::string name(token);
  std::ranges::transform(name, name.begin(), lower);
  if (name.empty()) return failure("an algorithm is missing beside a '-'");
  const ProposalKeyword* keyword = find_proposal_keyword(name);
  if (!keyword)
    return failure(fmt::format("unknown algorithm '{}'", token), nearest_proposal_keyword(name));
  if (!is_implemented(*keyword))
    return failure(fmt::format("algorithm '{}' is not available here", token));
  if (!takes(proposal.protocol, keyword->type))
    return failure(fmt::format("'{}' has no meaning in proposals for {}", token,
                               protocol_name(proposal.protocol)));
  add(proposal, *keyword);
  return {};
}

Prf prf_like(Integ integ) {
  switch (integ) {
    case Integ::hmac_md5_96:
      return Prf::hmac_md5;
    case Integ::hmac_sha1_96:
      return Prf::hmac_sha1;
    case Integ::aes_xcbc_96:
      return Prf::aes128_xcbc;
    case Integ::aes_cmac_96:
      return Prf::aes128_cmac;
    case Integ::hmac_sha2_384_192:
      return Prf::hmac_sha2_384;
    case Integ::hmac_sha2_512_256:
      return Prf::hmac_sha2_512;
    default:
      return Prf::hmac_sha2_256;
  }
}

bool has_aead(const Proposal& proposal) {
  return std::ranges::any_of(proposal.encr, is_aead, &EncrTransform::id);
}
bool has_classic(const Proposal& proposal) {
  return !std::ranges::all_of(proposal.encr, is_aead, &EncrTransform::id);
}

// Adds what a text may leave out.
void complete(Proposal& proposal) {
  if (proposal.protocol != ProtocolId::ike) {
    if (proposal.esn.empty()) proposal.esn = {Esn::no};
    return;
  }
  if (proposal.prf.empty())
    for (const Integ integ : proposal.integ) add_once(proposal.prf, prf_like(integ));
  if (proposal.prf.empty()) proposal.prf.assign(std::begin(kDefaultPrfs), std::end(kDefaultPrfs));
  // "aes128gcm16-sha256-x25519" is a common way to name the PRF.
  if (!has_classic(proposal)) proposal.integ.clear();
}

std::expected<void, ParseFailure> check_ike(const Proposal& proposal) {
  if (proposal.encr.empty()) return failure("an IKE proposal needs an encryption algorithm");
  if (std::ranges::find(proposal.encr, Encr::null, &EncrTransform::id) != proposal.encr.end())
    return failure("IKE can't go without encryption: remove 'null'");
  if (has_classic(proposal) && proposal.integ.empty())
    return failure(fmt::format("'{}' needs an integrity algorithm beside it",
                               to_string(Proposal{proposal.protocol, proposal.encr})),
                   "sha256");
  if (proposal.ke.empty()) return failure("an IKE proposal needs a key exchange method", "x25519");
  if (std::ranges::find(proposal.ke, Ke::none) != proposal.ke.end())
    return failure("IKE can't go without a key exchange: remove 'modpnone'");
  return {};
}

std::expected<void, ParseFailure> check_esp(const Proposal& proposal) {
  if (proposal.encr.empty())
    return failure("an ESP proposal needs an encryption algorithm; 'null' for none", "aes256gcm16");
  // RFC 7296, 3.3.3
  if (has_classic(proposal) && proposal.integ.empty())
    return failure(fmt::format("'{}' needs an integrity algorithm beside it",
                               to_string(Proposal{proposal.protocol, proposal.encr})),
                   "sha256");
  if (!has_classic(proposal) && !proposal.integ.empty())
    return failure(fmt::format(
        "'{}' authenticates by itself: remove '{}'",
        to_string(Proposal{proposal.protocol, proposal.encr}),
        proposal_keyword(TransformType::integ, static_cast<std::uint16_t>(proposal.integ[0]))));
  return {};
}

std::expected<void, ParseFailure> check(const Proposal& proposal) {
  if (proposal.protocol == ProtocolId::ike) return check_ike(proposal);
  if (proposal.protocol == ProtocolId::esp) return check_esp(proposal);
  if (proposal.integ.empty())
    return failure("an AH proposal needs an integrity algorithm", "sha256");
  return {};
}

// The defaults as one proposal, for the word "default".
Proposal merged_defaults(ProtocolId protocol) {
  Proposal merged;
  for (const Proposal& part : default_proposals(protocol)) {
    if (merged.encr.empty() && merged.integ.empty()) {
      merged = part;
      continue;
    }
    merged.encr.insert(merged.encr.end(), part.encr.begin(), part.encr.end());
    merged.integ.insert(merged.integ.end(), part.integ.begin(), part.integ.end());
  }
  return merged;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

class Joiner {
 public:
  void add(TransformType type, std::uint16_t id, std::uint16_t key_bits = 0) {
    if (!text_.empty()) text_ += '-';
    text_ += proposal_keyword(type, id, key_bits);
  }
  template <class Enum>
  void add_all(TransformType type, const std::vector<Enum>& values) {
    for (const Enum value : values) add(type, static_cast<std::uint16_t>(value));
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string without_prefix(std::string_view name, std::string_view prefix, unsigned number) {
  if (name.empty()) return fmt::format("({})", number);
  return std::string(name.starts_with(prefix) ? name.substr(prefix.size()) : name);
}

}  // namespace

std::expected<Proposal, ParseFailure> parse_proposal(std::string_view text, ProtocolId protocol) {
  text = trim(text);
  if (text.empty()) return failure("the proposal is empty", "default");
  if (std::ranges::equal(text, std::string_view("default"), {}, lower))
    return merged_defaults(protocol);
  Proposal proposal{.protocol = protocol};
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find('-', start), text.size());
    CHECK_OK(add_token(proposal, text.substr(start, end - start)));
    start = end + 1;
  }
  complete(proposal);
  CHECK_OK(check(proposal));
  return proposal;
}

std::vector<Proposal> default_proposals(ProtocolId protocol) {
  const std::vector<Integ> integ(std::begin(kDefaultIntegs), std::end(kDefaultIntegs));
  Proposal aead{.protocol = protocol};
  if (protocol == ProtocolId::ike) {
    aead.prf.assign(std::begin(kDefaultPrfs), std::end(kDefaultPrfs));
    aead.ke.assign(std::begin(kDefaultKes), std::end(kDefaultKes));
  } else {
    aead.esn = {Esn::no, Esn::yes};
  }
  Proposal classic = aead;
  classic.integ = integ;
  if (protocol == ProtocolId::ah) return {classic};
  aead.encr.assign(std::begin(kDefaultAeads), std::end(kDefaultAeads));
  classic.encr.assign(std::begin(kDefaultCiphers), std::end(kDefaultCiphers));
  return {aead, classic};
}

std::string to_string(const Proposal& proposal) {
  Joiner joiner;
  for (const auto& encr : proposal.encr)
    joiner.add(TransformType::encr, static_cast<std::uint16_t>(encr.id), encr.key_bits);
  joiner.add_all(TransformType::integ, proposal.integ);
  joiner.add_all(TransformType::prf, proposal.prf);
  joiner.add_all(TransformType::ke, proposal.ke);
  if (proposal.esn != std::vector{Esn::no}) joiner.add_all(TransformType::esn, proposal.esn);
  return joiner.take();
}

std::string to_string(const Suite& suite, ProtocolId protocol) {
  Proposal proposal{.protocol = protocol};
  if (suite.cipher.encr != Encr::none)
    proposal.encr.push_back({suite.cipher.encr, suite.cipher.key_bits});
  if (suite.cipher.integ != Integ::none) proposal.integ.push_back(suite.cipher.integ);
  if (protocol == ProtocolId::ike) proposal.prf.push_back(suite.prf);
  if (suite.ke != Ke::none) proposal.ke.push_back(suite.ke);
  if (suite.esn == Esn::yes) proposal.esn.push_back(suite.esn);
  return to_string(proposal);
}

std::vector<Proposal> split_by_mode(const Proposal& proposal) {
  if (!has_aead(proposal) || !has_classic(proposal)) {
    std::vector<Proposal> whole{proposal};
    if (has_aead(proposal)) whole[0].integ.clear();
    return whole;
  }
  Proposal aead = proposal;
  Proposal classic = proposal;
  std::erase_if(aead.encr, [](const EncrTransform& encr) { return !is_aead(encr.id); });
  std::erase_if(classic.encr, [](const EncrTransform& encr) { return is_aead(encr.id); });
  aead.integ.clear();
  if (is_aead(proposal.encr.front().id)) return {aead, classic};
  return {classic, aead};
}

std::string vici_name(Encr encr) {
  switch (encr) {
    case Encr::none:
      return "NONE";
    case Encr::des:
    case Encr::triple_des:
    case Encr::cast:
    case Encr::blowfish:
      return without_prefix(name_of(encr), "ENCR_", 0) + "_CBC";
    case Encr::null_auth_aes_gmac:
      return "NULL_AES_GMAC";
    default:
      return without_prefix(name_of(encr), "ENCR_", static_cast<unsigned>(encr));
  }
}
std::string vici_name(Integ integ) {
  return without_prefix(name_of(integ), "AUTH_", static_cast<unsigned>(integ));
}
std::string vici_name(Prf prf) {
  return without_prefix(name_of(prf), "", static_cast<unsigned>(prf));
}
std::string vici_name(Ke ke) {
  if (ke == Ke::x25519) return "CURVE_25519";
  if (ke == Ke::x448) return "CURVE_448";
  return without_prefix(name_of(ke), "", static_cast<unsigned>(ke));
}

}  // namespace culvert
