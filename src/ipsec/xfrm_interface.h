// What the operator wants of an XFRM interface.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/address.h"

namespace culvert {

// An interface of the kernel that leads what is routed to it to the policies with its number.
struct XfrmInterface {
  struct Address {
    IpAddress address;
    std::uint8_t length = 0;  // of its prefix
    bool operator==(const Address&) const = default;
  };
  std::string name;
  std::uint32_t if_id = 0;
  std::vector<Address> addresses;
  std::uint32_t mtu = 0;  // zero: the kernel's choice
  bool routes = true;     // lead there what the policies protect
  bool operator==(const XfrmInterface&) const = default;

  // Numbers that Culvert chooses, away from what people do.
  static constexpr std::uint32_t kFirstNumber = 0x4300'0000, kLastNumber = 0x43ff'ffff;
};

}  // namespace culvert
