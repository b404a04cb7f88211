// culvert init: everything that a server of remote users needs, in one command.
#pragma once

#include "cli/subcommand.h"

namespace culvert::cli {

void add_init(CLI::App& app, const Runner& runner);

}  // namespace culvert::cli
