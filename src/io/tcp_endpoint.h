// Endpoints as Asio wants them for TCP.
#pragma once

#include <algorithm>
#include <asio.hpp>

#include "net/address.h"

namespace culvert::io {

inline asio::ip::tcp::endpoint tcp_endpoint(const Endpoint& endpoint) {
  if (endpoint.address.is_v4())
    return {asio::ip::address_v4(endpoint.address.v4_value()), endpoint.port};
  asio::ip::address_v6::bytes_type octets;
  std::ranges::copy(endpoint.address.bytes(), octets.begin());
  return {asio::ip::address_v6(octets), endpoint.port};
}

}  // namespace culvert::io
