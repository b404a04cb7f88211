// Addresses for peers, and from them: [pool.NAME], and the keys of [tunnel.NAME] about addresses.
#pragma once

#include <vector>

#include "config/tunnel.h"

namespace culvert::config {

// pool, dns: what peers get. request_address: what we ask the peer for.
void read_tunnel_addresses(TableReader& table, Tunnel& tunnel);
std::vector<LocatedPool> read_pools(const Member& member, Report& report);
// All pools of the file, after checking that tunnels name ones that there are, and that no address
// is in two of them.
std::vector<PoolRef> join_pools(std::vector<LocatedPool>&& named, std::vector<Tunnel>& tunnels,
                                Report& report);

}  // namespace culvert::config
