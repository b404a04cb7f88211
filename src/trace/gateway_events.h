// Events about this machine as the router of its peers.
#pragma once

#include <string>
#include <string_view>

#include "trace/info.h"

namespace culvert::trace {

struct ForwardingOn {
  static constexpr Info kInfo{"forwarding_on", Level::info, Group::knl,
                              "{family} packets are forwarded now, for `nat`; that stays so"};
  std::string_view family;
  CULVERT_FIELDS(CULVERT_FIELD(family))
};
struct GatewayFailed {
  static constexpr Info kInfo{"gateway_failed", Level::error, Group::knl,
                              "clients may not get beyond this machine: {what} {outcome}. Install "
                              "nftables, or take `nat` and "
                              "`clamp_mss` out and let a firewall of your own do it",
                              true};
  std::string what, outcome;
  CULVERT_FIELDS(CULVERT_FIELD(what), CULVERT_FIELD(outcome))
};

}  // namespace culvert::trace
