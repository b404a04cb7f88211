// Conversions between addresses and the socket API's structures.
#include "esp/socket_address.h"

namespace culvert::esp {

in_addr to_in_addr(const IpAddress& address) {
  in_addr result{};
  if (address.is_v4()) std::memcpy(&result, address.raw().data(), sizeof result);
  return result;
}
in6_addr to_in6_addr(const IpAddress& address) {
  in6_addr result{};
  if (address.is_v6()) std::memcpy(&result, address.raw().data(), sizeof result);
  return result;
}
IpAddress from_in_addr(const in_addr& address) {
  return IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&address), sizeof address});
}
IpAddress from_in6_addr(const in6_addr& address) {
  return IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&address), sizeof address});
}

socklen_t to_sockaddr(const Endpoint& from, sockaddr_storage& to) {
  to = {};
  if (from.address.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(to);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(from.port);
    v4.sin_addr = to_in_addr(from.address);
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(to);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(from.port);
  v6.sin6_addr = to_in6_addr(from.address);
  return sizeof v6;
}

Endpoint from_sockaddr(const sockaddr_storage& from) {
  if (from.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(from);
    return {from_in_addr(v4.sin_addr), ntohs(v4.sin_port)};
  }
  if (from.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
    return {from_in6_addr(v6.sin6_addr), ntohs(v6.sin6_port)};
  }
  return {};
}

}  // namespace culvert::esp
