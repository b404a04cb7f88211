// Owns the text of address ranges and the merging of settings.
#include "policy/pool.h"

#include <algorithm>
#include <limits>

namespace culvert {
namespace {

template <class T>
void merge(std::vector<T>& to, const std::vector<T>& from) {
  for (const T& one : from)
    if (std::ranges::find(to, one) == to.end()) to.push_back(one);
}

std::uint64_t low_half(const IpAddress& address) {
  return address.is_v4() ? address.v4_value() : load_be<std::uint64_t>(address.raw().data() + 8);
}
std::uint64_t high_half(const IpAddress& address) {
  return address.is_v4() ? 0 : load_be<std::uint64_t>(address.raw().data());
}

}  // namespace

std::uint64_t AddressRange::size() const {
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  const bool borrows = low_half(last) < low_half(first);
  const std::uint64_t high = high_half(last) - high_half(first) - (borrows ? 1 : 0);
  const std::uint64_t low = low_half(last) - low_half(first);
  return high != 0 || low == kMost ? kMost : low + 1;
}

std::optional<AddressRange> parse_address_range(std::string_view text) {
  if (const auto dash = text.find('-'); dash != text.npos) {
    const auto first = IpAddress::parse(text.substr(0, dash));
    const auto last = IpAddress::parse(text.substr(dash + 1));
    if (!first || !last || first->family() != last->family() || *last < *first) return std::nullopt;
    return AddressRange{*first, *last};
  }
  const auto prefix = Prefix::parse(text);
  if (!prefix) return std::nullopt;
  AddressRange range{prefix->first(), prefix->last()};
  if (range.size() > 2) range = {range.first.next(), range.last.previous()};
  return range;
}

void HostSettings::merge(const HostSettings& other) {
  culvert::merge(dns, other.dns);
  culvert::merge(nbns, other.nbns);
  culvert::merge(p_cscf, other.p_cscf);
  culvert::merge(subnets, other.subnets);
  culvert::merge(domains, other.domains);
}

bool is_domain(std::string_view text) {
  constexpr std::size_t kMaxName = 253, kMaxLabel = 63;  // RFC 1035, 2.3.4
  if (text.empty() || text.size() > kMaxName) return false;
  std::size_t label = 0;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool other = (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (c == '.' ? label == 0 : !letter && !other) return false;
    if (c == '-' && label == 0) return false;
    label = c == '.' ? 0 : label + 1;
    if (label > kMaxLabel) return false;
  }
  return label != 0;
}

bool PoolConfig::contains(const IpAddress& address) const {
  return std::ranges::any_of(ranges,
                             [&](const AddressRange& range) { return range.contains(address); });
}

}  // namespace culvert
