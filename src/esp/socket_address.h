// Endpoints as the socket calls want them.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "net/address.h"

namespace culvert::esp {

// Fills `to` and returns the length of what is in it.
socklen_t to_sockaddr(const Endpoint& from, sockaddr_storage& to);
Endpoint from_sockaddr(const sockaddr_storage& from);

in_addr to_in_addr(const IpAddress& address);
in6_addr to_in6_addr(const IpAddress& address);
IpAddress from_in_addr(const in_addr& address);
IpAddress from_in6_addr(const in6_addr& address);

}  // namespace culvert::esp
