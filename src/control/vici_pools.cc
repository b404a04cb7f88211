// Pools of addresses over the control socket: load-pool, unload-pool, get-pools, with the sections
// and values of charon.
#include <fmt/format.h>

#include <algorithm>

#include "control/vici_commands.h"
#include "control/vici_values.h"

namespace culvert::vici {
namespace {

using Outcome = std::expected<void, std::string>;

template <class T>
Outcome read_list(const List& values, std::vector<T>& to,
                  std::optional<T> (*parse)(std::string_view), std::string_view form) {
  for (const std::string& value : values) {
    auto parsed = parse(value);
    if (!parsed) return std::unexpected(fmt::format("{} is not {}", quoted(value), form));
    to.push_back(std::move(*parsed));
  }
  return {};
}

std::optional<std::string> parse_domain(std::string_view text) {
  return is_domain(text) ? std::optional(std::string(text)) : std::nullopt;
}

// Attributes of the configuration payload, by strongSwan's names or their numbers.
Outcome set_attribute(std::string_view name, const List& values, HostSettings& to) {
  constexpr std::string_view kAddress = "an address";
  if (name == "dns" || name == "3" || name == "10")
    return read_list(values, to.dns, IpAddress::parse, kAddress);
  if (name == "nbns" || name == "4" || name == "9")
    return read_list(values, to.nbns, IpAddress::parse, kAddress);
  if (name == "p_cscf" || name == "20" || name == "21")
    return read_list(values, to.p_cscf, IpAddress::parse, kAddress);
  if (name == "subnet" || name == "13" || name == "15")
    return read_list(values, to.subnets, Prefix::parse, "a subnet");
  if (name == "25") return read_list(values, to.domains, parse_domain, "a domain name");
  return std::unexpected("not an attribute that Culvert assigns");
}

List values_of(const Element& element) {
  if (const auto* list = std::get_if<List>(&element.value)) return *list;
  if (const auto* value = std::get_if<std::string>(&element.value)) return {*value};
  return {};
}

std::expected<PoolRef, std::string> read_pool(const Element& element) {
  const auto* section = std::get_if<Section>(&element.value);
  if (section == nullptr || element.name.empty() || !is_printable(element.name))
    return std::unexpected("load-pool takes sections, each named like its pool");
  auto pool = std::make_shared<PoolConfig>();
  pool->name = element.name;
  for (const Element& one : section->elements()) {
    const List values = values_of(one);
    const Outcome read = one.name == "addrs" ? read_list(values, pool->ranges, parse_address_range,
                                                         "a subnet or a range")
                                             : set_attribute(one.name, values, pool->settings);
    if (!read)
      return std::unexpected(fmt::format("invalid value for: {}.{}, pool discarded: {}",
                                         element.name, printable(one.name), read.error()));
  }
  if (pool->ranges.empty())
    return std::unexpected(fmt::format("missing addrs for pool {}", quoted(element.name)));
  return pool;
}

}  // namespace

void Commands::load_pool(Message& request, const ReplyRef& reply) {
  for (const Element& element : request.elements()) {
    auto pool = read_pool(element);
    if (!pool) return reply->respond(failure(pool.error()));
    if (!pools_.contains(element.name) && backend_.leases().find(element.name))
      return reply->respond(
          failure(fmt::format("pool {} is of the configuration file", quoted(element.name))));
    if (const auto loaded = backend_.load_pool(*pool); !loaded)
      return reply->respond(failure(loaded.error()));
    pools_.insert(element.name);
  }
  reply->respond(success());
}

void Commands::unload_pool(Message& request, const ReplyRef& reply) {
  const std::string name(request.get("name"));
  if (name.empty()) return reply->respond(failure("missing pool name"));
  if (!pools_.contains(name))
    return reply->respond(failure(
        fmt::format("{} {}", quoted(name),
                    backend_.leases().find(name) ? "is of the configuration file" : "not found")));
  if (const auto unloaded = backend_.unload_pool(name); !unloaded)
    return reply->respond(failure(unloaded.error()));
  pools_.erase(name);
  reply->respond(success());
}

void Commands::get_pools(Message& request, const ReplyRef& reply) {
  const std::string name(request.get("name"));
  const bool with_leases = parse_bool(request.get("leases")).value_or(false);
  Message answer;
  for (const PoolStatus& pool : backend_.leases().pools()) {
    if (!name.empty() && name != pool.name) continue;
    Section& section = answer.add_section(pool.name);
    section.add("base", pool.base.to_string())
        .add("size", fmt::format("{}", pool.size))
        .add("online", fmt::format("{}", pool.online))
        .add("offline", fmt::format("{}", pool.offline));
    if (!with_leases) continue;
    Section& leases = section.add_section("leases");
    std::size_t number = 0;
    for (const LeaseStatus& lease : backend_.leases().leases(pool.name))
      leases.add_section(fmt::format("{}", number++))
          .add("address", lease.address.to_string())
          .add("identity", lease.identity)
          .add("status", lease.online ? "online" : "offline");
  }
  reply->respond(std::move(answer));
}

}  // namespace culvert::vici
