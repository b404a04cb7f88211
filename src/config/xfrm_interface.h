// The xfrm_interface of a tunnel: "ipsec0", or a table with name, address, mtu and routes.
#pragma once

#include <optional>
#include <vector>

#include "config/table_reader.h"
#include "ipsec/xfrm_interface.h"

namespace culvert::config {

// Its number follows from its name, so that it stays over reloads and restarts.
std::optional<XfrmInterface> read_xfrm_interface(TableReader& table);

// Adds it to those of other tunnels. Tunnels may share one that they describe alike; a mistake is
// reported at `at`.
void add_xfrm_interface(const XfrmInterface& interface, Position at, Report& report,
                        std::vector<XfrmInterface>& all);

}  // namespace culvert::config
