// Names of network devices.
#pragma once

#include <algorithm>
#include <string_view>

namespace culvert::config {

// Linux's IFNAMSIZ, and what its dev_valid_name() allows.
inline bool is_device_name(std::string_view name) {
  return !name.empty() && name.size() < 16 && name != "." && name != ".." &&
         std::ranges::all_of(
             name, [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != ':'; });
}

}  // namespace culvert::config
