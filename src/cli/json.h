// vici messages as JSON. Values stay the text they are in vici; yes and no too.
#pragma once

#include <string>

#include "control/vici_message.h"

namespace culvert::cli {

// One object, in one line.
std::string to_json(const vici::Message& message);

}  // namespace culvert::cli
