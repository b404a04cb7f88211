// The Linux kernel's data plane: its SAD and SPD (XFRM) do the work.
#pragma once

#include <memory>

#include "ipsec/data_plane.h"

namespace culvert::xfrm {

struct KernelPlaneOptions {
  std::uint16_t ike_port = 500;
  std::uint16_t nat_t_port = 4500;
  std::uint32_t route_table = 4501;    // our routes live there
  std::uint32_t rule_priority = 4501;  // of the rule "packets without our mark look there"
  std::uint32_t mark = 0x4501;         // on our sockets, and on what the kernel's ESP sends
};

// Runs on the control thread alone; notice_fd() is readable when IKE messages or events wait, and
// take_notices() serves both.
class KernelPlane : public DataPlane {
 public:
  // Fails with a sentence that says what could not be done.
  static std::expected<std::unique_ptr<KernelPlane>, std::string> start(
      const KernelPlaneOptions& options, IkeSink sink);
  // Whether this kernel takes an ESP SA, by adding one and deleting it. The error is the kernel's.
  static std::expected<void, std::string> probe();
  // Destruction removes every SA and policy, the routes and rules.
};

}  // namespace culvert::xfrm
