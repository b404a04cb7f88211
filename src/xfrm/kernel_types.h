// Conversions between our values and the structures of <linux/xfrm.h>.
#pragma once

#include <linux/xfrm.h>
#include <sys/socket.h>

#include <cstring>

#include "net/address.h"

namespace culvert::xfrm {

inline std::uint16_t family_number(Family family) {
  return family == Family::v6 ? AF_INET6 : AF_INET;
}
inline xfrm_address_t to_kernel(const IpAddress& address) {
  xfrm_address_t result{};
  if (!address.is_none()) std::memcpy(&result, address.bytes().data(), address.size());
  return result;
}
// None when `family` is neither IPv4 nor IPv6.
inline IpAddress from_kernel(const xfrm_address_t& address, unsigned family) {
  const std::size_t size = family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
  if (size == 0) return {};
  return IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&address), size});
}

}  // namespace culvert::xfrm
