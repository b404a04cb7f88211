#include "io/interfaces.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <memory>

namespace culvert::io {
namespace {

IpAddress address_of(const sockaddr* address) {
  if (address == nullptr) return {};
  if (address->sa_family == AF_INET) {
    const auto& octets = reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
    return IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&octets), 4});
  }
  if (address->sa_family != AF_INET6) return {};
  const auto& octets = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  return IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&octets), 16});
}

}  // namespace

std::string interface_of(const IpAddress& address) {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(first, &::freeifaddrs);
  for (const ifaddrs* one = first; one != nullptr; one = one->ifa_next)
    if (address_of(one->ifa_addr) == address) return one->ifa_name;
  return {};
}

}  // namespace culvert::io
