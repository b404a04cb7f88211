// culvertd's command line.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "crypto/openssl_provider.h"
#include "daemon/daemon.h"
#include "daemon/key_files.h"

namespace {

using namespace culvert;

constexpr const char* kDefaultConfig = "/etc/culvert/culvert.toml";
constexpr const char* kDefaultVici = "unix:///run/culvert/vici.sock";
constexpr const char* kDefaultState = "/var/lib/culvert";

struct Arguments {
  std::string config = kDefaultConfig;
  std::string vici = kDefaultVici;
  std::string state_dir = kDefaultState;
  std::string log_level;
  config::Overrides overrides;
  bool config_given = false;
  bool check = false;
};

int fail(const std::string& text) {
  fmt::print(stderr, "culvertd: {}\n", text);
  return 1;
}

// Without --config there need not be a file: then vici alone drives the daemon.
bool has_file(const Arguments& arguments) {
  return arguments.config_given || std::filesystem::exists(arguments.config);
}

std::optional<config::Loaded> load(const Arguments& arguments) {
  if (!has_file(arguments)) return config::Loaded{};
  auto loaded = config::load(arguments.config, arguments.overrides);
  if (!loaded) {
    for (const auto& diagnostic : loaded.error())
      fmt::print(stderr, "{}\n", diagnostic.to_string());
    return std::nullopt;
  }
  for (const auto& warning : loaded->warnings)
    fmt::print(stderr, "warning: {}\n", warning.to_string());
  return std::move(*loaded);
}

// The socket of the default path lives in a directory that nobody else makes.
void make_socket_directory(const vici::Address& address) {
  if (address.kind != vici::Address::Kind::unix_socket) return;
  std::error_code ignored;  // listen() says what is wrong
  std::filesystem::create_directories(std::filesystem::path(address.path).parent_path(), ignored);
}

int serve(const Arguments& arguments, config::Loaded&& loaded, signer::Socket signer) {
  const auto level = parse_log_level(arguments.log_level.empty() ? loaded.settings.log_level
                                                                 : arguments.log_level);
  const auto address = vici::parse_address(arguments.vici);
  if (!address) return fail(address.error());
  EventLog log;
  log.configure(level.value_or(trace::Level::info), loaded.settings.log_format == "json");
  std::signal(SIGPIPE, SIG_IGN);
  make_socket_directory(*address);
  auto daemon = Daemon::start({has_file(arguments) ? arguments.config : std::string{}, *address,
                               arguments.state_dir, arguments.overrides},
                              std::move(loaded), log, std::move(signer));
  if (!daemon) return fail(daemon.error());
  (*daemon)->run();
  daemon->reset();
  log.write(trace::Level::info, "stopped");
  return 0;
}

void add_overrides(CLI::App& app, config::Overrides& overrides) {
  app.add_option("--users", overrides.users, "one more file of users");
  app.add_option("--device", overrides.device, "name of the network device");
  app.add_option("--ike-port", overrides.ike_port, "UDP port of IKE")->check(CLI::Range(1, 65'535));
  app.add_option("--nat-t-port", overrides.nat_t_port, "UDP port of IKE and ESP behind a NAT")
      ->check(CLI::Range(1, 65'535));
}

// Everything but what only a start can show: sockets and the data plane.
int check(const Arguments& arguments, const config::Loaded& loaded, signer::Socket socket) {
  if (!has_file(arguments)) {
    fmt::print("{} does not exist; culvertd will wait for vici\n", arguments.config);
    return 0;
  }
  io::EventLoop loop;
  Signer signer(loop, std::move(socket));
  const auto provider = make_openssl_provider();
  if (const auto keys = load_key_files(signer, *provider, loaded.keys); !keys.wrong.empty()) {
    fmt::print(stderr, "{}\n", keys.wrong);
    return 1;
  }
  fmt::print("{}: {} connection{}, no mistakes\n", arguments.config, loaded.connections.size(),
             loaded.connections.size() == 1 ? "" : "s");
  return 0;
}

int run(int argc, char** argv) {
  CLI::App app("The Culvert IKE daemon. It stays in the foreground and logs to standard error.",
               "culvertd");
  Arguments arguments;
  auto* config = app.add_option("--config", arguments.config, "the TOML file");
  app.add_option("--vici", arguments.vici, "where to listen for control, unix:// or tcp://");
  app.add_option("--state-dir", arguments.state_dir, "where the daemon keeps its state");
  app.add_flag("--check", arguments.check, "check the configuration and exit");
  app.add_option("--log-level", arguments.log_level, "error, warning, info, debug or trace")
      ->check(CLI::IsMember({"error", "warning", "info", "debug", "trace"}));
  add_overrides(app, arguments.overrides);
  CLI11_PARSE(app, argc, argv);
  arguments.config_given = config->count() > 0;
  // Before there is any secret that it would inherit.
  auto signer = signer::start_process();
  if (!signer) return fail(signer.error());
  auto loaded = load(arguments);
  if (!loaded) return 1;
  if (arguments.check) return check(arguments, *loaded, std::move(*signer));
  return serve(arguments, std::move(*loaded), std::move(*signer));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fputs("culvertd: ", stderr);
    std::fputs(error.what(), stderr);
    std::fputs("\n", stderr);
    return 1;
  }
}
