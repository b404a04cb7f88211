// Owns the text form of identities and the matching of patterns.
// Invariant: parse_identity(to_string(id)) matches id exactly, and what to_string prints is
// printable whatever a peer sent.
#include "policy/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/limits.h"
#include "policy/distinguished_name.h"

namespace culvert {
namespace {

using wire::IdType;
using namespace std::string_view_literals;

struct TypePrefix {
  std::string_view text;
  IdType type;
};
// The first prefix of a type is the one we print. All are strongSwan's.
constexpr TypePrefix kPrefixes[] = {
    {"ipv4:", IdType::ipv4_addr},
    {"ipv6:", IdType::ipv6_addr},
    {"fqdn:", IdType::fqdn},
    {"dns:", IdType::fqdn},
    {"email:", IdType::rfc822_addr},
    {"rfc822:", IdType::rfc822_addr},
    {"userfqdn:", IdType::rfc822_addr},
    {"asn1dn:", IdType::der_asn1_dn},
    {"asn1gn:", IdType::der_asn1_gn},
    {"keyid:", IdType::key_id},
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return lower(c); });
  return out;
}

bool is_graphic(std::string_view text) {  // printable ASCII without the space
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}
bool is_printable(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7f; });
}
bool is_name(IdType type) { return type == IdType::fqdn || type == IdType::rfc822_addr; }

std::optional<Bytes> from_hex(std::string_view hex) {
  if (hex.empty() || hex.size() % 2 != 0) return std::nullopt;
  Bytes out(hex.size() / 2);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::string_view digits = hex.substr(2 * i, 2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + 2, out[i], 16);
    if (error != std::errc{} || end != digits.data() + 2) return std::nullopt;
  }
  return out;
}
std::string to_hex(ByteView bytes) { return fmt::format("{:02x}", fmt::join(bytes, "")); }

std::optional<Identity> make(IdType type, Bytes data) {
  if (data.size() > limits::kMaxIdentitySize) return std::nullopt;
  if (type == IdType::ipv4_addr && data.size() != 4) return std::nullopt;
  if (type == IdType::ipv6_addr && data.size() != 16) return std::nullopt;
  return Identity{type, std::move(data)};
}
std::optional<Identity> make(IdType type, std::string_view text) {
  return make(type, to_bytes(as_bytes(text)));
}
std::optional<Identity> make_hex(IdType type, std::string_view hex) {
  auto data = from_hex(hex);
  return data ? make(type, std::move(*data)) : std::nullopt;
}

// The text after a type prefix.
std::optional<Identity> parse_as(IdType type, std::string_view text) {
  if (text.starts_with('#')) return make_hex(type, text.substr(1));
  if (type == IdType::ipv4_addr || type == IdType::ipv6_addr) {
    const auto address = IpAddress::parse(text);
    if (!address || identity_of(*address).type != type) return std::nullopt;
    return identity_of(*address);
  }
  if (type == IdType::der_asn1_dn) {
    auto der = encode_name(text);
    return der ? make(type, std::move(*der)) : std::nullopt;
  }
  if (!is_printable(text)) return std::nullopt;
  return make(type, text);
}

// "{11}:text" and "{11}:#hex"
std::optional<Identity> parse_numbered(std::string_view text) {
  unsigned number = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data() + 1, end, number);
  const std::string_view rest(at, end);
  if (error != std::errc{} || number > 255 || !rest.starts_with("}:")) return std::nullopt;
  return parse_as(IdType{static_cast<std::uint8_t>(number)}, rest.substr(2));
}

// Text without "=" and "@".
std::optional<Identity> parse_host(std::string_view text) {
  if (const auto address = IpAddress::parse(text)) return identity_of(*address);
  // What looks like an address and is none is a mistake, not a name.
  if (text.find_first_not_of("0123456789.") == std::string_view::npos) return std::nullopt;
  if (!text.contains(':')) return make(IdType::fqdn, text);
  if (text.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos)
    return std::nullopt;
  return make(IdType::key_id, text);
}

std::optional<std::string> plain_text(const Identity& identity) {
  const std::string_view text = as_text(identity.data);
  switch (identity.type) {
    case IdType::ipv4_addr:
    case IdType::ipv6_addr:
      if (identity.data.size() != (identity.type == IdType::ipv4_addr ? 4u : 16u))
        return std::nullopt;
      return IpAddress::from_bytes(identity.data).to_string();
    case IdType::der_asn1_dn:
      return name_to_string(identity.data);
    default:
      if (!is_printable(text)) return std::nullopt;
      return std::string(text);
  }
}

bool same(const std::optional<Identity>& parsed, const Identity& identity) {
  return parsed && index_key(*parsed) == index_key(identity);
}

// '*' stands for any characters, '?' for one. Time is at most the product of the lengths.
bool glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', std::min(p, pattern.size())) == std::string_view::npos;
}

int match_name(const Identity& pattern, const Identity& identity) {
  const std::string text = lower(as_text(identity.data));
  // No name holds a NUL; one that does was made to deceive.
  if (text.contains('\0')) return 0;
  const std::string wanted = lower(as_text(pattern.data));
  if (!glob(wanted, text)) return 0;
  const auto literals = std::ranges::count_if(wanted, [](char c) { return c != '*' && c != '?'; });
  return std::min(kAnyMatch + 1 + static_cast<int>(literals), kExactMatch - 1);
}

// Relative names match in any order: each attribute of the pattern has one of the same type to
// itself, those with wildcards whichever the others leave.
int match_dn(const Identity& pattern, const Identity& identity) {
  auto wanted = decode_name(pattern.data);
  auto name = decode_name(identity.data);
  if (!wanted || !name || wanted->size() != name->size()) return 0;
  std::ranges::partition(*wanted, [](const NameAttribute& a) { return !a.is_wildcard(); });
  int wildcards = 0;
  for (const NameAttribute& a : *wanted) {
    const auto at = std::ranges::find_if(*name, [&a](const NameAttribute& b) {
      return a.oid == b.oid && a.joined == b.joined &&
             (a.is_wildcard() || canonical_value(a) == canonical_value(b));
    });
    if (at == name->end()) return 0;
    name->erase(at);
    wildcards += a.is_wildcard();
  }
  return kExactMatch - 1 - wildcards;
}

std::optional<std::string> canonical_dn(ByteView der) {
  const auto name = decode_name(der);
  if (!name) return std::nullopt;
  std::string key;
  for (const auto& attribute : *name) {
    const std::string value = canonical_value(attribute);
    key +=
        fmt::format("{}{}:{}:", attribute.joined ? '+' : ',', attribute.oid.size(), value.size());
    key += as_text(attribute.oid);
    key += value;
  }
  return key;
}

}  // namespace

std::optional<Identity> parse_identity(std::string_view text) {
  if (text.empty()) return std::nullopt;
  for (const std::string_view any : {"%any"sv, "%any4"sv, "%any6"sv, "*"sv, "0.0.0.0"sv, "::"sv})
    if (text == any) return Identity{};
  const std::string folded = lower(text.substr(0, 16));
  for (const auto& prefix : kPrefixes)
    if (folded.starts_with(prefix.text))
      return parse_as(prefix.type, text.substr(prefix.text.size()));
  if (text.starts_with('{')) return parse_numbered(text);
  if (text.starts_with("@#")) return make_hex(IdType::key_id, text.substr(2));
  if (text.starts_with("@@")) {
    if (!is_graphic(text.substr(2))) return std::nullopt;
    return make(IdType::rfc822_addr, text.substr(2));
  }
  if (text.starts_with('@')) {
    if (!is_graphic(text.substr(1))) return std::nullopt;
    return make(IdType::fqdn, text.substr(1));
  }
  if (text.contains('=')) return parse_as(IdType::der_asn1_dn, text);
  if (!is_graphic(text)) return std::nullopt;
  if (text.contains('@')) return make(IdType::rfc822_addr, text);
  return parse_host(text);
}

std::string to_string(const Identity& identity) {
  if (identity.is_any()) return "%any";
  const auto plain = plain_text(identity);
  if (plain && same(parse_identity(*plain), identity)) return *plain;
  const auto* prefix = std::ranges::find(kPrefixes, identity.type, &TypePrefix::type);
  if (identity.type == IdType::key_id && !plain) return "@#" + to_hex(identity.data);
  if (prefix == std::end(kPrefixes))
    return fmt::format("{{{}}}:#{}", static_cast<unsigned>(identity.type), to_hex(identity.data));
  std::string prefixed = std::string(prefix->text) + plain.value_or("");
  if (plain && same(parse_identity(prefixed), identity)) return prefixed;
  return fmt::format("{}#{}", prefix->text, to_hex(identity.data));
}

Identity identity_of(const IpAddress& address) {
  if (address.is_none()) return {};
  return {address.is_v4() ? IdType::ipv4_addr : IdType::ipv6_addr, to_bytes(address.bytes())};
}

Identity identity_of(const wire::Identification& payload) { return {payload.type, payload.data}; }

wire::Identification to_wire(const Identity& identity) {
  return {.type = identity.type, .data = identity.data};
}

bool is_pattern(const Identity& identity) {
  if (identity.is_any()) return true;
  if (is_name(identity.type))
    return as_text(identity.data).find_first_of("*?") != std::string_view::npos;
  if (identity.type != IdType::der_asn1_dn) return false;
  const auto name = decode_name(identity.data);
  return name && std::ranges::any_of(*name, &NameAttribute::is_wildcard);
}

int match(const Identity& pattern, const Identity& identity) {
  if (pattern.is_any()) return kAnyMatch;
  if (pattern.type != identity.type) return 0;
  const bool literal = !is_pattern(pattern);
  if (literal && index_key(pattern) == index_key(identity)) return kExactMatch;
  if (pattern.type == IdType::der_asn1_dn) return match_dn(pattern, identity);
  if (literal) return 0;
  return match_name(pattern, identity);
}

std::string index_key(const Identity& identity) {
  std::string key(1, static_cast<char>(identity.type));
  const std::string_view text = as_text(identity.data);
  if (is_name(identity.type)) return key + lower(text);
  // No name that is malformed may look like the key of one that is not.
  if (identity.type == IdType::der_asn1_dn) {
    const auto canonical = canonical_dn(identity.data);
    return canonical ? key + 'n' + *canonical : key + 'm' + std::string(text);
  }
  return key + std::string(text);
}

}  // namespace culvert
