// [radius] or [radius.NAME]: AAA services of one or more RADIUS servers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/radius_service.h"
#include "config/tunnel.h"

namespace culvert::config {

// "radius" or "radius.NAME", as `eap` says it: the service's name.
std::optional<std::string> radius_service(std::string_view text);
std::vector<RadiusService> read_radius(const Member& member, const TunnelContext& context);
// Reports tunnels whose service is not there.
void check_radius(const std::vector<Tunnel>& tunnels, const std::vector<RadiusService>& services,
                  Report& report);

}  // namespace culvert::config
