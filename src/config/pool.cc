// Owns the keys of [pool.NAME], and those of [tunnel.NAME] about addresses.
#include "config/pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "config/child.h"

namespace culvert::config {
namespace {

std::vector<IpAddress> read_hosts(TableReader& table, std::string_view key) {
  std::vector<IpAddress> hosts;
  for (const LocatedText& text : table.texts(key)) {
    if (const auto host = IpAddress::parse(text.value))
      hosts.push_back(*host);
    else
      table.report().error(text.at, fmt::format("{}: {} is not an address", table.place(key),
                                                in_quotes(text.value)));
  }
  return hosts;
}

void read_subnets(TableReader& table, HostSettings& settings) {
  for (const LocatedText& text : table.texts("subnets")) {
    if (const auto subnet = Prefix::parse(text.value))
      settings.subnets.push_back(*subnet);
    else
      table.report().error(text.at, fmt::format("{}: {} is not a prefix", table.place("subnets"),
                                                in_quotes(text.value)));
  }
}

void read_domains(TableReader& table, HostSettings& settings) {
  for (const LocatedText& text : table.texts("split_dns")) {
    if (is_domain(text.value))
      settings.domains.push_back(text.value);
    else
      table.report().error(text.at, fmt::format("{}: {} is not a domain name",
                                                table.place("split_dns"), in_quotes(text.value)));
  }
}

void read_fixed(TableReader& table, PoolConfig& pool) {
  const Member* member = table.any("fixed");
  if (!member) return;
  const auto* content = std::get_if<Table>(&member->value.content);
  if (!content) return table.wrong_type("fixed", member->value, "a table of identities");
  TableReader fixed(*content, table.place("fixed"), member->at, table.report());
  std::map<IpAddress, std::string> owners;
  for (const Member& one : *content)
    for (const LocatedText& text : fixed.texts(one.key)) {
      const auto address = IpAddress::parse(text.value);
      if (!address || !pool.contains(*address)) {
        table.report().error(text.at, fmt::format("{}: {} is not one of the pool's addresses",
                                                  table.place("fixed"), in_quotes(text.value)));
      } else if (!owners.emplace(*address, one.key).second) {
        table.report().error(text.at, fmt::format("{}: {} is {}'s already", table.place("fixed"),
                                                  text.value, in_quotes(owners[*address])));
      } else {
        pool.fixed[one.key].push_back(*address);
      }
    }
}

PoolConfig read_pool(TableReader& table, const std::string& name) {
  PoolConfig pool;
  pool.name = name;
  if (!table.any("addresses"))
    table.report().error(table.at(), fmt::format("{} has no 'addresses'", table.name()),
                         "add addresses = \"10.9.0.0/24\"");
  for (const LocatedText& text : table.texts("addresses")) {
    if (const auto range = parse_address_range(text.value))
      pool.ranges.push_back(*range);
    else
      table.report().error(text.at, fmt::format("{}: {} is neither a prefix nor a range",
                                                table.place("addresses"), in_quotes(text.value)));
  }
  pool.settings.dns = read_hosts(table, "dns");
  pool.settings.nbns = read_hosts(table, "nbns");
  pool.settings.p_cscf = read_hosts(table, "p_cscf");
  read_subnets(table, pool.settings);
  read_domains(table, pool.settings);
  read_fixed(table, pool);
  table.finish();
  return pool;
}

std::optional<std::vector<IpAddress>> requested(std::string_view text) {
  if (text == "ipv4") return std::vector{IpAddress::any(Family::v4)};
  if (text == "ipv6") return std::vector{IpAddress::any(Family::v6)};
  if (const auto address = IpAddress::parse(text)) return std::vector{*address};
  return std::nullopt;
}

void read_request(TableReader& table, ConnectionConfig& config) {
  constexpr std::string_view kKey = "request_address";
  const Member* member = table.any(kKey);
  if (!member) return;
  if (const auto* wanted = std::get_if<bool>(&member->value.content)) {
    if (*wanted) config.vips = {IpAddress::any(Family::v4), IpAddress::any(Family::v6)};
    return;
  }
  for (const LocatedText& text : table.texts(kKey)) {
    if (const auto addresses = requested(text.value))
      config.vips.insert(config.vips.end(), addresses->begin(), addresses->end());
    else
      table.report().error(
          text.at,
          fmt::format("{}: {} is not an address", table.place(kKey), in_quotes(text.value)),
          "write true, \"ipv4\", \"ipv6\" or an address");
  }
  if (config.vips.size() > limits::kMaxAssignedAddresses)
    table.report().error(member->value.at,
                         fmt::format("{}: more than {} addresses", table.place(kKey),
                                     limits::kMaxAssignedAddresses));
}

// In the order of their first addresses, a range overlaps one before it when it begins within the
// one that reaches furthest.
void check_pool_overlaps(const std::vector<LocatedPool>& pools, Report& report) {
  std::vector<std::pair<AddressRange, const LocatedPool*>> ranges;
  for (const LocatedPool& pool : pools)
    for (const AddressRange& range : pool.config.ranges) ranges.emplace_back(range, &pool);
  std::ranges::sort(ranges, {}, [](const auto& one) { return one.first.first; });
  std::pair<AddressRange, const LocatedPool*> furthest;
  for (const auto& one : ranges) {
    if (furthest.second && furthest.first.contains(one.first.first))
      report.error(
          std::max(one.second->at, furthest.second->at),
          fmt::format("the pools {} and {} both have {}", in_quotes(furthest.second->config.name),
                      in_quotes(one.second->config.name), one.first.first.to_string()),
          "describe it once, as [pool.NAME], and name it in both places");
    if (!furthest.second || furthest.first.last < one.first.last) furthest = one;
  }
}

}  // namespace

void read_tunnel_addresses(TableReader& table, Tunnel& tunnel) {
  read_request(table, tunnel.config);
  for (const LocatedText& text : table.texts("pool")) {
    if (const auto range = parse_address_range(text.value)) {
      if (!tunnel.pool) tunnel.pool = {{.name = tunnel.config.name}, text.at};
      tunnel.pool->config.ranges.push_back(*range);
    } else {
      tunnel.pool_names.push_back(text);
    }
  }
  const auto dns = read_hosts(table, "dns");
  if (tunnel.pool)
    tunnel.pool->config.settings.dns = dns;
  else if (const Member* member = table.any("dns"))
    table.report().error(member->value.at, table.place("dns") + " needs addresses in 'pool'",
                         "set 'dns' in [pool.NAME]");
}

std::vector<LocatedPool> read_pools(const Member& member, Report& report) {
  std::vector<LocatedPool> pools;
  const auto* content = std::get_if<Table>(&member.value.content);
  if (!content) {
    report.error(member.value.at,
                 fmt::format("'pool': expected a table, found {}", kind_of(member.value)),
                 "write [pool.NAME]");
    return pools;
  }
  for (const Member& one : *content) {
    check_name("pool", one, report);
    const auto* inner = std::get_if<Table>(&one.value.content);
    if (!inner) {
      report.error(one.value.at,
                   fmt::format("{} in [pool]: expected a table, found {}", in_quotes(one.key),
                               kind_of(one.value)),
                   "write [pool.NAME]");
      continue;
    }
    TableReader reader(*inner, fmt::format("[pool.{}]", one.key), one.at, report);
    pools.push_back({read_pool(reader, one.key), one.at});
  }
  return pools;
}

std::vector<PoolRef> join_pools(std::vector<LocatedPool>&& named, std::vector<Tunnel>& tunnels,
                                Report& report) {
  named.reserve(named.size() + tunnels.size());  // `names` are views of theirs
  std::vector<std::string_view> names;
  for (const LocatedPool& pool : named) names.push_back(pool.config.name);
  const std::size_t known = names.size();
  for (Tunnel& tunnel : tunnels) {
    if (tunnel.pool) {
      tunnel.config.pools.push_back(tunnel.config.name);
      if (std::ranges::find(names, tunnel.config.name) != names.end())
        report.error(tunnel.pool->at,
                     fmt::format("'pool' in {} gets the name of [pool.{}]", tunnel.table(),
                                 tunnel.config.name),
                     "give that pool another name");
      named.push_back(*tunnel.pool);
    }
    for (const LocatedText& name : tunnel.pool_names) {
      tunnel.config.pools.push_back(name.value);
      const auto* end = names.data() + known;
      if (std::find(static_cast<const std::string_view*>(names.data()), end, name.value) == end)
        report.error(name.at,
                     fmt::format("'pool' in {}: {} is neither a prefix nor a range, and there is "
                                 "no such [pool.NAME]",
                                 tunnel.table(), in_quotes(name.value)),
                     did_you_mean(nearest(name.value, names)));
    }
  }
  check_pool_overlaps(named, report);
  std::vector<PoolRef> pools;
  for (LocatedPool& pool : named)
    pools.push_back(std::make_shared<const PoolConfig>(std::move(pool.config)));
  return pools;
}

}  // namespace culvert::config
