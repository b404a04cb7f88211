// Conversions between our values and the structures of <linux/xfrm.h>.
#pragma once

#include <libmnl/libmnl.h>
#include <linux/xfrm.h>
#include <sys/socket.h>

#include <cstring>

#include "net/address.h"

namespace culvert::xfrm {

// The structure that follows a message's header. Netlink aligns it to four octets, the compiler's
// idea of it may be eight.
template <class T>
void put_body(nlmsghdr* message, const T& body) {
  std::memcpy(mnl_nlmsg_put_extra_header(message, sizeof body), &body, sizeof body);
}

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
