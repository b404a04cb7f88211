// The questions that are asked when a run has come to rest.
#pragma once

#include <string>
#include <vector>

#include "sim/world.h"

namespace culvert::sim {

// Empty when each SA that one host has is matched by the peer's: same SPIs, keys, cipher, mirrored
// selectors; when every data plane holds exactly the SAs that its shard lists; and when every
// established IKE SA is known to two hosts, in opposite roles. Else what does not fit.
std::vector<std::string> disagreements(const World& world);

// Empty when the host keeps nothing: no SA, policy or SPI, and nothing to wait for.
std::vector<std::string> leftovers(World& world, std::size_t host);

// True when the host has an established IKE SA of the connection with an installed CHILD SA of
// this name.
// IKE SAs and CHILD SAs of a connection beside those that do.
std::vector<std::string> duplicates(const Host& host, const std::string& connection, TimePoint now);

bool child_is_up(const Host& host, const std::string& connection, const std::string& child,
                 TimePoint now);

}  // namespace culvert::sim
