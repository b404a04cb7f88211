// culvert connect and disconnect: the client of remote users.
#pragma once

#include "cli/subcommand.h"

namespace culvert::cli {

void add_connect(CLI::App& app, const Runner& runner);

}  // namespace culvert::cli
