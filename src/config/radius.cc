// Invariant: a service has a server and a secret, and is as the file says or not at all.
#include "config/radius.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "config/child.h"
#include "config/file.h"
#include "config/secret_text.h"

namespace culvert::config {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kAuthenticationPort = 1812;
constexpr std::uint16_t kAccountingPort = 1813;
constexpr std::uint16_t kRadsecPort = 2083;
constexpr std::uint16_t kDynamicPort = 3799;
constexpr std::size_t kMaxServers = 16;

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

// "192.0.2.1", "192.0.2.1:1812", "2001:db8::1", "[2001:db8::1]:1812".
std::optional<Endpoint> parse_server(std::string_view text, std::uint16_t usual_port) {
  if (const auto address = IpAddress::parse(text)) return Endpoint{*address, usual_port};
  const auto colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  const auto port = parse_port(text.substr(colon + 1));
  if (!address || !port) return std::nullopt;
  return Endpoint{*address, *port};
}

void read_servers(TableReader& table, RadiusService& service) {
  const std::uint16_t usual = service.tls ? kRadsecPort : kAuthenticationPort;
  for (const auto& text : table.texts("servers")) {
    const auto endpoint = parse_server(text.value, usual);
    if (!endpoint) {
      table.report().error(
          text.at,
          fmt::format("{}: {} is no server", table.place("servers"), in_quotes(text.value)),
          "write an address, or \"ADDRESS:PORT\"");
      continue;
    }
    RadiusServer server{*endpoint, *endpoint};
    // RADIUS over TLS has one port for everything (RFC 6614, 2.1).
    if (!service.tls)
      server.accounting.port = endpoint->port == kAuthenticationPort
                                   ? kAccountingPort
                                   : static_cast<std::uint16_t>(endpoint->port + 1);
    service.servers.push_back(server);
  }
  if (!table.any("servers"))
    table.report().error(table.at(), fmt::format("{} has no 'servers'", table.name()),
                         "add servers = [\"ADDRESS\"]");
  if (service.servers.size() > kMaxServers)
    table.report().error(
        table.any("servers")->value.at,
        fmt::format("{}: more than {} servers", table.place("servers"), kMaxServers));
}

void read_tls(TableReader& table, RadiusService& service) {
  if (!table.any("ca") && !table.any("cert") && !table.any("key")) return;
  RadiusTls tls;
  const auto certificates = [&table](std::string_view key, std::vector<CertificateData>& to) {
    const auto name = table.text(key);
    if (name)
      to = read_certificates(*name, table.report());
    else
      table.report().error(table.at(), fmt::format("{} has no '{}'", table.name(), key),
                           "RADIUS over TLS needs 'ca', 'cert' and 'key'");
  };
  certificates("ca", tls.ca);
  certificates("cert", tls.cert);
  if (const auto key = table.text("key"))
    tls.key = beside(table.report().file(), key->value);
  else
    table.report().error(table.at(), fmt::format("{} has no 'key'", table.name()),
                         "RADIUS over TLS needs 'ca', 'cert' and 'key'");
  if (const auto name = table.text("server_name")) tls.server_name = name->value;
  service.tls = std::move(tls);
}

void read_shared_secret(TableReader& table, const TunnelContext& context, RadiusService& service) {
  const Member* member = table.any("secret");
  if (member) {
    service.secret = read_secret(table, *member, "RADIUS secret", context);
    return;
  }
  // RFC 6614, 2.3
  if (service.tls)
    service.secret = SecretBytes(as_bytes("radsec"));
  else
    table.report().error(table.at(), fmt::format("{} has no 'secret'", table.name()),
                         "add secret = { file = \"…\" }, the one that the server has for us");
}

// `true`, or a table with other clients than the servers.
void read_dynamic(TableReader& table, RadiusService& service) {
  const Member* member = table.any("dynamic_authorization");
  if (!member) return;
  DynamicAuthorization dynamic{{IpAddress::parse("0.0.0.0").value(), kDynamicPort}, {}};
  for (const RadiusServer& server : service.servers)
    dynamic.clients.push_back(server.authentication.address);
  if (const auto* wanted = std::get_if<bool>(&member->value.content)) {
    if (*wanted) service.dynamic = std::move(dynamic);
    return;
  }
  const auto* inner = std::get_if<Table>(&member->value.content);
  if (!inner)
    return table.wrong_type("dynamic_authorization", member->value,
                            "true or { clients = [\"…\"] }");
  TableReader reader(*inner, table.place("dynamic_authorization"), member->value.at,
                     table.report());
  const auto clients = reader.texts("clients");
  if (!clients.empty()) dynamic.clients.clear();
  for (const auto& text : clients)
    if (const auto address = IpAddress::parse(text.value))
      dynamic.clients.push_back(*address);
    else
      table.report().error(text.at, fmt::format("{}: {} is no address", reader.place("clients"),
                                                in_quotes(text.value)));
  if (const auto text = reader.text("listen")) {
    if (const auto endpoint = parse_server(text->value, kDynamicPort))
      dynamic.listen = *endpoint;
    else
      table.report().error(text->at, fmt::format("{}: {} is no address", reader.place("listen"),
                                                 in_quotes(text->value)));
  }
  reader.finish();
  service.dynamic = std::move(dynamic);
}

RadiusService read_service(std::string name, const Table& content, Position at,
                           const TunnelContext& context) {
  RadiusService service;
  service.name = std::move(name);
  TableReader table(content, service.table(), at, context.report);
  read_tls(table, service);
  read_servers(table, service);
  read_shared_secret(table, context, service);
  service.timeout = table.duration("timeout", 100ms, 30s).value_or(service.timeout);
  service.tries = static_cast<unsigned>(table.integer("tries", 1, 10).value_or(service.tries));
  service.dead_time = table.duration("dead_time", 1s, 24h).value_or(service.dead_time);
  if (const auto identifier = table.text("nas_identifier"))
    service.nas_identifier = identifier->value;
  service.accounting = table.boolean("accounting").value_or(false);
  if (const auto interim = table.duration("interim", 60s, 24h))
    service.interim = std::chrono::duration_cast<std::chrono::seconds>(*interim);
  read_dynamic(table, service);
  table.finish();
  return service;
}

}  // namespace

bool RadiusService::operator==(const RadiusService& other) const {
  const auto settings = [](const RadiusService& one) {
    return std::tie(one.name, one.servers, one.timeout, one.tries, one.dead_time,
                    one.nas_identifier, one.accounting, one.interim, one.dynamic, one.tls);
  };
  return settings(*this) == settings(other) &&
         equal_constant_time(secret.view(), other.secret.view());
}

std::optional<std::string> radius_service(std::string_view text) {
  constexpr std::string_view kRadius = "radius";
  if (!text.starts_with(kRadius)) return std::nullopt;
  text.remove_prefix(kRadius.size());
  if (text.empty()) return std::string();
  if (text.front() != '.') return std::nullopt;
  return std::string(text.substr(1));
}

std::vector<RadiusService> read_radius(const Member& member, const TunnelContext& context) {
  const auto* content = std::get_if<Table>(&member.value.content);
  if (!content) {
    context.report.error(member.value.at,
                         fmt::format("'radius': expected a table, found {}", kind_of(member.value)),
                         "write [radius]");
    return {};
  }
  const auto is_table = [](const Member& one) {
    return std::holds_alternative<Table>(one.value.content) && one.key != "secret" &&
           one.key != "dynamic_authorization";
  };
  std::vector<RadiusService> services;
  if (content->empty() || !std::ranges::all_of(*content, is_table)) {
    services.push_back(read_service({}, *content, member.at, context));
    return services;
  }
  for (const Member& one : *content) {
    check_name("radius", one, context.report);
    services.push_back(read_service(one.key, std::get<Table>(one.value.content), one.at, context));
  }
  return services;
}

void check_radius(const std::vector<Tunnel>& tunnels, const std::vector<RadiusService>& services,
                  Report& report) {
  for (const Tunnel& tunnel : tunnels) {
    const auto& wanted = tunnel.config.remote.aaa;
    if (!wanted) continue;
    const bool is_there =
        wanted->empty()
            ? services.size() == 1
            : std::ranges::find(services, *wanted, &RadiusService::name) != services.end();
    if (is_there) continue;
    if (wanted->empty() && !services.empty())
      report.error(tunnel.at,
                   fmt::format("{} leaves open which RADIUS service decides", tunnel.table()),
                   fmt::format("write eap = \"radius.{}\"", services.front().name));
    else
      report.error(tunnel.at,
                   fmt::format("{} uses RADIUS, and there is no [radius{}{}]", tunnel.table(),
                               wanted->empty() ? "" : ".", *wanted),
                   "add it, with 'servers' and 'secret'");
  }
}

}  // namespace culvert::config
