#include "config/gateway.h"

#include <fmt/format.h>

#include <algorithm>

namespace culvert::config {
namespace {

// What is left of 1500 octets by IPv6, UDP, ESP, an inner IPv4 and TCP, rounded down.
constexpr std::uint16_t kMss = 1'360;
constexpr std::int64_t kSmallestMss = 536, kLargestMss = 8'960;  // RFC 9293, 3.7.1; jumbo frames

// true, false or a number; with `nat` it is on.
std::uint16_t read_mss(TableReader& table, bool nat) {
  const Member* member = table.any("clamp_mss");
  if (!member) return nat ? kMss : 0;
  if (const auto* wanted = std::get_if<bool>(&member->value.content)) return *wanted ? kMss : 0;
  const auto size = table.integer("clamp_mss", kSmallestMss, kLargestMss);
  return static_cast<std::uint16_t>(size.value_or(0));
}

std::vector<AddressRange> clients_of(const Tunnel& tunnel, std::span<const PoolRef> pools) {
  std::vector<AddressRange> ranges;
  for (const std::string& name : tunnel.config.pools) {
    const auto pool =
        std::ranges::find_if(pools, [&name](const PoolRef& one) { return one->name == name; });
    if (pool == pools.end()) continue;  // reported where it is named
    ranges.insert(ranges.end(), (*pool)->ranges.begin(), (*pool)->ranges.end());
  }
  if (!ranges.empty()) return ranges;
  for (const ChildConfig& child : tunnel.config.children)
    for (const SelectorConfig& remote : child.remote)
      if (!remote.dynamic) ranges.push_back({remote.selector.first, remote.selector.last});
  return ranges;
}

}  // namespace

std::optional<GatewayWish> read_gateway(TableReader& table) {
  GatewayWish wish;
  wish.nat = table.boolean("nat").value_or(false);
  wish.mss = read_mss(table, wish.nat);
  if (!wish.nat && wish.mss == 0) return std::nullopt;
  wish.at = table.any(wish.nat ? "nat" : "clamp_mss")->value.at;
  return wish;
}

std::vector<GatewayRule> gateway_rules(std::span<const Tunnel> tunnels,
                                       std::span<const PoolRef> pools, Report& report) {
  std::vector<GatewayRule> rules;
  for (const Tunnel& tunnel : tunnels) {
    if (!tunnel.gateway) continue;
    rules.push_back(
        {tunnel.config.name, clients_of(tunnel, pools), tunnel.gateway->nat, tunnel.gateway->mss});
    if (rules.back().clients.empty())
      report.error(
          tunnel.gateway->at,
          fmt::format("{}: the addresses of the peers are not known", tunnel.table()),
          "add pool = \"10.9.0.0/24\" for their addresses, or 'remote' for those they have");
  }
  return rules;
}

}  // namespace culvert::config
