// Addresses in the form of the socket functions, and back.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "net/address.h"

namespace culvert::io {

struct SocketName {
  sockaddr_storage storage{};
  socklen_t size = 0;
  explicit SocketName(const IpAddress& address, std::uint16_t port = 0) {
    if (address.is_v4()) {
      auto& name = reinterpret_cast<sockaddr_in&>(storage);
      name.sin_family = AF_INET;
      name.sin_port = htons(port);
      std::memcpy(&name.sin_addr, address.bytes().data(), 4);
      size = sizeof(name);
    } else {
      auto& name = reinterpret_cast<sockaddr_in6&>(storage);
      name.sin6_family = AF_INET6;
      name.sin6_port = htons(port);
      std::memcpy(&name.sin6_addr, address.bytes().data(), 16);
      size = sizeof(name);
    }
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

inline IpAddress address_of(const sockaddr* name) {
  if (name->sa_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(*name);
    return IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&v4.sin_addr), 4});
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(*name);
  return IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&v6.sin6_addr), 16});
}

}  // namespace culvert::io
