// QR codes for terminals.
#pragma once

#include <string>

#include "cli/subcommand.h"

namespace culvert::cli {

// Two rows of the code in each line of text, dark on light, with the margin that scanners need.
Outcome<std::string> qr_text(const std::string& content);

}  // namespace culvert::cli
