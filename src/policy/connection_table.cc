// Owns the loaded connections and their indexes.
// Invariant: a connection is in by_name_, in one group, and under each of its children's names; a
// group is in each cell of its addresses; a shape is counted once per cell. A look-up by address
// tries one cell per shape, so its time depends on how many kinds of prefixes there are, and not on
// how many connections.
#include "policy/connection_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <set>
#include <tuple>

namespace culvert {
namespace {

constexpr std::size_t kMaxNamed = 3;  // identities that an explanation lists

std::string proposals_text(const std::vector<Proposal>& proposals) {
  std::string text;
  for (const auto& proposal : proposals) text += to_string(proposal) + ',';
  return text;
}

std::vector<Prefix> prefixes_of(const std::vector<AddressPattern>& patterns) {
  std::vector<Prefix> prefixes;
  const auto add = [&](const Prefix& prefix) {
    if (std::ranges::find(prefixes, prefix) == prefixes.end()) prefixes.push_back(prefix);
  };
  bool anywhere = patterns.empty();
  for (const auto& pattern : patterns) {
    if (pattern.kind == AddressPattern::Kind::range)
      add(enclosing_prefix(pattern.first, pattern.last));
    else
      anywhere = true;
  }
  if (!anywhere) return prefixes;
  add(Prefix::make(IpAddress::any(Family::v4), 0));
  add(Prefix::make(IpAddress::any(Family::v6), 0));
  return prefixes;
}

// How closely the patterns name `address`, in bits, plus one; 0 when they don't match.
int specificity(const std::vector<AddressPattern>& patterns, const IpAddress& address) {
  int best = patterns.empty() ? 1 : 0;
  for (const auto& pattern : patterns) {
    if (!pattern.matches(address)) continue;
    const bool range = pattern.kind == AddressPattern::Kind::range;
    const int bits = range ? enclosing_prefix(pattern.first, pattern.last).length + 1 : 0;
    best = std::max(best, bits + 1);
  }
  return best;
}

bool has_version(const ConnectionConfig& connection, std::uint8_t version) {
  return connection.version == 0 || connection.version == version;
}

// How well our side of a connection fits the IDr that the peer asked for, if any; 0: not at all.
int match_mine(const Identity& configured, const ConnectionTable::PeerQuery& query) {
  // Without an identity of its own, a connection answers for its address.
  if (query.my_id.is_any() || configured.is_any()) return kAnyMatch;
  return match(configured, query.my_id);
}

std::string listed(const std::set<std::string>& names) {
  return fmt::format("{}", fmt::join(names | std::views::take(kMaxNamed), ", "));
}

// Whether what has been proven by one connection is what the other one asks for.
bool asks_the_same(const ConnectionConfig& proven, const ConnectionConfig& other) {
  AuthConfig remote = other.remote;
  remote.id = proven.remote.id;
  remote.groups = proven.remote.groups;
  return remote == proven.remote && other.local == proven.local;
}

bool is_for(const ConnectionConfig& connection, const std::vector<std::string>& groups) {
  const auto& wanted = connection.remote.groups;
  return wanted.empty() || std::ranges::find_first_of(wanted, groups) != wanted.end();
}

}  // namespace

struct BestPeer {
  using Fit =
      std::tuple<int, int, int, bool>;  // remote identity, local identity, addresses, groups
  ConnectionRef connection;
  Fit fit{};
};

std::size_t ConnectionTable::CellHash::operator()(const Cell& cell) const noexcept {
  const std::hash<IpAddress> hash;
  const std::size_t lengths = cell.remote.length * std::size_t{256} + cell.local.length;
  return (hash(cell.remote.address) * 31 + hash(cell.local.address)) * 65'537 + lengths;
}

std::string ConnectionTable::group_key(const ConnectionConfig& connection) {
  std::string key = fmt::format("{}|", connection.version);
  for (const auto& pattern : connection.local_addrs) key += to_string(pattern) + ',';
  key += '|';
  for (const auto& pattern : connection.remote_addrs) key += to_string(pattern) + ',';
  return key + '|' + proposals_text(connection.proposals);
}

std::vector<ConnectionTable::Cell> ConnectionTable::cells_of(const ConnectionConfig& connection) {
  std::vector<Cell> cells;
  for (const auto& remote : prefixes_of(connection.remote_addrs))
    for (const auto& local : prefixes_of(connection.local_addrs))
      if (remote.address.family() == local.address.family()) cells.push_back({remote, local});
  return cells;
}

void ConnectionTable::place(const Cell& cell, Group* group) {
  auto& groups = cells_[cell];
  if (groups.empty())
    ++shapes_[{cell.remote.address.family(), cell.remote.length, cell.local.length}];
  groups.push_back(group);
}

void ConnectionTable::displace(const Cell& cell, const Group* group) {
  const auto entry = cells_.find(cell);
  std::erase(entry->second, group);
  if (!entry->second.empty()) return;
  cells_.erase(entry);
  const auto shape =
      shapes_.find({cell.remote.address.family(), cell.remote.length, cell.local.length});
  if (--shape->second == 0) shapes_.erase(shape);
}

void ConnectionTable::index(const ConnectionRef& connection) {
  for (const auto& child : connection->children)
    by_child_[child.name][connection->name] = connection;
  if (connection->has_only_shunts()) return;  // no peer may have it
  auto [entry, created] = groups_.try_emplace(group_key(*connection));
  Group& group = entry->second;
  if (created) {
    group.proposals_key = proposals_text(connection->proposals);
    for (const auto& cell : cells_of(*connection)) place(cell, &group);
  }
  group.members[connection->name] = connection;
  const Identity& id = connection->remote.id;
  ByName& ids = is_pattern(id) ? group.by_pattern : group.by_remote_id[index_key(id)];
  ids[connection->name] = connection;
}

void ConnectionTable::unindex(const ConnectionRef& connection) {
  for (const auto& child : connection->children) {
    const auto entry = by_child_.find(child.name);
    if (entry == by_child_.end()) continue;  // the name stands twice in this connection
    entry->second.erase(connection->name);
    if (entry->second.empty()) by_child_.erase(entry);
  }
  if (connection->has_only_shunts()) return;
  const auto entry = groups_.find(group_key(*connection));
  Group& group = entry->second;
  group.members.erase(connection->name);
  group.by_pattern.erase(connection->name);
  if (const auto ids = group.by_remote_id.find(index_key(connection->remote.id));
      ids != group.by_remote_id.end()) {
    ids->second.erase(connection->name);
    if (ids->second.empty()) group.by_remote_id.erase(ids);
  }
  if (!group.members.empty()) return;
  for (const auto& cell : cells_of(*connection)) displace(cell, &group);
  groups_.erase(entry);
}

void ConnectionTable::add(ConnectionRef connection) {
  remove(connection->name);
  index(connection);
  by_name_[connection->name] = std::move(connection);
}

bool ConnectionTable::remove(const std::string& name) {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return false;
  const ConnectionRef connection = found->second;
  by_name_.erase(found);
  unindex(connection);
  return true;
}

ConnectionRef ConnectionTable::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

ConnectionRef ConnectionTable::find_by_child(const std::string& child) const {
  const auto found = by_child_.find(child);
  return found == by_child_.end() ? nullptr : found->second.begin()->second;
}

std::vector<ConnectionTable::Candidate> ConnectionTable::candidates(const IpAddress& local,
                                                                    const IpAddress& remote) const {
  std::vector<Candidate> result;
  for (const auto& [shape, count] : shapes_) {
    if (shape.family != remote.family() || shape.family != local.family()) continue;
    const auto cell = cells_.find(
        {Prefix::make(remote, shape.remote_length), Prefix::make(local, shape.local_length)});
    if (cell == cells_.end()) continue;
    for (const Group* group : cell->second) {
      const ConnectionConfig& first = *group->members.begin()->second;
      const int remote_bits = specificity(first.remote_addrs, remote);
      const int local_bits = specificity(first.local_addrs, local);
      if (remote_bits == 0 || local_bits == 0) continue;
      result.push_back({group, remote_bits * 256 + local_bits});
    }
  }
  const auto order = [](const Candidate& candidate) {
    return std::tuple(-candidate.specificity,
                      std::string_view(candidate.group->members.begin()->first));
  };
  std::ranges::sort(result, {}, order);
  // A group with several patterns may have been found through more than one of them.
  const auto twins = std::ranges::unique(result, {}, &Candidate::group);
  result.erase(twins.begin(), twins.end());
  return result;
}

std::vector<ConnectionRef> ConnectionTable::by_addresses(const IpAddress& local,
                                                         const IpAddress& remote,
                                                         std::uint8_t version) const {
  std::vector<ConnectionRef> result;
  std::set<std::string_view> seen;
  for (const auto& [group, specificity] : candidates(local, remote)) {
    const ConnectionRef& first = group->members.begin()->second;
    if (has_version(*first, version) && seen.insert(group->proposals_key).second)
      result.push_back(first);
  }
  return result;
}

void ConnectionTable::consider(const ByName& connections, const PeerQuery& query, int specificity,
                               BestPeer& best) {
  for (const auto& [name, connection] : connections) {
    const int theirs = match(connection->remote.id, query.their_id);
    const int mine = match_mine(connection->local.id, query);
    if (query.proof && *query.proof != connection->remote.kind) continue;
    if (query.proven_by && !asks_the_same(*query.proven_by, *connection)) continue;
    if (query.groups && !is_for(*connection, *query.groups)) continue;
    const bool chosen = query.groups && !connection->remote.groups.empty();
    const BestPeer::Fit fit{theirs, mine, specificity, chosen};
    if (theirs == 0 || mine == 0 || (best.connection && fit <= best.fit)) continue;
    best = {connection, fit};
  }
}

ConnectionRef ConnectionTable::best_of(const std::vector<Candidate>& candidates,
                                       const PeerQuery& query) {
  BestPeer best;
  const std::string key = index_key(query.their_id);
  for (const auto& [group, specificity] : candidates)
    if (const auto exact = group->by_remote_id.find(key); exact != group->by_remote_id.end())
      consider(exact->second, query, specificity, best);
  if (!best.connection)
    for (const auto& [group, specificity] : candidates)
      consider(group->by_pattern, query, specificity, best);
  return best.connection;
}

ConnectionTable::PeerAnswer ConnectionTable::by_identity(const PeerQuery& query) const {
  auto found = candidates(query.local, query.remote);
  std::erase_if(found, [&](const Candidate& c) {
    return !has_version(*c.group->members.begin()->second, query.version);
  });
  if (found.empty())
    return {nullptr, fmt::format("no connection for {} with peer {}", query.local.to_string(),
                                 query.remote.to_string())};
  if (query.agreed) {
    std::erase_if(found, [&](const Candidate& c) {
      return !accepts(c.group->members.begin()->second->proposals, *query.agreed);
    });
    if (found.empty()) return {nullptr, "no connection accepts the IKE proposal that was agreed"};
  }
  auto best = best_of(found, query);
  if (!best && query.proof) {
    PeerQuery with_another_proof = query;
    with_another_proof.proof.reset();
    best = best_of(found, with_another_proof);
  }
  if (best) return {std::move(best), {}};
  return {nullptr, explain(found, query)};
}

// Says which identity failed and names a few that would not have.
std::string ConnectionTable::explain(const std::vector<Candidate>& candidates,
                                     const PeerQuery& query) {
  std::set<std::string> remote_ids, local_ids;
  std::size_t total = 0;
  const std::string key = index_key(query.their_id);
  for (const auto& [group, specificity] : candidates) {
    total += group->members.size();
    for (const auto& [name, connection] : group->members | std::views::take(kMaxNamed))
      remote_ids.insert(to_string(connection->remote.id));
    const auto exact = group->by_remote_id.find(key);
    const ByName& fitting = exact == group->by_remote_id.end() ? group->by_pattern : exact->second;
    for (const auto& [name, connection] : fitting | std::views::take(kMaxNamed))
      if (matches(connection->remote.id, query.their_id))
        local_ids.insert(to_string(connection->local.id));
  }
  if (!local_ids.empty())
    return fmt::format("the peer asks for local identity '{}', connections have: {}",
                       to_string(query.my_id), listed(local_ids));
  return fmt::format("remote identity is '{}', connections accept: {}{}", to_string(query.their_id),
                     listed(remote_ids), total > remote_ids.size() ? ", …" : "");
}

}  // namespace culvert
