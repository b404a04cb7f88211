// culvert user: the people who may log in, in the file of users that the configuration names.
#pragma once

#include "cli/subcommand.h"

namespace culvert::cli {

void add_user(CLI::App& app, const Runner& runner);

}  // namespace culvert::cli
