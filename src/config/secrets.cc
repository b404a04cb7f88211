// Owns the choice of owners for pre-shared keys.
// Invariant: no two keys that differ have the same owners.
#include "config/secrets.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace culvert::config {
namespace {

// Whom a peer is likely to say it is when nobody configured that: its address, or its name.
std::optional<Identity> usual_identity(const AddressPattern& pattern) {
  if (pattern.is_single()) return identity_of(pattern.first);
  if (pattern.kind != AddressPattern::Kind::host_name) return std::nullopt;
  return Identity{wire::IdType::fqdn, to_bytes(as_bytes(pattern.host_name))};
}

// Empty when the tunnel doesn't say who its peers are.
std::vector<Identity> peer_identities(const ConnectionConfig& config) {
  if (!config.remote.id.is_any()) return {config.remote.id};
  std::vector<Identity> identities;
  for (const AddressPattern& pattern : config.remote_addrs) {
    auto identity = usual_identity(pattern);
    if (!identity) return {};
    identities.push_back(std::move(*identity));
  }
  return identities;
}

using Owners = std::set<std::string>;

class Assignment {
 public:
  Assignment(std::span<const Tunnel> tunnels, Report& report)
      : tunnels_(tunnels), report_(report) {}

  std::vector<SharedSecret> run() {
    for (const Tunnel& tunnel : tunnels_)
      if (!tunnel.psk.empty()) assign(tunnel, peer_identities(tunnel.config), "psk");
    assign_to_any_peer();
    return std::move(secrets_);
  }

 private:
  void assign(const Tunnel& tunnel, std::vector<Identity> owners, std::string_view what) {
    if (!tunnel.config.local.id.is_any()) owners.push_back(tunnel.config.local.id);
    Owners key;
    for (const Identity& owner : owners) key.insert(index_key(owner));
    const auto [other, added] = by_owners_.emplace(std::move(key), &tunnel);
    if (!added) return report_conflict(tunnel, *other->second);
    secrets_.push_back({fmt::format("{} {} {}", report_.file(), tunnel.table(), what),
                        tunnel.psk.clone(), std::move(owners)});
  }

  void report_conflict(const Tunnel& tunnel, const Tunnel& other) {
    if (equal_constant_time(tunnel.psk.view(), other.psk.view())) return;
    report_.error(tunnel.psk_at,
                  fmt::format("the pre-shared keys of {} and {} (line {}) differ, but nothing "
                              "tells their peers apart",
                              tunnel.table(), other.table(), other.at.line),
                  "set 'remote_id' in both");
  }

  // Peers behind a NAT say they are addresses that we don't know. Where all tunnels that accept any
  // identity have one key, it is the one such a peer has.
  void assign_to_any_peer() {
    std::map<std::string, std::vector<const Tunnel*>> by_local_id;
    for (const Tunnel& tunnel : tunnels_)
      if (!tunnel.psk.empty() && tunnel.config.remote.id.is_any())
        by_local_id[index_key(tunnel.config.local.id)].push_back(&tunnel);
    for (const auto& [local_id, tunnels] : by_local_id) {
      const bool one_key = std::ranges::all_of(tunnels, [&](const Tunnel* tunnel) {
        return equal_constant_time(tunnel->psk.view(), tunnels.front()->psk.view());
      });
      if (one_key) assign(*tunnels.front(), {}, "psk for any identity");
    }
  }

  std::span<const Tunnel> tunnels_;
  Report& report_;
  std::map<Owners, const Tunnel*> by_owners_;
  std::vector<SharedSecret> secrets_;
};

}  // namespace

std::vector<SharedSecret> assign_secrets(std::span<const Tunnel> tunnels, Report& report) {
  return Assignment(tunnels, report).run();
}

}  // namespace culvert::config
