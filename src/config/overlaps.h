// Finds tunnels that claim the same traffic.
#pragma once

#include <span>

#include "config/tunnel.h"

namespace culvert::config {

// An error where two CHILD SAs have the same remote and the same local selector, a warning where
// they only overlap. "dynamic" is compared with "dynamic" alone: its address isn't known here.
void check_overlaps(std::span<const Tunnel> tunnels, Report& report);

}  // namespace culvert::config
