// The userspace data plane: ESP between a TUN device and UDP or raw sockets (RFC 4303, RFC 3948).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ipsec/data_plane.h"

namespace culvert::esp {

struct PlaneOptions {
  std::string device = "culvert0";
  unsigned workers = 1;
  std::uint32_t route_table = 4501;    // our routes live there
  std::uint32_t rule_priority = 4501;  // of the rule "packets without our mark look there"
  std::uint32_t mark = 0x4501;  // on our own sockets, so that IKE and ESP never loop into the TUN
  std::uint16_t ike_port = 500;
  std::uint16_t nat_t_port = 4500;
  unsigned mtu = 0;  // 0: from the outer path
};

// The plane owns every socket on the two IKE ports (IPv4 and IPv6), because ESP shares one of them,
// and hands what is not ESP to the control thread.
class UserspacePlane : public DataPlane {
 public:
  // The sink is called from a worker thread: it copies and returns.
  // Creates the device, rules and sockets and starts the workers. Fails with a sentence that says
  // what could not be done ("cannot bind UDP port 500: address in use").
  static std::expected<std::unique_ptr<UserspacePlane>, std::string> start(const PlaneOptions&,
                                                                           IkeSink);
  // Destruction stops the workers and removes device, routes and rules.
};

}  // namespace culvert::esp
