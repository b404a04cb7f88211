// User names and passwords, as commands take and make them.
#pragma once

#include <string>

#include "cli/subcommand.h"
#include "crypto/provider.h"

namespace culvert::cli {

Outcome<> check_user_name(const std::string& name);
// A password that can be typed on a telephone: four groups of four letters and digits.
std::string make_password(Provider& provider);

}  // namespace culvert::cli
