// nat and clamp_mss of a tunnel: what this machine does as the router of the peers behind it.
#pragma once

#include <span>
#include <vector>

#include "config/gateway_rule.h"
#include "config/tunnel.h"

namespace culvert::config {

std::optional<GatewayWish> read_gateway(TableReader& table);
// The wishes of all tunnels, with the addresses that they are about: those of the tunnel's pools,
// else those that `remote` names. Reports tunnels that have neither.
std::vector<GatewayRule> gateway_rules(std::span<const Tunnel> tunnels,
                                       std::span<const PoolRef> pools, Report& report);

}  // namespace culvert::config
