// culvert, the operator's command. Owns the command line; what it asks for stands in commands.h.
// Exit status: 0 done, 1 not done, 2 the command line is wrong.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>

#include "cli/commands.h"
#include "cli/connect_command.h"
#include "cli/init_command.h"
#include "cli/pki_command.h"
#include "cli/profile_command.h"
#include "cli/user_command.h"

namespace {

using namespace culvert;

// What the command line asked for; `run` is set by the subcommand.
struct Request {
  cli::Options options;
  std::string connection, child, input;
  std::string file = "/etc/culvert/culvert.toml";
  unsigned timeout_s = 0, level = 1;
  bool force = false;
  std::function<int()> run;
};

CLI::App* add_command(CLI::App& app, Request& request, const std::string& name,
                      const std::string& help, std::function<int()> run) {
  auto* command = app.add_subcommand(name, help);
  command->callback([&request, run = std::move(run)] { request.run = run; });
  return command;
}

void add_up_and_down(CLI::App& app, Request& request) {
  auto* up = add_command(app, request, "up", "Bring a connection up, and show how", [&] {
    return cli::up(request.options, request.connection, request.child, request.timeout_s);
  });
  up->add_option("CONNECTION", request.connection, "Its name")->required();
  up->add_option("--child", request.child, "Only this CHILD SA of it");
  up->add_option("--timeout", request.timeout_s, "Seconds to wait (0: until the daemon gives up)");

  auto* down = add_command(app, request, "down", "Take a connection down", [&] {
    return cli::down(request.options, request.connection, request.child, request.force);
  });
  down->add_option("CONNECTION", request.connection, "Its name")->required();
  down->add_option("--child", request.child, "Only this CHILD SA of it");
  down->add_flag("--force", request.force, "Don't wait for the peer");
}

void add_questions(CLI::App& app, Request& request) {
  auto* status = add_command(app, request, "status", "Show connections and SAs",
                             [&] { return cli::status(request.options, request.connection); });
  status->add_option("CONNECTION", request.connection, "Only this one");

  auto* why = add_command(app, request, "why", "Explain the last failure of a connection",
                          [&] { return cli::why(request.options, request.connection); });
  why->add_option("CONNECTION", request.connection,
                  "Its name; without, of peers that fit no connection");

  auto* log = add_command(app, request, "log", "Follow the daemon's log",
                          [&] { return cli::follow_log(request.options, request.level); });
  log->add_option("--level", request.level, "1: what operators follow, 2: details, 3: all")
      ->check(CLI::Range(1, 3));

  add_command(app, request, "version", "Show the versions of this program and of the daemon",
              [&] { return cli::version(request.options); });
}

void add_configuration(CLI::App& app, Request& request) {
  add_command(app, request, "reload", "Make the daemon read its configuration again",
              [&] { return cli::reload(request.options); });

  auto* check = add_command(app, request, "check", "Check a configuration file",
                            [&] { return cli::check(request.options, request.file); });
  check->add_option("FILE", request.file, "The file")->capture_default_str();

  auto* decode = add_command(app, request, "decode", "List the payloads of an IKE message",
                             [&] { return cli::decode_message(request.options, request.input); });
  decode->add_option("INPUT", request.input, "The message in hex, or a file that holds it")
      ->required();
}

int run(int argc, char** argv) {
  Request request;
  CLI::App app{"Talks to culvertd, the IKE daemon"};
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--uri", request.options.uri, "The daemon's control socket")
      ->capture_default_str();
  app.add_flag("--json", request.options.json, "Print JSON, one object a line");
  add_questions(app, request);
  add_up_and_down(app, request);
  add_configuration(app, request);
  const cli::Runner runner{request.options, request.run};
  cli::add_init(app, runner);
  cli::add_user(app, runner);
  cli::add_connect(app, runner);
  cli::add_profile(app, runner);
  cli::add_pki(app, runner);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  request.options.colours = isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  return request.run();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fputs("culvert: ", stderr);
    std::fputs(error.what(), stderr);
    std::fputs("\n", stderr);
    return 1;
  }
}
