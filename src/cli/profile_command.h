// culvert profile: what a user's device needs to connect to this server.
#pragma once

#include "cli/subcommand.h"

namespace culvert::cli {

void add_profile(CLI::App& app, const Runner& runner);

}  // namespace culvert::cli
