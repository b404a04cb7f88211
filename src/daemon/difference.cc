// Invariant: carrying out compare(a, b) on what a gave leaves what b gives, and what is equal in
// both is not touched.
#include "daemon/difference.h"

#include <map>

namespace culvert {

namespace {

std::map<std::string, ConnectionRef> by_name(const config::Loaded& loaded) {
  std::map<std::string, ConnectionRef> names;
  for (const auto& connection : loaded.connections) names[connection->name] = connection;
  return names;
}

std::map<std::string, const SharedSecret*> by_id(const config::Loaded& loaded) {
  std::map<std::string, const SharedSecret*> ids;
  for (const auto& secret : loaded.secrets) ids[secret.id] = &secret;
  return ids;
}

bool same(const SharedSecret& a, const SharedSecret& b) {
  return a.owners == b.owners && equal_constant_time(a.secret.view(), b.secret.view());
}

}  // namespace

Difference compare(const config::Loaded& from, const config::Loaded& to) {
  Difference difference;
  const auto old_names = by_name(from), new_names = by_name(to);
  for (const auto& [name, connection] : old_names)
    if (!new_names.contains(name)) difference.removed.push_back(name);
  for (const auto& [name, connection] : new_names) {
    const auto old = old_names.find(name);
    if (old == old_names.end())
      difference.added.push_back(connection);
    else if (!(*old->second == *connection))
      difference.changed.push_back(connection);
  }
  const auto old_ids = by_id(from), new_ids = by_id(to);
  for (const auto& [id, secret] : old_ids)
    if (!new_ids.contains(id)) difference.old_secrets.push_back(id);
  for (const auto& [id, secret] : new_ids) {
    const auto old = old_ids.find(id);
    if (old == old_ids.end() || !same(*old->second, *secret))
      difference.new_secrets.push_back(secret);
  }
  difference.settings = !(from.settings == to.settings);
  return difference;
}

}  // namespace culvert
