// Owns address patterns and look-ups within one connection.
// Invariant: parse_address_pattern(to_string(p)) == p.
#include "policy/connection.h"

#include <algorithm>

namespace culvert {
namespace {

constexpr std::size_t kMaxHostName = 253;  // RFC 1035, 2.3.4, without the root

bool is_label(std::string_view label) {
  const auto is_letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::ranges::all_of(label,
                             [&](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; });
}

// RFC 1123, 2.1: the last label is not all digits, so that no mistaken address passes for a name.
bool is_host_name(std::string_view text) {
  if (text.size() > kMaxHostName) return false;
  const auto last_label = text.substr(text.rfind('.') + 1);
  if (last_label.find_first_not_of("0123456789") == std::string_view::npos) return false;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find('.', start), text.size());
    if (!is_label(text.substr(start, end - start))) return false;
    start = end + 1;
  }
  return true;
}

AddressPattern range(const IpAddress& first, const IpAddress& last) {
  return {.kind = AddressPattern::Kind::range, .first = first, .last = last};
}
AddressPattern whole(Family family) {
  return range(IpAddress::any(family), IpAddress::max(family));
}

}  // namespace

bool AddressPattern::matches(const IpAddress& address) const {
  // What a host name stands for is not known here: identities tell peers apart then.
  if (kind != Kind::range) return true;
  return address.family() == first.family() && first <= address && address <= last;
}

std::optional<AddressPattern> parse_address_pattern(std::string_view text) {
  if (text == "%any") return AddressPattern{};
  if (text == "%any4" || text == "0.0.0.0") return whole(Family::v4);
  if (text == "%any6" || text == "::") return whole(Family::v6);
  if (const auto prefix = Prefix::parse(text)) return range(prefix->first(), prefix->last());
  const auto dash = text.find('-');
  if (const auto first = IpAddress::parse(text.substr(0, dash))) {
    if (dash == std::string_view::npos) return std::nullopt;
    const auto last = IpAddress::parse(text.substr(dash + 1));
    if (!last || last->family() != first->family() || *last < *first) return std::nullopt;
    return range(*first, *last);
  }
  if (!is_host_name(text)) return std::nullopt;
  return AddressPattern{.kind = AddressPattern::Kind::host_name, .host_name = std::string(text)};
}

std::string to_string(const AddressPattern& pattern) {
  if (pattern.kind == AddressPattern::Kind::any) return "%any";
  if (pattern.kind == AddressPattern::Kind::host_name) return pattern.host_name;
  // "0.0.0.0" and "::" alone mean any address.
  if (pattern.is_single() && !pattern.first.is_unspecified()) return pattern.first.to_string();
  if (const auto prefix = exact_prefix(pattern.first, pattern.last)) return prefix->to_string();
  return pattern.first.to_string() + "-" + pattern.last.to_string();
}

const ChildConfig* ConnectionConfig::child(std::string_view child_name) const {
  const auto found = std::ranges::find(children, child_name, &ChildConfig::name);
  return found == children.end() ? nullptr : &*found;
}

bool ConnectionConfig::has_only_shunts() const {
  return !children.empty() && std::ranges::all_of(children, &ChildConfig::is_shunt);
}

}  // namespace culvert
