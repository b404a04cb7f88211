// Owns the keys of [tunnel.NAME] and [tunnel.NAME.child.CHILD] and their defaults.
#include "config/tunnel.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/authentication.h"
#include "config/child.h"
#include "config/gateway.h"
#include "config/pool.h"
#include "config/xfrm_interface.h"

namespace culvert::config {
namespace {

using namespace std::chrono_literals;

constexpr auto kKeepWords = std::to_array<Words<Keep>>(
    {{"up", Keep::up}, {"demand", Keep::demand}, {"passive", Keep::passive}});
constexpr auto kEncapWords = std::to_array<Words<Encap>>(
    {{"auto", Encap::automatic}, {"always", Encap::always}, {"never", Encap::never}});
constexpr auto kChildlessWords = std::to_array<Words<Childless>>({{"allow", Childless::allow},
                                                                  {"prefer", Childless::prefer},
                                                                  {"force", Childless::force},
                                                                  {"never", Childless::never}});
constexpr auto kUniqueWords = std::to_array<Words<Unique>>({{"no", Unique::no},
                                                            {"never", Unique::never},
                                                            {"keep", Unique::keep},
                                                            {"replace", Unique::replace}});

constexpr Duration kDefaultDpd = 30s;
constexpr Duration kDefaultIkeRekey = 4h;

// ---- values made of text ----

bool has_kind(const std::vector<AddressPattern>& patterns, AddressPattern::Kind kind) {
  return std::ranges::find(patterns, kind, &AddressPattern::kind) != patterns.end();
}

std::vector<AddressPattern> read_addresses(TableReader& table, std::string_view key) {
  std::vector<AddressPattern> patterns;
  for (const auto& text : table.texts(key)) {
    if (text.value == "any") {
      patterns.emplace_back();
    } else if (auto pattern = parse_address_pattern(text.value)) {
      patterns.push_back(std::move(*pattern));
    } else {
      table.report().error(text.at,
                           fmt::format("{}: {} is not an address, a prefix, a range or a host name",
                                       table.place(key), in_quotes(text.value)));
    }
  }
  // Any address makes the others superfluous, and an empty list means any.
  if (has_kind(patterns, AddressPattern::Kind::any)) patterns.clear();
  return patterns;
}

// ---- CHILD SAs ----

Position position_of_remote(TableReader& table) {
  const Member* remote = table.any("remote");
  return remote ? remote->value.at : table.at();
}

void read_children(TableReader& table, Keep keep, Tunnel& tunnel) {
  ChildConfig whole = read_child(table, default_child(keep));
  const Position whole_remote_at = position_of_remote(table);
  const Member* member = table.any("child");
  const auto* children = member ? std::get_if<Table>(&member->value.content) : nullptr;
  if (member && !children) table.wrong_type("child", member->value, "a table");
  if (!children) {
    whole.name = tunnel.config.name;
    tunnel.config.children.push_back(std::move(whole));
    tunnel.remote_at.push_back(whole_remote_at);
    return;
  }
  for (const Member& one : *children) {
    check_name("CHILD SA", one, table.report());
    const auto* content = std::get_if<Table>(&one.value.content);
    if (!content) {
      table.wrong_type("child." + one.key, one.value, "a table");
      continue;
    }
    TableReader reader(*content, fmt::format("[tunnel.{}.child.{}]", tunnel.config.name, one.key),
                       one.at, table.report());
    ChildConfig child = read_child(reader, whole);
    child.name = one.key;
    tunnel.config.children.push_back(std::move(child));
    const bool own_remote = reader.any("remote") != nullptr;
    tunnel.remote_at.push_back(own_remote ? position_of_remote(reader) : one.at);
    reader.finish();
  }
  if (children->size() > limits::kMaxChildrenPerIkeSa)
    table.report().error(member->at, fmt::format("{}: more than {} CHILD SAs", table.name(),
                                                 limits::kMaxChildrenPerIkeSa));
}

// ---- the tunnel ----

void read_peer(TableReader& table, ConnectionConfig& config) {
  config.remote_addrs = read_addresses(table, "peer");
  // Users who log in may be anywhere.
  if (!table.any("peer") && !table.any("eap"))
    table.report().error(table.at(), fmt::format("{} has no 'peer'", table.name()),
                         "add peer = \"ADDRESS\", or peer = \"any\" to accept every address");
  if (const auto port = table.integer("peer_port", 1, 65'535))
    config.remote_port = static_cast<std::uint16_t>(*port);
}

void read_local_address(TableReader& table, ConnectionConfig& config) {
  config.local_addrs = read_addresses(table, "local_address");
  if (has_kind(config.local_addrs, AddressPattern::Kind::host_name))
    table.report().error(table.any("local_address")->value.at,
                         table.place("local_address") + ": a host name is not an address of ours");
}

// Whom we could call: an address, or a name that stands for one.
bool can_initiate(const ConnectionConfig& config) {
  return std::ranges::any_of(config.remote_addrs, [](const AddressPattern& pattern) {
    return pattern.is_single() || pattern.kind == AddressPattern::Kind::host_name;
  });
}

Keep read_keep(TableReader& table, ConnectionConfig& config) {
  const Keep keep = table.choice<Keep>("keep", kKeepWords).value_or(Keep::passive);
  if (keep != Keep::passive && table.any("peer") && !can_initiate(config))
    table.report().error(
        table.any("keep")->value.at,
        table.place("keep") + ": there is nobody to call, 'peer' names no single address",
        "give 'peer' an address or a host name, or set keep = \"passive\"");
  config.keep_up = keep == Keep::up;
  if (config.keep_up) config.keyingtries = 0;
  return keep;
}

// An IKE SA that could not be rekeyed or authenticated again lives for a tenth longer.
void read_times(TableReader& table, ConnectionConfig& config) {
  config.dpd_delay = table.duration("dpd", 0s, 24h).value_or(kDefaultDpd);
  config.rekey_time =
      table.duration("ike_rekey", kShortestRekey, kLongestRekey).value_or(kDefaultIkeRekey);
  config.reauth_time = table.duration("reauth", kShortestRekey, kLongestRekey).value_or(0s);
  const bool both = config.reauth_time > 0s;
  const auto shorter = both ? std::min(config.rekey_time, config.reauth_time) : config.rekey_time;
  config.over_time = config.rand_time = shorter / 10;
}

// RFC 7383: true, false, or "accept" to take fragments without sending any.
void read_fragmentation(TableReader& table, ConnectionConfig& config) {
  const Member* member = table.any("fragmentation");
  if (!member) return;
  if (const auto* wanted = std::get_if<bool>(&member->value.content)) {
    config.fragmentation = *wanted ? Fragmentation::yes : Fragmentation::no;
    return;
  }
  const auto* word = std::get_if<std::string>(&member->value.content);
  if (!word || *word != "accept")
    return table.wrong_type("fragmentation", member->value, "true, false or \"accept\"");
  config.fragmentation = Fragmentation::accept;
}

// RFC 2474 and the names of RFC 2597 and RFC 3246: 46, "ef", "cs6", "af21".
std::optional<std::uint8_t> parse_dscp(std::string_view name) {
  const auto digit = [&](std::size_t at, char last) {
    return name[at] >= '0' && name[at] <= last ? name[at] - '0' : -1;
  };
  if (name == "ef") return 46;
  if (name.size() == 3 && name.starts_with("cs") && digit(2, '7') >= 0)
    return static_cast<std::uint8_t>(8 * digit(2, '7'));
  if (name.size() == 4 && name.starts_with("af") && digit(2, '4') > 0 && digit(3, '3') > 0)
    return static_cast<std::uint8_t>(8 * digit(2, '4') + 2 * digit(3, '3'));
  return std::nullopt;
}

void read_dscp(TableReader& table, ConnectionConfig& config) {
  const Member* member = table.any("dscp");
  if (!member) return;
  const auto* name = std::get_if<std::string>(&member->value.content);
  if (!name) {
    config.dscp = static_cast<std::uint8_t>(table.integer("dscp", 0, 63).value_or(0));
    return;
  }
  const auto value = parse_dscp(*name);
  if (!value)
    table.report().error(member->value.at,
                         fmt::format("{}: {} is not a DSCP", table.place("dscp"), in_quotes(*name)),
                         "write a number from 0 to 63, \"ef\", \"cs0\" to \"cs7\" or \"af11\" to "
                         "\"af43\"");
  config.dscp = value.value_or(0);
}

}  // namespace

Tunnel read_tunnel(const Member& member, const TunnelContext& context) {
  Tunnel tunnel{.at = member.at};
  tunnel.config.name = member.key;
  check_name("tunnel", member, context.report);
  const auto* content = std::get_if<Table>(&member.value.content);
  if (!content) {
    context.report.error(member.value.at,
                         fmt::format("{} in [tunnel]: expected a table, found {}",
                                     in_quotes(member.key), kind_of(member.value)),
                         "each tunnel has a table of its own, [tunnel.NAME]");
    return tunnel;
  }
  TableReader table(*content, tunnel.table(), member.at, context.report);
  ConnectionConfig& config = tunnel.config;
  config.local_port = context.ike_port;
  table.integer("version", 2, 2);
  read_peer(table, config);
  read_local_address(table, config);
  read_authentication(table, context, tunnel);
  config.proposals = read_proposals(table, "ike", wire::ProtocolId::ike);
  config.encap = table.choice<Encap>("encap", kEncapWords).value_or(Encap::automatic);
  read_times(table, config);
  read_fragmentation(table, config);
  read_dscp(table, config);
  config.mobike = table.boolean("mobike").value_or(true);
  config.childless =
      table.choice<Childless>("childless", kChildlessWords).value_or(Childless::allow);
  config.unique = table.choice<Unique>("unique", kUniqueWords).value_or(Unique::no);
  read_tunnel_addresses(table, tunnel);
  tunnel.gateway = read_gateway(table);
  tunnel.interface = read_xfrm_interface(table);
  if (tunnel.interface) config.if_id_in = config.if_id_out = tunnel.interface->if_id;
  read_children(table, read_keep(table, config), tunnel);
  table.finish();
  return tunnel;
}

}  // namespace culvert::config
