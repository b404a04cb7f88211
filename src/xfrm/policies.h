// A policy of ours as policies of the kernel.
#pragma once

#include "xfrm/policy_book.h"

namespace culvert::xfrm {

// The SA pair that a policy sends its packets to; of a trap: one that does not exist.
struct PolicyTarget {
  IpAddress local, remote;  // outer; none: not known
  std::uint32_t spi_out = 0;
  std::uint16_t cpi_out = 0;  // with IPComp
  bool ipcomp = false;
  std::uint32_t reqid = 0;
};

// Policies in all directions. `interface` is the index of op.interface. The error is a sentence.
std::expected<std::vector<WantedPolicy>, std::string> kernel_policies(const InstallPolicy& op,
                                                                      const PolicyTarget& target,
                                                                      int interface);

}  // namespace culvert::xfrm
