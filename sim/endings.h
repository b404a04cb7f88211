// How a tunnel ends, and what must become of it then: dpd_action, close_action, inactivity, traps.
#pragma once

#include "sim/topology.h"

namespace culvert::sim {

// Ends the tunnel of draw_ending_tunnel() a few times, one way or another, on a link with faults.
// Reports what is not as its actions say under the action's name.
void run_endings(World& world, Random& random, const Topology& topology);

}  // namespace culvert::sim
