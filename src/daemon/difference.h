// What a reload of the configuration file changes, and what that leads to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"

namespace culvert {

// Settings of a connection or a CHILD SA that differ, by the file's names for them.
struct ChangedSettings {
  std::vector<std::string_view> names;
  // One of them was agreed upon with the peer, or stands in the data plane: SAs that exist cannot
  // take it over.
  bool renegotiates = false;
  bool empty() const { return names.empty(); }
};
ChangedSettings compare(const ConnectionConfig& from, const ConnectionConfig& to);  // not children
ChangedSettings compare(const ChildConfig& from, const ChildConfig& to);

struct ChangedConnection {
  ConnectionRef connection;  // as it is now
  ChangedSettings settings;
  std::vector<std::pair<std::string, ChangedSettings>> children;  // by name
  std::vector<std::string> new_children, old_children;
  // "branch: dpd changed, in force now; child voice: remote changed, its CHILD SAs are negotiated
  // anew"
  std::string to_string() const;
  // The children whose CHILD SAs cannot stay.
  std::vector<std::string> renewed_children() const;
};

struct Difference {
  std::vector<std::string> removed;        // connections that are gone
  std::vector<ChangedConnection> changed;  // of the same name, with other settings
  std::vector<ConnectionRef> added;
  std::vector<std::string> old_secrets;          // ids that are gone
  std::vector<const SharedSecret*> new_secrets;  // new ones and changed ones, within `to`
  std::vector<std::string> old_pools;            // names that are gone
  std::vector<PoolRef> new_pools;                // new ones and changed ones
  bool interfaces = false;                       // XFRM ones
  bool settings = false;                         // of [daemon]
  bool empty() const {
    return removed.empty() && changed.empty() && added.empty() && old_secrets.empty() &&
           new_secrets.empty() && old_pools.empty() && new_pools.empty() && !interfaces &&
           !settings;
  }
  // A sentence for each change, with what becomes of SAs.
  std::vector<std::string> sentences() const;
};

// The result points into `to`.
Difference compare(const config::Loaded& from, const config::Loaded& to);

}  // namespace culvert
