// The tables that describe CHILD SAs, and pass and drop policies.
#pragma once

#include <vector>

#include "config/table_reader.h"
#include "policy/connection.h"

namespace culvert::config {

enum class Keep { up, demand, passive };

template <class T>
using Words = std::pair<std::string_view, T>;

inline constexpr Duration kShortestRekey = std::chrono::seconds(10);
inline constexpr Duration kLongestRekey = std::chrono::hours(24 * 365);

// Reports a name that would not fit into a log line. `kind`: "tunnel".
void check_name(std::string_view kind, const Member& member, Report& report);
std::vector<SelectorConfig> read_selectors(TableReader& table, std::string_view key);
// The default ones when the key is absent.
std::vector<Proposal> read_proposals(TableReader& table, std::string_view key,
                                     wire::ProtocolId protocol);

ChildConfig default_child(Keep keep);
// The keys that a tunnel without child tables shares with a child table. In a child table, what is
// absent is as in the tunnel.
ChildConfig read_child(TableReader& table, const ChildConfig& defaults);

// A [shunt.NAME] table: a connection that consists of one pass or drop policy. nullptr after
// reporting that it is no table.
ConnectionRef read_shunt(const Member& member, Report& report);

}  // namespace culvert::config
