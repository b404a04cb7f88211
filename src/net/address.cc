#include "net/address.h"

#include <arpa/inet.h>

#include <charconv>

namespace culvert {

IpAddress IpAddress::v4(std::uint32_t host_order) {
  IpAddress address;
  address.family_ = Family::v4;
  store_be(address.octets_.data(), host_order);
  return address;
}

IpAddress IpAddress::from_bytes(ByteView octets) {
  assert(octets.size() == 4 || octets.size() == 16);
  IpAddress address;
  address.family_ = octets.size() == 4 ? Family::v4 : Family::v6;
  std::copy(octets.begin(), octets.end(), address.octets_.begin());
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof buffer) return std::nullopt;
  if (text.contains('\0')) return std::nullopt;  // inet_pton would stop there
  std::copy(text.begin(), text.end(), buffer);
  buffer[text.size()] = '\0';
  std::array<std::uint8_t, 16> octets{};
  if (inet_pton(AF_INET, buffer, octets.data()) == 1) return from_bytes(ByteView(octets).first(4));
  if (inet_pton(AF_INET6, buffer, octets.data()) == 1) return from_bytes(octets);
  return std::nullopt;
}

IpAddress IpAddress::any(Family family) {
  IpAddress address;
  address.family_ = family;
  return address;
}

IpAddress IpAddress::max(Family family) {
  IpAddress address = any(family);
  std::fill_n(address.octets_.begin(), address.size(), std::uint8_t{0xff});
  return address;
}

bool IpAddress::is_unspecified() const { return *this == any(family_); }

IpAddress IpAddress::next() const {
  IpAddress result = *this;
  for (std::size_t i = size(); i-- > 0;)
    if (++result.octets_[i] != 0) break;
  return result;
}

bool IpAddress::is_local_only() const {
  if (is_v4()) return octets_[0] == 127 || (octets_[0] == 169 && octets_[1] == 254);
  return *this == any(Family::v6).next() || (octets_[0] == 0xfe && (octets_[1] & 0xc0) == 0x80);
}

IpAddress IpAddress::previous() const {
  IpAddress result = *this;
  for (std::size_t i = size(); i-- > 0;)
    if (result.octets_[i]-- != 0) break;
  return result;
}

std::string IpAddress::to_string() const {
  if (is_none()) return "%any";
  char buffer[INET6_ADDRSTRLEN];
  inet_ntop(is_v4() ? AF_INET : AF_INET6, octets_.data(), buffer, sizeof buffer);
  return buffer;
}

Prefix Prefix::make(IpAddress address, int length) {
  auto octets = to_bytes(address.bytes());
  for (int bit = length; bit < address.bits(); ++bit)
    octets[static_cast<std::size_t>(bit / 8)] &= static_cast<std::uint8_t>(~(0x80u >> (bit % 8)));
  return {octets.empty() ? address : IpAddress::from_bytes(octets),
          static_cast<std::uint8_t>(length)};
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  const auto slash = text.find('/');
  auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return host(*address);
  const auto digits = text.substr(slash + 1);
  int length = -1;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  if (length < 0 || length > address->bits()) return std::nullopt;
  return make(*address, length);
}

bool Prefix::contains(const IpAddress& other) const {
  return other.family() == address.family() && make(other, length).address == address;
}

IpAddress Prefix::last() const {
  auto octets = to_bytes(address.bytes());
  for (int bit = length; bit < address.bits(); ++bit)
    octets[static_cast<std::size_t>(bit / 8)] |= static_cast<std::uint8_t>(0x80u >> (bit % 8));
  return octets.empty() ? address : IpAddress::from_bytes(octets);
}

std::string Prefix::to_string() const { return address.to_string() + "/" + std::to_string(length); }

Prefix enclosing_prefix(const IpAddress& a, const IpAddress& b) {
  int length = 0;
  while (length < a.bits()) {
    const auto octet = static_cast<std::size_t>(length / 8);
    if (((a.raw()[octet] ^ b.raw()[octet]) & (0x80u >> (length % 8))) != 0) break;
    ++length;
  }
  return Prefix::make(a, length);
}

std::optional<Prefix> exact_prefix(const IpAddress& first, const IpAddress& last) {
  const Prefix prefix = enclosing_prefix(first, last);
  if (prefix.first() != first || prefix.last() != last) return std::nullopt;
  return prefix;
}

std::vector<Prefix> cover(const IpAddress& first, const IpAddress& last) {
  std::vector<Prefix> result;
  IpAddress at = first;
  while (at.family() == last.family() && at <= last) {
    int length = at.bits();
    while (length > 0) {
      const Prefix wider = Prefix::make(at, length - 1);
      if (wider.first() != at || wider.last() > last) break;
      --length;
    }
    result.push_back(Prefix::make(at, length));
    const IpAddress end = result.back().last();
    if (end == last) break;
    at = end.next();
  }
  return result;
}

std::string Endpoint::to_string() const {
  const std::string host = address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
  return host + ":" + std::to_string(port);
}

}  // namespace culvert

std::size_t std::hash<culvert::IpAddress>::operator()(const culvert::IpAddress& a) const noexcept {
  const auto* octets = a.raw().data();
  std::uint64_t h = culvert::load_be<std::uint64_t>(octets) * 0x9e3779b97f4a7c15u;
  h ^= culvert::load_be<std::uint64_t>(octets + 8) + (h >> 29);
  return static_cast<std::size_t>(h * 0xbf58476d1ce4e5b9u + static_cast<std::uint64_t>(a.family()));
}
