// The pre-shared keys of all tunnels, each with the identities it belongs to.
#pragma once

#include <span>
#include <vector>

#include "config/tunnel.h"

namespace culvert::config {

// A key belongs to the tunnel's remote_id and local_id. Without remote_id it belongs to the peer's
// addresses and host names, and to a peer of any other identity where no other tunnel's key could
// be meant. Reports tunnels with different keys that could not be told apart.
std::vector<SharedSecret> assign_secrets(std::span<const Tunnel> tunnels, Report& report);

}  // namespace culvert::config
