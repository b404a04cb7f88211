// What a tunnel wants of this machine as the router of its peers.
#pragma once

#include <string>
#include <vector>

#include "policy/pool.h"

namespace culvert::config {

struct GatewayRule {
  std::string tunnel;
  std::vector<AddressRange> clients;  // whose packets it is about
  bool nat = false;                   // they leave under an address of this machine
  std::uint16_t mss = 0;  // of their TCP connections at most, over IPv4; zero: left alone
  bool operator==(const GatewayRule&) const = default;
};

}  // namespace culvert::config
