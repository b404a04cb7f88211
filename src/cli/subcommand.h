// What the subcommands of `culvert` that have files for their own share. Such a command works on a
// structure of arguments, and ends well or with a sentence that says what is wrong.
#pragma once

#include <CLI/CLI.hpp>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "cli/commands.h"

namespace culvert::cli {

template <class T = void>
using Outcome = std::expected<T, std::string>;

// Where subcommands leave what is to be run; the options are read when it runs.
struct Runner {
  const Options& options;
  std::function<int()>& run;
};

// Prints the sentence of a failed command; the exit status.
int finish(const Options& options, const Outcome<>& outcome);

// A subcommand whose options fill `arguments`, which live as long as the command line.
template <class Arguments>
CLI::App* add_subcommand(CLI::App& parent, const Runner& runner, const std::string& name,
                         const std::string& help, const std::shared_ptr<Arguments>& arguments,
                         Outcome<> (*execute)(const Arguments&, const Options&)) {
  CLI::App* command = parent.add_subcommand(name, help);
  command->callback([&run = runner.run, &options = runner.options, arguments, execute] {
    run = [&options, arguments, execute] { return finish(options, execute(*arguments, options)); };
  });
  return command;
}

}  // namespace culvert::cli
