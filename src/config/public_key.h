// The keys `public_key` and `peer_public_key` of a tunnel: raw public keys (RFC 7670).
#pragma once

#include "config/tunnel.h"

namespace culvert::config {

// Puts the public keys that the table names into the tunnel's sides; our own needs 'key' as well.
void read_public_keys(TableReader& table, Tunnel& tunnel);

}  // namespace culvert::config
