// IP addresses, prefixes, ranges and endpoints: values that compare, hash and print.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace culvert {

enum class Family : std::uint8_t { none = 0, v4 = 4, v6 = 6 };

// An IPv4 or IPv6 address in network order; the default one is "none". IPv4 uses the first 4
// octets.
class IpAddress {
 public:
  constexpr IpAddress() = default;
  static IpAddress v4(std::uint32_t host_order);
  // `octets` is 4 or 16 long; any other length is the caller's bug.
  static IpAddress from_bytes(ByteView octets);
  // "192.0.2.1" or "2001:db8::1" (RFC 5952 accepted liberally); no zone, no prefix length.
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress any(Family family);  // 0.0.0.0 or ::
  static IpAddress max(Family family);  // all ones

  Family family() const { return family_; }
  bool is_v4() const { return family_ == Family::v4; }
  bool is_v6() const { return family_ == Family::v6; }
  bool is_none() const { return family_ == Family::none; }
  bool is_unspecified() const;  // none, 0.0.0.0 or ::
  bool is_local_only() const;   // loopback or link-local: it means nothing to other machines
  std::size_t size() const { return family_ == Family::v4 ? 4 : family_ == Family::v6 ? 16 : 0; }
  int bits() const { return static_cast<int>(size()) * 8; }
  ByteView bytes() const { return {octets_.data(), size()}; }
  std::uint32_t v4_value() const { return load_be<std::uint32_t>(octets_.data()); }
  IpAddress next() const;      // plus one, wrapping
  IpAddress previous() const;  // minus one, wrapping
  std::string to_string() const;

  constexpr auto operator<=>(const IpAddress&) const = default;
  const std::array<std::uint8_t, 16>& raw() const { return octets_; }

 private:
  Family family_ = Family::none;
  std::array<std::uint8_t, 16> octets_{};
};

// Addresses with the same leading bits. Host bits are zero.
struct Prefix {
  IpAddress address;
  std::uint8_t length = 0;

  static Prefix make(IpAddress address, int length);  // clears the host bits
  static Prefix host(IpAddress address) { return make(address, address.bits()); }
  // "10.0.0.0/8", or an address alone for its host prefix. Host bits set are accepted and cleared.
  static std::optional<Prefix> parse(std::string_view text);
  bool contains(const IpAddress& other) const;
  IpAddress first() const { return address; }
  IpAddress last() const;
  std::string to_string() const;
  constexpr auto operator<=>(const Prefix&) const = default;
};

// The longest prefix that holds both (which are of one family).
Prefix enclosing_prefix(const IpAddress& a, const IpAddress& b);
// The prefix that is exactly first..last, if there is one.
std::optional<Prefix> exact_prefix(const IpAddress& first, const IpAddress& last);
// The fewest prefixes that cover exactly first..last (both of one family, first <= last).
std::vector<Prefix> cover(const IpAddress& first, const IpAddress& last);

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
  // "192.0.2.1:500", "[2001:db8::1]:500"
  std::string to_string() const;
  constexpr auto operator<=>(const Endpoint&) const = default;
};

}  // namespace culvert

template <>
struct std::hash<culvert::IpAddress> {
  std::size_t operator()(const culvert::IpAddress& address) const noexcept;
};
template <>
struct std::hash<culvert::Endpoint> {
  std::size_t operator()(const culvert::Endpoint& endpoint) const noexcept {
    return std::hash<culvert::IpAddress>{}(endpoint.address) * 31 + endpoint.port;
  }
};
