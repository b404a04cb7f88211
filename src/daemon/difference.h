// What a reload of the configuration file changes.
#pragma once

#include <string>
#include <vector>

#include "config/load.h"

namespace culvert {

struct Difference {
  std::vector<std::string> removed;    // connections that are gone
  std::vector<ConnectionRef> changed;  // of the same name, with other settings
  std::vector<ConnectionRef> added;
  std::vector<std::string> old_secrets;          // ids that are gone
  std::vector<const SharedSecret*> new_secrets;  // new ones and changed ones, within `to`
  bool settings = false;                         // of [daemon]
  bool empty() const {
    return removed.empty() && changed.empty() && added.empty() && old_secrets.empty() &&
           new_secrets.empty() && !settings;
  }
};

// The result points into `to`.
Difference compare(const config::Loaded& from, const config::Loaded& to);

}  // namespace culvert
