// Owns the conversation with the daemon, one function for each subcommand.
#include "cli/commands.h"

#include <fmt/format.h>

#include <cstdio>

#include "base/limits.h"
#include "cli/decode.h"
#include "cli/json.h"
#include "cli/log_view.h"
#include "cli/status_view.h"
#include "cli/text.h"
#include "config/file.h"
#include "config/load.h"
#include "control/vici_client.h"

namespace culvert::cli {
namespace {

using vici::Client;
using vici::Message;
using Clock = std::chrono::steady_clock;

// So many idle connections are asked why; for more, `culvert why` has the answer.
constexpr std::size_t kMaxExplained = 50;

void print(std::string_view text) {
  fmt::print("{}", text);
  std::fflush(stdout);
}

int fail(const Options& options, const std::string& sentence) {
  if (options.json) {
    Message message;
    message.add("success", "no").add("errmsg", sentence);
    print(to_json(message) + "\n");
  } else {
    fmt::print(stderr, "culvert: {}\n", printable(sentence));
  }
  return 1;
}

// Connects, and runs `use(client)` when that went well.
template <class F>
int with_client(const Options& options, F&& use) {
  auto client = Client::connect(options.uri);
  if (!client) return fail(options, client.error());
  return use(*client);
}

// The answer to a command that either succeeds or says why not.
int report(const Options& options, const Client::Answer<Message>& answer,
           const std::string& success) {
  if (!answer) return fail(options, answer.error());
  if (const auto failure = vici::failure_of(*answer)) return fail(options, *failure);
  print(options.json ? to_json(*answer) + "\n" : success + "\n");
  return 0;
}

// Runs a command and prints what the daemon logs about it meanwhile.
int run_with_ladder(const Options& options, const std::string& command, const Message& arguments,
                    const std::string& success) {
  return with_client(options, [&](Client& client) {
    const auto start = Clock::now();
    const auto answer =
        client.stream(command, arguments, "control-log", [&](const auto&, const Message& event) {
          const auto since =
              std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
          print((options.json ? to_json(event) : ladder_line(event, since)) + "\n");
        });
    return report(options, answer, success);
  });
}

Client::Answer<std::vector<Message>> list(Client& client, const std::string& command,
                                          const std::string& event, const Message& arguments) {
  std::vector<Message> messages;
  const auto answer = client.stream(
      command, arguments, event, [&](const auto&, const Message& one) { messages.push_back(one); });
  if (!answer) return std::unexpected(answer.error());
  return messages;
}

Message for_connection(std::string_view key, const std::string& connection) {
  Message message;
  if (!connection.empty()) message.add(key, connection);
  return message;
}

Client::Answer<StatusInput> ask_status(Client& client, const std::string& connection) {
  StatusInput input;
  auto connections = list(client, "list-conns", "list-conn", for_connection("ike", connection));
  if (!connections) return std::unexpected(connections.error());
  auto sas = list(client, "list-sas", "list-sa", for_connection("ike", connection));
  if (!sas) return std::unexpected(sas.error());
  auto daemon = client.request("culvert-status");
  if (!daemon) return std::unexpected(daemon.error());
  input = {std::move(*connections), std::move(*sas), {}, std::move(*daemon)};
  const auto idle = idle_connections(input);
  for (std::size_t i = 0; i < std::min(idle.size(), kMaxExplained); ++i) {
    auto answer = client.request("why", for_connection("connection", idle[i]));
    if (!answer) return std::unexpected(answer.error());
    input.failures.emplace(idle[i], std::move(*answer));
  }
  return input;
}

Message message_of(const DecodedMessage& decoded) {
  Message message;
  message.add_list("header", decoded.header);
  auto& payloads = message.add_section("payloads");
  for (std::size_t i = 0; i < decoded.payloads.size(); ++i)
    payloads.add_section(fmt::format("{}", i + 1))
        .add("name", decoded.payloads[i].name)
        .add_list("details", decoded.payloads[i].details);
  if (!decoded.error.empty()) message.add("errmsg", decoded.error);
  return message;
}

void add_diagnostics(const std::vector<config::Diagnostic>& diagnostics, Message& to) {
  vici::List lines;
  for (const auto& diagnostic : diagnostics) lines.push_back(diagnostic.to_string());
  to.add_list("diagnostics", std::move(lines));
}

}  // namespace

int status(const Options& options, const std::string& connection) {
  return with_client(options, [&](Client& client) {
    const auto input = ask_status(client, connection);
    if (!input) return fail(options, input.error());
    if (!connection.empty() && input->connections.empty() && input->sas.empty())
      return fail(options, fmt::format("connection '{}' is not loaded", connection));
    print(options.json ? to_json(status_message(*input)) + "\n"
                       : status_text(*input, options.colours));
    return 0;
  });
}

int up(const Options& options, const std::string& connection, const std::string& child,
       unsigned timeout_s) {
  Message arguments;
  arguments.add("ike", connection);
  if (!child.empty()) arguments.add("child", child);
  if (timeout_s != 0) arguments.add("timeout", fmt::format("{}", timeout_s * std::uint64_t{1'000}));
  return run_with_ladder(options, "initiate", arguments, connection + " is up");
}

int down(const Options& options, const std::string& connection, const std::string& child,
         bool force) {
  Message arguments;
  arguments.add("ike", connection);
  if (!child.empty()) arguments.add("child", child);
  if (force) arguments.add("force", "yes");
  return run_with_ladder(options, "terminate", arguments, connection + " is down");
}

int reload(const Options& options) {
  return with_client(options, [&](Client& client) {
    const auto answer = client.request("reload-settings");
    std::string success = "the configuration was reloaded";
    if (const auto* changes = answer ? answer->find_list("changes") : nullptr)
      for (const auto& change : *changes) success += "\n" + printable(change);
    else
      success += "; nothing is different";
    return report(options, answer, success);
  });
}

int check(const Options& options, const std::string& file) {
  const auto loaded = config::load(file);
  const auto& diagnostics = loaded ? loaded->warnings : loaded.error();
  if (options.json) {
    Message message;
    message.add("success", loaded ? "yes" : "no");
    add_diagnostics(diagnostics, message);
    print(to_json(message) + "\n");
    return loaded ? 0 : 1;
  }
  for (const auto& diagnostic : diagnostics)
    fmt::print(stderr, "{}{}\n", loaded ? "warning: " : "", printable(diagnostic.to_string()));
  if (!loaded) return 1;
  const auto count = loaded->connections.size();
  print(fmt::format("{}: {} tunnel{}, no errors\n", file, count, count == 1 ? "" : "s"));
  return 0;
}

int why(const Options& options, const std::string& connection) {
  return with_client(options, [&](Client& client) {
    const auto answer = client.request("why", for_connection("connection", connection));
    return report(options, answer, answer ? why_text(*answer) : std::string());
  });
}

int follow_log(const Options& options, unsigned level) {
  return with_client(options, [&](Client& client) {
    if (const auto done = client.register_event("log"); !done) return fail(options, done.error());
    for (;;) {
      const auto packet = client.next_event();
      if (!packet) return fail(options, packet.error());
      if (!*packet || level_of((*packet)->message) > level) continue;
      const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
      print((options.json ? to_json((*packet)->message)
                          : log_line((*packet)->message, now, options.colours)) +
            "\n");
    }
  });
}

int version(const Options& options) {
  if (!options.json) print("culvert " CULVERT_VERSION "\n");
  return with_client(options, [&](Client& client) {
    const auto answer = client.request("version");
    return report(
        options, answer,
        answer ? fmt::format("{} {} on {} {} {}", answer->get("daemon"), answer->get("version"),
                             answer->get("sysname"), answer->get("release"), answer->get("machine"))
               : std::string());
  });
}

int decode_message(const Options& options, const std::string& input) {
  auto octets = parse_hex(input);
  if (!octets) {
    const auto file = config::read_file(input, 4 * limits::kMaxMessageSize);
    if (!file) return fail(options, file.error() + ", and it is not hex either");
    octets = parse_hex(as_text(file->octets.view()));
    if (!octets) octets = to_bytes(file->octets.view());
  }
  const auto decoded = decode(*octets);
  if (!decoded) return fail(options, decoded.error());
  print(options.json ? to_json(message_of(*decoded)) + "\n" : decoded_text(*decoded));
  return decoded->error.empty() ? 0 : 1;
}

}  // namespace culvert::cli
