// Invariant: a prefix has one route as long as any policy wants it. The kernel passes by itself
// what a policy passes whole; where policies look at local addresses, protocols or ports, or
// disagree about a prefix, packets come to the device, and the worker decides each.
#include "esp/routes.h"

#include <fmt/format.h>
#include <algorithm>
#include <cerrno>
#include <cstring>

namespace culvert::esp {
namespace {

constexpr int kMaxLeftoverRules = 16;

// Whether a policy passes all that goes to its remote addresses, whoever sends it.
bool passes_whole(const InstallPolicy& policy) {
  const auto all = [](const TrafficSelector& selector) {
    return selector.protocol == 0 && selector.start_port == 0 && selector.end_port == 65'535;
  };
  const auto everyone = [&](const TrafficSelector& selector) {
    const Family family = selector.first.family();
    return all(selector) && selector.first == IpAddress::any(family) &&
           selector.last == IpAddress::max(family);
  };
  return policy.mode == Mode::pass && std::ranges::all_of(policy.remote_ts, all) &&
         std::ranges::all_of(policy.local_ts, everyone);
}

}  // namespace

std::vector<Prefix> prefixes_of(const std::vector<TrafficSelector>& selectors) {
  std::vector<Prefix> prefixes;
  for (const TrafficSelector& selector : selectors) {
    if (selector.first.is_none() || selector.last < selector.first) continue;
    for (const Prefix& prefix : cover(selector.first, selector.last)) prefixes.push_back(prefix);
  }
  std::ranges::sort(prefixes);
  prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
  return prefixes;
}

std::expected<std::unique_ptr<RouteTable>, std::string> RouteTable::make(
    const RouteOptions& options) {
  auto netlink = Netlink::open();
  if (!netlink) return std::unexpected(std::move(netlink.error()));
  std::unique_ptr<RouteTable> table(new RouteTable(std::move(*netlink), options));
  table->netlink_.flush_table(options.table);
  for (const Family family : {Family::v4, Family::v6}) {
    const Rule rule{family, options.mark, options.table, options.rule_priority};
    for (int i = 0; i < kMaxLeftoverRules && table->netlink_.delete_rule(rule) == 0; ++i) {
    }
    const int error = table->netlink_.add_rule(rule);
    if (error == 0) continue;
    if (family == Family::v4)
      return std::unexpected(
          fmt::format("cannot add a routing rule (ip rule): {}", std::strerror(error)));
    table->has_v6_ = false;
  }
  return table;
}

RouteTable::~RouteTable() {
  netlink_.flush_table(options_.table);
  for (const Family family : {Family::v4, Family::v6})
    if (family_present(family))
      netlink_.delete_rule({family, options_.mark, options_.table, options_.rule_priority});
}

int RouteTable::place(Route route) {
  const int error = netlink_.replace_route(route);
  // A hint is not worth the route: IPv6 addresses are refused while they are tentative.
  if (error != EINVAL || route.source.is_none()) return error;
  route.source = {};
  return netlink_.replace_route(route);
}

int RouteTable::acquire(const Route& route) {
  const bool thrown = route.kind == Route::Kind::throw_on;
  const auto found = uses_.find(route.destination);
  const bool stands = found != uses_.end() && (thrown || found->second.through != 0);
  if (!stands)
    if (const int error = place(route)) return error;
  Use& use = uses_[route.destination];
  ++(thrown ? use.thrown : use.through);
  return 0;
}

void RouteTable::release(const Prefix& prefix, Route::Kind kind) {
  const auto found = uses_.find(prefix);
  if (found == uses_.end()) return;
  Use& use = found->second;
  --(kind == Route::Kind::throw_on ? use.thrown : use.through);
  if (use.through != 0) return;
  if (use.thrown != 0) {
    if (kind == Route::Kind::device) place({prefix, options_.table, Route::Kind::throw_on, 0, {}});
    return;
  }
  netlink_.delete_route({prefix, options_.table, kind, 0, {}});
  uses_.erase(found);
}

Result<> RouteTable::add(const InstallPolicy& policy, const Netlink::NextHop& through) {
  Held held{{}, passes_whole(policy) ? Route::Kind::throw_on : Route::Kind::device};
  for (const Prefix& prefix : prefixes_of(policy.remote_ts)) {
    const Family family = prefix.address.family();
    if (!family_present(family)) continue;
    const IpAddress source = own_addresses_.one_within(policy.local_ts, family);
    const int error =
        acquire({prefix, options_.table, held.kind, through.device, source, through.gateway});
    if (error == EACCES && family == Family::v6) continue;  // IPv6 is switched off (disable_ipv6)
    if (error != 0) {
      for (const Prefix& taken : held.prefixes) release(taken, held.kind);
      return fail(Fault::internal, Reason::system);
    }
    held.prefixes.push_back(prefix);
  }
  policies_[policy.policy] = std::move(held);
  return {};
}

void RouteTable::remove(PolicyId policy) {
  const auto found = policies_.find(policy);
  if (found == policies_.end()) return;
  for (const Prefix& prefix : found->second.prefixes) release(prefix, found->second.kind);
  policies_.erase(found);
}

}  // namespace culvert::esp
