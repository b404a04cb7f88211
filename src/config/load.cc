// Owns the file as a whole: its two top-level tables, and the checks across tunnels.
#include "config/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "config/authentication.h"
#include "config/child.h"
#include "config/device_name.h"
#include "config/file.h"
#include "config/gateway.h"
#include "config/overlaps.h"
#include "config/pool.h"
#include "config/radius.h"
#include "config/secrets.h"
#include "config/sim.h"
#include "config/tunnel.h"
#include "config/users.h"
#include "config/xfrm_interface.h"

namespace culvert::config {
namespace {

using namespace std::chrono_literals;

template <std::size_t N>
void read_word(TableReader& table, std::string_view key,
               const std::array<std::string_view, N>& words, std::string& to) {
  std::array<std::pair<std::string_view, std::string_view>, N> pairs;
  std::ranges::transform(words, pairs.begin(), [](auto word) { return std::pair(word, word); });
  if (const auto word = table.choice<std::string_view>(key, pairs)) to = *word;
}

template <class T>
void read_integer(TableReader& table, std::string_view key, std::int64_t min, std::int64_t max,
                  T& to) {
  if (const auto value = table.integer(key, min, max)) to = static_cast<T>(*value);
}

void read_device(TableReader& table, DaemonSettings& settings) {
  const auto device = table.text("device");
  if (!device) return;
  if (!is_device_name(device->value))
    table.report().error(device->at, fmt::format("{}: {} is not a name for a network device",
                                                 table.place("device"), in_quotes(device->value)));
  settings.device = device->value;
}

DaemonSettings read_daemon(const Member& member, Report& report) {
  DaemonSettings settings;
  const auto* content = std::get_if<Table>(&member.value.content);
  if (!content) {
    report.error(member.value.at,
                 fmt::format("'daemon': expected a table, found {}", kind_of(member.value)));
    return settings;
  }
  TableReader table(*content, "[daemon]", member.at, report);
  read_word(table, "data_plane", std::to_array<std::string_view>({"auto", "kernel", "userspace"}),
            settings.data_plane);
  read_integer(table, "ike_port", 1, 65'535, settings.ike_port);
  read_integer(table, "nat_t_port", 1, 65'535, settings.nat_t_port);
  read_integer(table, "workers", 1, kMaxWorkers, settings.workers);
  read_device(table, settings);
  read_integer(table, "mtu", 576, 65'535, settings.mtu);
  read_word(table, "log_level",
            std::to_array<std::string_view>({"error", "warning", "info", "debug", "trace"}),
            settings.log_level);
  read_word(table, "log_format", std::to_array<std::string_view>({"text", "json"}),
            settings.log_format);
  settings.nat_keepalive =
      table.duration("nat_keepalive", 0s, 3'600s).value_or(settings.nat_keepalive);
  settings.retransmit_timeout =
      table.duration("retransmit_timeout", 100ms, 60s).value_or(settings.retransmit_timeout);
  settings.retransmit_base =
      table.number("retransmit_base", 1, 4).value_or(settings.retransmit_base);
  read_integer(table, "retransmit_tries", 1, 20, settings.retransmit_tries);
  read_integer(table, "max_half_open", 1, 10'000'000, settings.max_half_open);
  read_integer(table, "cookie_threshold", 0, 10'000'000, settings.cookie_threshold);
  read_integer(table, "fragment_size", limits::kSmallFragmentSize / 2, limits::kMaxMessageSize,
               settings.fragment_size);
  if (settings.ike_port == settings.nat_t_port)
    report.error(member.at, "[daemon]: 'ike_port' and 'nat_t_port' must differ");
  table.finish();
  return settings;
}

std::vector<Tunnel> read_tunnels(const Member& member, const TunnelContext& context) {
  std::vector<Tunnel> tunnels;
  const auto* content = std::get_if<Table>(&member.value.content);
  if (!content) {
    context.report.error(member.value.at,
                         fmt::format("'tunnel': expected a table, found {}", kind_of(member.value)),
                         "write [tunnel.NAME]");
    return tunnels;
  }
  for (const Member& one : *content) tunnels.push_back(read_tunnel(one, context));
  return tunnels;
}

// Shunts stand beside tunnels under names that no tunnel has.
void read_shunts(const Member& member, std::span<const Tunnel> tunnels, Report& report,
                 std::vector<ConnectionRef>& to) {
  const auto* content = std::get_if<Table>(&member.value.content);
  if (!content)
    return report.error(member.value.at,
                        fmt::format("'shunt': expected a table, found {}", kind_of(member.value)),
                        "write [shunt.NAME]");
  std::set<std::string_view> taken;
  for (const Tunnel& tunnel : tunnels) taken.insert(tunnel.config.name);
  for (const Member& one : *content) {
    check_name("shunt", one, report);
    if (taken.contains(one.key))
      report.error(one.at, fmt::format("[shunt.{0}] has the name of [tunnel.{0}]", one.key),
                   "give it another one");
    if (auto shunt = read_shunt(one, report)) to.push_back(std::move(shunt));
  }
}

void apply(const Overrides& overrides, DaemonSettings& settings) {
  if (!overrides.device.empty()) settings.device = overrides.device;
  if (overrides.ike_port != 0) settings.ike_port = overrides.ike_port;
  if (overrides.nat_t_port != 0) settings.nat_t_port = overrides.nat_t_port;
}

// Those of the file itself, of the file it names, and of the one that the command line names.
std::vector<eap::User> read_all_users(TableReader& table, const TunnelContext& context,
                                      const std::string& file) {
  std::vector<eap::User> users;
  if (const Member* member = table.any("user")) read_users(*member, context, users);
  if (const auto name = table.text("users")) read_users_file(*name, context.report, users);
  if (!file.empty())
    read_users_file({std::filesystem::absolute(file).string(), {}}, context.report, users);
  return users;
}

Loaded read_root(const Table& root, Report& report, bool world_readable,
                 const Overrides& overrides) {
  Loaded loaded;
  TableReader table(root, "the file", {}, report);
  if (const Member* daemon = table.any("daemon")) loaded.settings = read_daemon(*daemon, report);
  apply(overrides, loaded.settings);
  const TunnelContext context{report, world_readable, loaded.settings.ike_port};
  std::vector<Tunnel> tunnels;
  if (const Member* member = table.any("tunnel")) tunnels = read_tunnels(*member, context);
  loaded.users = read_all_users(table, context, overrides.users);
  if (const Member* member = table.any("radius")) loaded.radius = read_radius(*member, context);
  if (const Member* member = table.any("sim"))
    loaded.subscribers = read_subscribers(*member, context);
  std::vector<ConnectionRef> shunts;
  if (const Member* member = table.any("shunt")) read_shunts(*member, tunnels, report, shunts);
  std::vector<LocatedPool> pools;
  if (const Member* member = table.any("pool")) pools = read_pools(*member, report);
  table.finish();
  loaded.pools = join_pools(std::move(pools), tunnels, report);
  loaded.gateway = gateway_rules(tunnels, loaded.pools, report);
  check_overlaps(tunnels, report);
  check_radius(tunnels, loaded.radius, report);
  loaded.secrets = assign_secrets(tunnels, report);
  for (const Tunnel& tunnel : tunnels)
    if (tunnel.interface)
      add_xfrm_interface(*tunnel.interface, tunnel.at, report, loaded.interfaces);
  for (const Tunnel& tunnel : tunnels)
    if (tunnel.key) loaded.keys.push_back(*tunnel.key);
  for (Tunnel& tunnel : tunnels)
    loaded.connections.push_back(
        std::make_shared<const ConnectionConfig>(std::move(tunnel.config)));
  std::ranges::move(shunts, std::back_inserter(loaded.connections));
  return loaded;
}

std::expected<Loaded, std::vector<Diagnostic>> load_contents(std::string_view text,
                                                             const std::string& path,
                                                             bool world_readable,
                                                             const Overrides& overrides) {
  Report report(path);
  auto document = parse_document(text);
  if (!document) {
    report.error(document.error().at, document.error().message);
    return std::unexpected(report.take_errors());
  }
  Loaded loaded = read_root(*document, report, world_readable, overrides);
  wipe(*document);
  if (report.has_errors()) return std::unexpected(report.take_errors());
  loaded.warnings = report.take_warnings();
  return loaded;
}

}  // namespace

std::expected<Loaded, std::vector<Diagnostic>> load(const std::string& path,
                                                    const Overrides& overrides) {
  const auto file = read_file(path, limits::kMaxConfigSize);
  if (!file) return std::unexpected(std::vector{Diagnostic{path, 0, 0, file.error(), {}}});
  return load_contents(as_text(file->octets.view()), path, file->world_readable, overrides);
}

std::expected<Loaded, std::vector<Diagnostic>> load_text(std::string_view text,
                                                         const std::string& path) {
  return load_contents(text, path, false, {});
}

}  // namespace culvert::config
