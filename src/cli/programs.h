// Other programs that a command runs.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "cli/subcommand.h"

namespace culvert::cli {

// culvertd, where it stands beside this program or where Debian has it; empty: nowhere.
std::string find_culvertd();

// Runs a program of PATH to its end. The error says what it said, or how it ended.
Outcome<> run_program(const std::vector<std::string>& argv);

// Starts a program in a process group of its own, which a Ctrl-C at the terminal does not reach. It
// gets SIGTERM when this process dies. Its output goes to the file `log`.
Outcome<pid_t> start_program(const std::vector<std::string>& argv, const std::string& log);

}  // namespace culvert::cli
