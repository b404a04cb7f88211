// culvert init server.
#include "cli/init_command.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>

#include "cli/json.h"
#include "cli/programs.h"
#include "cli/server_files.h"
#include "cli/service_unit.h"
#include "cli/text.h"
#include "config/table_reader.h"
#include "policy/traffic_selector.h"

namespace culvert::cli {
namespace {

namespace fs = std::filesystem;
using config::in_quotes;
using vici::Message;

constexpr const char* kFolder = "/etc/culvert";
constexpr const char* kUnitFile = "/etc/systemd/system/culvertd.service";
constexpr std::string_view kDaemonOfUnit = "/usr/sbin/culvertd";
constexpr int kFewestClients = 2;  // bits: a pool for fewer than four is a mistake

struct InitArguments {
  std::string name, folder = kFolder, nat;
  std::vector<std::string> pools = {"10.9.0.0/24"}, dns, local;
  bool certificates = false, force = false, renew = false, no_service = false;
};

// ---- what is asked for ----

Outcome<Identity> identity_of_name(const std::string& name) {
  const auto identity = parse_identity(name);
  const bool good = identity && !is_pattern(*identity) &&
                    (identity->type == wire::IdType::fqdn || IpAddress::parse(name));
  if (good) return *identity;
  return std::unexpected(fmt::format(
      "{} is no host name and no address: give the one that clients connect to", in_quotes(name)));
}

Outcome<> check_pools(const std::vector<std::string>& pools) {
  for (const std::string& pool : pools) {
    const auto prefix = Prefix::parse(pool);
    if (!prefix)
      return std::unexpected(
          fmt::format("{} is no network: write --pool 10.9.0.0/24", in_quotes(pool)));
    if (prefix->address.bits() - prefix->length < kFewestClients)
      return std::unexpected(fmt::format("{} has no room for clients", in_quotes(pool)));
  }
  return {};
}

Outcome<> check_dns(const std::vector<std::string>& servers) {
  for (const std::string& server : servers)
    if (!IpAddress::parse(server))
      return std::unexpected(
          fmt::format("{} is not the address of a DNS server", in_quotes(server)));
  return {};
}

// Everything, of the kinds of addresses that clients get, unless the operator says what.
Outcome<std::vector<std::string>> local_of(const InitArguments& arguments) {
  for (const std::string& local : arguments.local)
    if (!parse_selector(local))
      return std::unexpected(
          fmt::format("{} is no network: write --local 10.1.0.0/16", in_quotes(local)));
  if (!arguments.local.empty()) return arguments.local;
  std::vector<std::string> all;
  for (const auto& [family, everything] :
       {std::pair(Family::v4, "0.0.0.0/0"), std::pair(Family::v6, "::/0")})
    if (std::ranges::any_of(arguments.pools, [family](const std::string& pool) {
          return Prefix::parse(pool)->address.family() == family;
        }))
      all.emplace_back(everything);
  return all;
}

Outcome<ServerPlan> plan_of(const InitArguments& arguments) {
  ServerPlan plan{.folder = arguments.folder,
                  .name = arguments.name,
                  .pools = arguments.pools,
                  .dns = arguments.dns,
                  .certificates = arguments.certificates,
                  .force = arguments.force,
                  .renew = arguments.renew};
  plan.identity = TRY(identity_of_name(arguments.name));
  CHECK_OK(check_pools(plan.pools));
  CHECK_OK(check_dns(plan.dns));
  plan.local = TRY(local_of(arguments));
  // Clients reach the world through this machine's address; hosts of its own networks know a way
  // back to the pool.
  plan.nat = arguments.nat.empty() ? arguments.local.empty() : arguments.nat == "yes";
  return plan;
}

// ---- the service ----

bool has_unit() {
  return std::ranges::any_of(std::to_array({kUnitFile, "/usr/lib/systemd/system/culvertd.service",
                                            "/lib/systemd/system/culvertd.service"}),
                             [](const char* file) { return access(file, F_OK) == 0; });
}

Outcome<> install_unit() {
  if (has_unit()) return {};
  const std::string daemon = find_culvertd();
  if (daemon.empty()) return std::unexpected("culvertd is not installed: there is no service");
  std::string text = kServiceUnit;
  for (std::size_t at = 0; (at = text.find(kDaemonOfUnit, at)) != std::string::npos;
       at += daemon.size())
    text.replace(at, kDaemonOfUnit.size(), daemon);
  return write_octets({.path = kUnitFile}, as_bytes(text), false);
}

Outcome<> start_service() {
  CHECK_OK(install_unit());
  CHECK_OK(run_program({"systemctl", "daemon-reload"}));
  CHECK_OK(run_program({"systemctl", "enable", "culvertd.service"}));
  return run_program({"systemctl", "restart", "culvertd.service"});
}

bool wants_service(const InitArguments& arguments) {
  return !arguments.no_service && arguments.folder == kFolder &&
         access("/run/systemd/system", F_OK) == 0;
}

// ---- what is said ----

void print_files(std::span<const MadeFile> files) {
  std::size_t width = 0;
  for (const MadeFile& file : files) width = std::max(width, file.path.size());
  for (const MadeFile& file : files)
    fmt::print("{}  {:<{}}  {}\n", file.is_new ? "made " : "there", file.path, width, file.what);
}

std::string config_option(const ServerPlan& plan) {
  return plan.folder == kFolder ? std::string()
                                : fmt::format(" --config {}/culvert.toml", plan.folder);
}

std::vector<std::string> next_commands(const ServerPlan& plan, bool runs) {
  std::vector<std::string> next;
  const std::string config = config_option(plan);
  if (!runs) next.push_back("culvertd" + config);
  if (!plan.certificates) next.push_back("culvert user add NAME" + config);
  next.push_back(fmt::format("culvert profile NAME --for apple|android|windows|linux|culvert{}{}",
                             plan.certificates ? " --certificate" : "", config));
  return next;
}

std::string indented(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n') + 1;
    out += fmt::format("{}{}", end == 1 ? "" : "    ", text.substr(0, end));
    text.remove_prefix(end);
  }
  return out;
}

void print_all(const ServerPlan& plan, std::span<const MadeFile> files, bool runs) {
  print_files(files);
  fmt::print("\n{}/culvert.toml:\n", plan.folder);
  fmt::print("{}", indented(server_toml(plan)));
  if (runs) fmt::print("\nculvertd runs, and starts with the machine.\n");
  if (plan.dns.empty()) fmt::print("\nClients keep their DNS servers: --dns names others.\n");
  fmt::print("\nThe firewall must let UDP 500 and 4500 in. Next:\n");
  for (const std::string& command : next_commands(plan, runs)) fmt::print("    {}\n", command);
}

void print_json(const ServerPlan& plan, std::span<const MadeFile> files, bool runs) {
  Message message;
  message.add("success", "yes");
  vici::List made;
  for (const MadeFile& file : files)
    if (file.is_new) made.push_back(file.path);
  message.add_list("made", std::move(made));
  message.add("service", runs ? "running" : "none");
  message.add_list("next", next_commands(plan, runs));
  fmt::print("{}\n", to_json(message));
}

Outcome<> init_server(const InitArguments& arguments, const Options& options) {
  const ServerPlan plan = TRY(plan_of(arguments));
  const auto files = TRY(make_server_files(plan));
  const bool runs = wants_service(arguments);
  if (runs) CHECK_OK(start_service());
  if (options.json)
    print_json(plan, files, runs);
  else
    print_all(plan, files, runs);
  return {};
}

}  // namespace

void add_init(CLI::App& app, const Runner& runner) {
  CLI::App* init = app.add_subcommand("init", "Set up what others do in an afternoon");
  init->require_subcommand(1);
  const auto arguments = std::make_shared<InitArguments>();
  CLI::App* server = add_subcommand(*init, runner, "server", "Set up a server for remote users",
                                    arguments, init_server);
  server->add_option("--name", arguments->name, "Host name or address that clients connect to")
      ->required();
  add_list(server, "--pool", arguments->pools, "Network of the clients' addresses (again for more)")
      ->capture_default_str();
  add_list(server, "--dns", arguments->dns, "DNS server for the clients (again for more)");
  add_list(server, "--local", arguments->local,
           "Network that clients reach through the tunnel (again for more; default: all)");
  server
      ->add_option("--nat", arguments->nat,
                   "Clients leave under this machine's address (default: yes without --local)")
      ->check(CLI::IsMember({"yes", "no"}));
  server->add_flag("--certificates", arguments->certificates,
                   "Users have certificates and no passwords");
  server->add_option("--dir", arguments->folder, "Folder for the files")->capture_default_str();
  server->add_flag("--force", arguments->force,
                   "Replace a configuration that says something else; it is kept");
  server->add_flag("--renew", arguments->renew, "Make a new certificate for the server");
  server->add_flag("--no-service", arguments->no_service, "Leave systemd alone");
}

}  // namespace culvert::cli
