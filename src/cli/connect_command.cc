// Owns one connection of a remote user, from the question for the password to its end.
#include "cli/connect_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "cli/client_daemon.h"
#include "cli/log_view.h"
#include "cli/pki_files.h"
#include "cli/text.h"
#include "config/load.h"
#include "config/table_reader.h"

namespace culvert::cli {
namespace {

using namespace std::chrono_literals;
using config::in_quotes;
using vici::Client;
using vici::Message;
using vici::Section;

constexpr const char* kFolder = "/run/culvert/connect";
constexpr const char* kPatienceMs = "60000";  // with the server, for one attempt
constexpr auto kLook = 500ms;                 // at the tunnel, between events
constexpr std::chrono::milliseconds kFirstWait = 1s, kLongestWait = 30s;

struct ConnectArguments {
  std::string profile, password_file, folder = kFolder;
  bool verbose = false;
};
struct DisconnectArguments {
  std::string tunnel, folder = kFolder;
};

// ---- signals ----

std::atomic<bool> g_ends = false;
std::atomic<pid_t> g_daemon = 0;

// The daemon gets the signal at once: an answer of it that is waited for comes then.
void on_signal(int) {
  g_ends = true;
  if (const pid_t daemon = g_daemon; daemon > 0) kill(daemon, SIGTERM);
}

void catch_signals() {
  struct sigaction action{};
  action.sa_handler = on_signal;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
}

// ---- the profile ----

struct ClientProfile {
  ConnectionRef connection;
  std::string user;  // whose password is not in it; empty: none is needed
};

Outcome<ClientProfile> read_profile(const std::string& path) {
  const auto loaded = config::load(path);
  if (!loaded) return std::unexpected(loaded.error().front().to_string());
  if (loaded->connections.size() != 1)
    return std::unexpected(fmt::format("{} has {} tunnels: a profile has one", in_quotes(path),
                                       loaded->connections.size()));
  ClientProfile profile{loaded->connections.front(), {}};
  const AuthConfig& local = profile.connection->local;
  if (local.kind != AuthKind::eap || !local.eap_id) return profile;
  const std::string user(as_text(local.eap_id->data));
  if (std::ranges::find(loaded->users, user, &eap::User::name) == loaded->users.end())
    profile.user = user;
  return profile;
}

Outcome<SecretBytes> password_for(const ClientProfile& profile, const std::string& file) {
  if (profile.user.empty()) return SecretBytes();
  if (!file.empty()) return load_password(file);
  auto typed = ask_password(fmt::format("{} at {}", profile.user, profile.connection->name));
  if (typed) return std::move(*typed);
  return std::unexpected("there is no terminal to ask for the password: give --password-file");
}

// ---- the connection ----

void print(const std::string& text) {
  fmt::print("{}\n", printable(text));
  std::fflush(stdout);
}

class Connection {
 public:
  Connection(ClientDaemon daemon, Client client, std::string tunnel, bool verbose)
      : daemon_(std::move(daemon)),
        client_(std::move(client)),
        tunnel_(std::move(tunnel)),
        verbose_(verbose) {}

  // The error says why the tunnel is not up.
  Outcome<> bring_up() {
    Message arguments;
    arguments.add("ike", tunnel_).add("timeout", kPatienceMs);
    const auto show = [&](const auto&, const Message& event) {
      if (verbose_) print(ladder_line(event, {}));
    };
    const auto answer = client_.stream("initiate", arguments, "control-log", show);
    if (g_ends) return {};
    const auto failure = answer ? vici::failure_of(*answer) : std::optional(answer.error());
    if (!failure) return {};
    return std::unexpected(reason().value_or(*failure));
  }

  void show() {
    std::vector<std::string> addresses, networks;
    const auto note = [&](const auto&, const Message& event) {
      for (const auto& element : event.elements())
        if (const auto* sa = std::get_if<Section>(&element.value))
          collect(*sa, addresses, networks);
    };
    if (!client_.stream("list-sas", {}, "list-sa", note)) return;
    print("connected");
    if (!addresses.empty()) print(fmt::format("  address   {}", fmt::join(addresses, ", ")));
    if (!networks.empty()) print(fmt::format("  networks  {}", fmt::join(networks, ", ")));
    print("Ctrl-C disconnects");
  }

  // Until a signal comes, or the daemon ends. Brings the tunnel up again when it goes down.
  Outcome<> stay() {
    while (!g_ends) {
      std::this_thread::sleep_for(kLook);
      if (g_ends) break;
      if (!daemon_.runs()) return std::unexpected("culvertd has ended:\n" + daemon_.log_tail());
      if (!is_up()) CHECK_OK(come_back());
    }
    return {};
  }

 private:
  static void collect(const Section& sa, std::vector<std::string>& addresses,
                      std::vector<std::string>& networks) {
    if (const auto* list = sa.find_list("local-vips")) addresses = *list;
    const auto* children = sa.find_section("child-sas");
    if (children == nullptr) return;
    for (const auto& element : children->elements())
      if (const auto* child = std::get_if<Section>(&element.value))
        if (const auto* list = child->find_list("remote-ts")) networks = *list;
  }

  std::optional<std::string> reason() {
    Message arguments;
    arguments.add("connection", tunnel_);
    const auto answer = client_.request("why", arguments);
    if (!answer || answer->get("failed") != "yes") return std::nullopt;
    return std::string(answer->get("text"));
  }

  bool is_up() {
    bool found = false;
    const auto note = [&](const auto&, const Message& event) {
      for (const auto& element : event.elements()) {
        const auto* sa = std::get_if<Section>(&element.value);
        const auto* children = sa ? sa->find_section("child-sas") : nullptr;
        found |= children != nullptr && !children->elements().empty();
      }
    };
    return client_.stream("list-sas", {}, "list-sa", note) && found;
  }

  // Later and later, while the network is away.
  Outcome<> come_back() {
    const auto why = reason();
    print(fmt::format("the tunnel is down{}", why ? ": " + *why : std::string()));
    for (auto wait = kFirstWait; !g_ends && daemon_.runs();
         wait = std::min(2 * wait, kLongestWait)) {
      if (bring_up()) {
        if (!g_ends) show();
        return {};
      }
      for (auto rest = wait; rest > 0ms && !g_ends; rest -= kLook)
        std::this_thread::sleep_for(kLook);
    }
    return {};
  }

  ClientDaemon daemon_;
  Client client_;
  std::string tunnel_;
  bool verbose_;
};

Outcome<> connect(const ConnectArguments& arguments, const Options&) {
  const ClientProfile profile = TRY(read_profile(arguments.profile));
  if (geteuid() != 0)
    return std::unexpected("a tunnel needs a network device and routes: run this as root");
  SecretBytes password = TRY(password_for(profile, arguments.password_file));
  catch_signals();
  const std::string& name = profile.connection->name;
  ClientDaemon daemon = TRY(
      ClientDaemon::start({arguments.folder, std::filesystem::absolute(arguments.profile).string(),
                           name, profile.user, std::move(password)}));
  g_daemon = daemon.process();
  Client client = TRY(daemon.connect());
  Connection connection(std::move(daemon), std::move(client), name, arguments.verbose);
  print(fmt::format("connecting to {}", name));
  CHECK_OK(connection.bring_up());
  if (!g_ends) connection.show();
  CHECK_OK(connection.stay());
  print("disconnecting");
  return {};
}

Outcome<> disconnect(const DisconnectArguments& arguments, const Options&) {
  const std::size_t ended = TRY(ClientDaemon::disconnect(arguments.folder, arguments.tunnel));
  if (ended == 0)
    return std::unexpected(arguments.tunnel.empty()
                               ? "nothing is connected"
                               : fmt::format("{} is not connected", in_quotes(arguments.tunnel)));
  print("disconnected");
  return {};
}

}  // namespace

void add_connect(CLI::App& app, const Runner& runner) {
  const auto wanted = std::make_shared<ConnectArguments>();
  CLI::App* up = add_subcommand(
      app, runner, "connect", "Connect to a server with a profile, until Ctrl-C", wanted, connect);
  up->add_option("FILE", wanted->profile, "The profile: culvert profile USER --for culvert")
      ->required();
  up->add_option("--password-file", wanted->password_file,
                 "File with the password, - for standard input (default: ask)");
  up->add_flag("--verbose", wanted->verbose, "Show each message");
  up->add_option("--run-dir", wanted->folder, "Folder for the socket and the log")
      ->capture_default_str();
  const auto ended = std::make_shared<DisconnectArguments>();
  CLI::App* down =
      add_subcommand(app, runner, "disconnect", "End what connect has begun", ended, disconnect);
  down->add_option("NAME", ended->tunnel, "Its tunnel (default: all)");
  down->add_option("--run-dir", ended->folder, "As with connect")->capture_default_str();
}

}  // namespace culvert::cli
