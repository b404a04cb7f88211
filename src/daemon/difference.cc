// Invariant: carrying out compare(a, b) on what a gave leaves what b gives, and what is equal in
// both is not touched.
#include "daemon/difference.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <span>

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

template <class T>
struct Setting {
  std::string_view name;
  bool (*same)(const T& a, const T& b);
  bool renegotiates;
};

template <auto Member, class T>
bool equal_in(const T& a, const T& b) {
  return a.*Member == b.*Member;
}

using Connection = ConnectionConfig;
using Child = ChildConfig;
constexpr bool kNow = false, kAnew = true;  // how a change takes effect

template <auto Member>
constexpr Setting<Connection> of_connection(std::string_view name, bool anew) {
  return {name, equal_in<Member, Connection>, anew};
}
template <auto Member>
constexpr Setting<Child> of_child(std::string_view name, bool anew) {
  return {name, equal_in<Member, Child>, anew};
}

constexpr Setting<Connection> kConnectionSettings[] = {
    of_connection<&Connection::version>("version", kAnew),
    of_connection<&Connection::local_addrs>("local_address", kAnew),
    of_connection<&Connection::remote_addrs>("peer", kAnew),
    of_connection<&Connection::local_port>("ike_port", kAnew),
    of_connection<&Connection::remote_port>("peer_port", kAnew),
    of_connection<&Connection::proposals>("ike", kAnew),
    of_connection<&Connection::local>("local_id", kAnew),
    of_connection<&Connection::remote>("remote_id", kAnew),
    of_connection<&Connection::encap>("encap", kAnew),
    of_connection<&Connection::mobike>("mobike", kAnew),
    of_connection<&Connection::if_id_in>("xfrm_interface", kAnew),
    of_connection<&Connection::if_id_out>("xfrm_interface", kAnew),
    of_connection<&Connection::vips>("request_address", kAnew),
    of_connection<&Connection::pools>("pool", kNow),
    of_connection<&Connection::dpd_delay>("dpd", kNow),
    of_connection<&Connection::rekey_time>("ike_rekey", kNow),
    of_connection<&Connection::over_time>("ike_rekey", kNow),
    of_connection<&Connection::rand_time>("ike_rekey", kNow),
    of_connection<&Connection::reauth_time>("reauth", kNow),
    of_connection<&Connection::keyingtries>("keep", kNow),
    of_connection<&Connection::keep_up>("keep", kNow),
    of_connection<&Connection::unique>("unique", kNow),
    of_connection<&Connection::fragmentation>("fragmentation", kNow),
    of_connection<&Connection::childless>("childless", kNow),
    of_connection<&Connection::dscp>("dscp", kNow),
    of_connection<&Connection::send_certreq>("send_certreq", kNow),
    of_connection<&Connection::send_cert>("send_cert", kNow),
};

constexpr Setting<Child> kChildSettings[] = {
    of_child<&Child::local>("local", kAnew),
    of_child<&Child::remote>("remote", kAnew),
    of_child<&Child::proposals>("esp", kAnew),
    of_child<&Child::mode>("mode", kAnew),
    of_child<&Child::reqid>("reqid", kAnew),
    of_child<&Child::priority>("priority", kAnew),
    of_child<&Child::replay_window>("replay_window", kAnew),
    of_child<&Child::policies>("policies", kAnew),
    of_child<&Child::ipcomp>("ipcomp", kAnew),
    of_child<&Child::tfc_padding>("tfc", kAnew),
    of_child<&Child::copy_df>("copy_df", kAnew),
    of_child<&Child::copy_ecn>("copy_ecn", kAnew),
    of_child<&Child::copy_dscp>("copy_dscp", kAnew),
    of_child<&Child::mark_in>("mark_in", kAnew),
    of_child<&Child::mark_out>("mark_out", kAnew),
    of_child<&Child::mark_in_sa>("mark_in_sa", kAnew),
    of_child<&Child::set_mark_in>("set_mark_in", kAnew),
    of_child<&Child::set_mark_out>("set_mark_out", kAnew),
    of_child<&Child::if_id_in>("if_id_in", kAnew),
    of_child<&Child::if_id_out>("if_id_out", kAnew),
    of_child<&Child::interface>("interface", kAnew),
    of_child<&Child::start_action>("keep", kNow),
    of_child<&Child::close_action>("keep", kNow),
    of_child<&Child::dpd_action>("keep", kNow),
    of_child<&Child::lifetime>("esp_rekey", kNow),
    of_child<&Child::inactivity>("inactivity", kNow),
    of_child<&Child::updown>("updown", kNow),
    of_child<&Child::hostaccess>("hostaccess", kNow),
};

template <class T>
ChangedSettings changed_settings(std::span<const Setting<T>> settings, const T& from, const T& to) {
  ChangedSettings changed;
  for (const auto& setting : settings) {
    if (setting.same(from, to)) continue;
    changed.renegotiates |= setting.renegotiates;
    if (std::ranges::find(changed.names, setting.name) == changed.names.end())
      changed.names.push_back(setting.name);
  }
  return changed;
}

ChangedConnection changed_connection(const Connection& from, const ConnectionRef& to) {
  ChangedConnection changed{to, compare(from, *to), {}, {}, {}};
  for (const auto& child : from.children)
    if (to->child(child.name) == nullptr) changed.old_children.push_back(child.name);
  for (const auto& child : to->children) {
    const auto* old = from.child(child.name);
    if (old == nullptr) {
      changed.new_children.push_back(child.name);
    } else if (auto settings = compare(*old, child); !settings.empty()) {
      changed.children.emplace_back(child.name, std::move(settings));
    }
  }
  if (changed.settings.empty() && changed.children.empty() && changed.new_children.empty() &&
      changed.old_children.empty()) {
    const bool reordered = std::ranges::is_permutation(from.children, to->children);
    changed.settings = {{reordered ? "order of children" : "other settings"}, !reordered};
  }
  return changed;
}

std::map<std::string, PoolRef> pools_by_name(const config::Loaded& loaded) {
  std::map<std::string, PoolRef> names;
  for (const PoolRef& pool : loaded.pools) names[pool->name] = pool;
  return names;
}

void compare_pools(const config::Loaded& from, const config::Loaded& to, Difference& difference) {
  const auto old_pools = pools_by_name(from), new_pools = pools_by_name(to);
  for (const auto& [name, pool] : old_pools)
    if (!new_pools.contains(name)) difference.old_pools.push_back(name);
  for (const auto& [name, pool] : new_pools)
    if (const auto old = old_pools.find(name); old == old_pools.end() || !(*old->second == *pool))
      difference.new_pools.push_back(pool);
}

}  // namespace

ChangedSettings compare(const Connection& from, const Connection& to) {
  return changed_settings<Connection>(kConnectionSettings, from, to);
}

ChangedSettings compare(const Child& from, const Child& to) {
  return changed_settings<Child>(kChildSettings, from, to);
}

std::string ChangedConnection::to_string() const {
  std::vector<std::string> parts;
  if (!settings.empty())
    parts.push_back(
        fmt::format("{} changed, {}", fmt::join(settings.names, ", "),
                    settings.renegotiates ? "its IKE SA is set up anew" : "in force now"));
  for (const auto& [name, child] : children) {
    const std::string whose =
        name == connection->name ? std::string() : fmt::format("child {}: ", name);
    parts.push_back(
        fmt::format("{}{} changed, {}", whose, fmt::join(child.names, ", "),
                    child.renegotiates ? "its CHILD SAs are negotiated anew" : "in force now"));
  }
  for (const auto& name : new_children) parts.push_back(fmt::format("child {} is new", name));
  for (const auto& name : old_children)
    parts.push_back(fmt::format("child {} is gone, its CHILD SAs are deleted", name));
  return fmt::format("{}: {}", connection->name, fmt::join(parts, "; "));
}

std::vector<std::string> ChangedConnection::renewed_children() const {
  std::vector<std::string> names;
  for (const auto& [name, child] : children)
    if (child.renegotiates) names.push_back(name);
  return names;
}

std::vector<std::string> Difference::sentences() const {
  std::vector<std::string> all;
  for (const auto& name : removed)
    all.push_back(fmt::format("{} is gone, its SAs are deleted", name));
  for (const auto& connection : changed) all.push_back(connection.to_string());
  for (const auto& connection : added) all.push_back(fmt::format("{} is new", connection->name));
  for (const auto* secret : new_secrets)
    all.push_back(fmt::format("{} is loaded, for the next authentication", secret->id));
  for (const auto& id : old_secrets) all.push_back(fmt::format("{} is gone", id));
  for (const auto& name : old_pools)
    all.push_back(fmt::format("pool {} is gone, its addresses stay until they are released", name));
  for (const auto& pool : new_pools)
    all.push_back(fmt::format("pool {} is loaded, its leases stay", pool->name));
  if (interfaces) all.emplace_back("XFRM interfaces changed, in force now");
  if (settings) all.emplace_back("[daemon] changed, in force when culvertd restarts");
  return all;
}

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
      difference.changed.push_back(changed_connection(*old->second, connection));
  }
  const auto old_ids = by_id(from), new_ids = by_id(to);
  for (const auto& [id, secret] : old_ids)
    if (!new_ids.contains(id)) difference.old_secrets.push_back(id);
  for (const auto& [id, secret] : new_ids) {
    const auto old = old_ids.find(id);
    if (old == old_ids.end() || !same(*old->second, *secret))
      difference.new_secrets.push_back(secret);
  }
  compare_pools(from, to, difference);
  difference.interfaces = !(from.interfaces == to.interfaces);
  difference.settings = !(from.settings == to.settings);
  return difference;
}

}  // namespace culvert
