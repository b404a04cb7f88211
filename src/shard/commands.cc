// What operators ask for. A command may have several parts; its CommandDone comes after the last.
#include <algorithm>

#include "ikev2/child.h"
#include "ikev2/ike_rekey.h"
#include "ikev2/ike_sa_init.h"
#include "ikev2/tasks.h"
#include "shard/impl.h"

namespace culvert {
namespace {

// Traps lie below the policies of SAs, which have the default priority of 1,000.
constexpr std::uint32_t kTrapPriority = 2'000;

// By the age of the proof, which rekeying does not renew.
bool is_younger(const IkeSa& one, const IkeSa& other) {
  return std::pair(one.authenticated, one.unique_id) >
         std::pair(other.authenticated, other.unique_id);
}

bool wants_trap(const ChildConfig& child) {
  return child.start_action == StartAction::trap ||
         child.start_action == StartAction::trap_and_start;
}
bool wants_start(const ChildConfig& child) {
  return child.start_action == StartAction::start ||
         child.start_action == StartAction::trap_and_start;
}

}  // namespace

void Shard::Impl::command(Command&& command, TimePoint now) {
  now_ = now;
  std::visit([&](auto&& one) { run(std::forward<decltype(one)>(one), now); }, std::move(command));
  settle_touched(now);
}

// ---- keeping count of a command's parts ----

void Shard::Impl::expect(CommandId command, std::uint32_t parts) {
  if (command) trackers_[command].parts += parts;
}

void Shard::Impl::finished(CommandId command, bool success, const std::string& explanation) {
  const auto at = trackers_.find(command);
  if (at == trackers_.end()) return;
  Tracker& tracker = at->second;
  if (!success && tracker.success) {
    tracker.success = false;
    tracker.explanation = explanation;
  }
  if (--tracker.parts > 0) return;
  outputs_.push_back(CommandDone{command, tracker.success, std::move(tracker.explanation)});
  trackers_.erase(at);
}

void Shard::Impl::done(CommandId command, bool success, std::string explanation) {
  if (command) outputs_.push_back(CommandDone{command, success, std::move(explanation)});
}

// ---- initiate ----

void Shard::Impl::run(Initiate&& command, TimePoint now) {
  ConnectionRef connection = command.connection.empty() ? connections_.find_by_child(command.child)
                                                        : connections_.find(command.connection);
  if (!connection)
    return done(command.id, false,
                command.connection.empty()
                    ? "no connection has a child '" + command.child + "'"
                    : "no connection '" + command.connection + "' is loaded");
  std::vector<const ChildConfig*> children;
  if (!command.child.empty()) {
    const ChildConfig* child = connection->child(command.child);
    if (!child)
      return done(command.id, false,
                  "connection '" + connection->name + "' has no child '" + command.child + "'");
    if (child->is_shunt())
      return done(command.id, false,
                  "child '" + command.child + "' is a pass or drop policy: it has no SA to set up");
    children.push_back(child);
  }
  if (connection->has_only_shunts())
    return done(command.id, false,
                "connection '" + connection->name + "' has only pass and drop policies");
  bring_up(command.id, connection, std::move(children), now);
}

// An SA of the connection that new CHILD SAs may be asked of: established, or being set up by us.
IkeSa* Shard::Impl::find_sa_of(const ConnectionRef& connection) {
  const std::uint64_t key = key_of(connection->name);
  auto at = by_connection_.lower_bound({key, SaHandle{}});
  for (; at != by_connection_.end() && at->first == key; ++at) {
    IkeSa* sa = sas_.get(at->second);
    if (sa && !sa->closed() && !sa->rekeyed && !sas_.get(sa->rival_of) && !ikev2::is_closing(*sa) &&
        sa->superseded_at == kNever && sa->connection->name == connection->name)
      return sa;
  }
  return nullptr;
}

// What an established (or rising) SA of the connection lacks is asked of it.
void Shard::Impl::bring_up_on(IkeSa& sa, const ConnectionRef& connection,
                              std::vector<ikev2::Waiter>&& waiters, TimePoint now) {
  const SaHandle handle = sa.self;
  if (!sa.in<ikev2::Established>()) {
    std::ranges::move(waiters, std::back_inserter(sa.waiters));
    return;
  }
  for (ikev2::Waiter& waiter : waiters) {
    if (waiter.child.empty() || ikev2::covers(sa, waiter.child, waiter.scope)) {
      finished(waiter.command, true, {});
      continue;
    }
    ikev2::queue_child(sa, ikev2::child_ref(connection, connection->child(waiter.child)),
                       waiter.scope);
    if (waiter.command) sa.waiters.push_back(std::move(waiter));
  }
  ikev2::run_next_task(*this, sa, now);
  settle(handle, now);
}

void Shard::Impl::bring_up(CommandId command, const ConnectionRef& connection,
                           std::vector<const ChildConfig*> children, TimePoint now,
                           const ikev2::ScopeRef& scope) {
  if (children.empty())
    for (const ChildConfig& child : connection->children)
      if (!child.is_shunt()) children.push_back(&child);
  std::vector<ikev2::Waiter> waiters;
  for (const ChildConfig* child : children) waiters.push_back({command, child->name, scope});
  if (waiters.empty()) waiters.push_back({command, {}});
  expect(command, static_cast<std::uint32_t>(waiters.size()));
  bring_up(connection, std::move(waiters), now);
}

void Shard::Impl::bring_up(const ConnectionRef& connection, std::vector<ikev2::Waiter>&& waiters,
                           TimePoint now) {
  if (IkeSa* sa = find_sa_of(connection))
    return bring_up_on(*sa, connection, std::move(waiters), now);
  for (auto& [job, pending] : resolving_)
    if (pending.connection->name == connection->name) {
      std::ranges::move(waiters, std::back_inserter(pending.waiters));
      return;
    }
  const bool local_known =
      connection->local_addrs.size() == 1 && connection->local_addrs[0].is_single();
  const bool remote_known =
      connection->remote_addrs.size() == 1 && connection->remote_addrs[0].is_single();
  if (local_known && remote_known)
    return start(connection, std::move(waiters), connection->local_addrs[0].first,
                 connection->remote_addrs[0].first, now);
  const JobId job{++last_job_};
  resolving_[job] = PendingStart{connection, std::move(waiters)};
  const auto restart = restarts_.find(connection->name);
  outputs_.push_back(
      ResolvePeer{job, connection, restart == restarts_.end() ? 0 : restart->second.attempt});
}

void Shard::Impl::complete(JobId job, PeerResolution&& answer, TimePoint now) {
  now_ = now;
  const auto at = resolving_.find(job);
  if (at == resolving_.end()) return;
  PendingStart pending = std::move(at->second);
  resolving_.erase(at);
  // The peer may have been quicker.
  if (IkeSa* sa = find_sa_of(pending.connection))
    return bring_up_on(*sa, pending.connection, std::move(pending.waiters), now);
  if (!answer.remote.is_none() && !answer.local.is_none())
    return start(pending.connection, std::move(pending.waiters), answer.local, answer.remote, now);
  trace::Event event;
  event.subject.connection = pending.connection->name;
  event.body = trace::PeerNotResolved{std::move(answer.error)};
  const std::string why = trace::sentence_of(event);
  emit(std::move(event));
  try_again(pending.connection, pending.waiters, now);
  for (const ikev2::Waiter& waiter : pending.waiters) finished(waiter.command, false, why);
  restart_later(pending.connection->name, false, now);
}

void Shard::Impl::start(const ConnectionRef& connection, std::vector<ikev2::Waiter>&& waiters,
                        const IpAddress& local, const IpAddress& remote, TimePoint now) {
  if (shutting_down_) {  // the answer of a resolver may come late
    for (const ikev2::Waiter& waiter : waiters)
      finished(waiter.command, false, "the daemon is shutting down");
    return;
  }
  IkeSa& sa = create();
  const SaHandle handle = sa.self;
  sa.connection = connection;
  sa.waiters = std::move(waiters);
  sa.spi_i = new_ike_spi();
  sa.local = {local, options_.ike_port};
  sa.remote = {remote, connection->remote_port};
  by_spi_[sa.spi_i] = handle;
  by_connection_.insert({key_of(connection->name), handle});
  ikev2::initiate(*this, sa, now);
  settle(handle, now);
}

// Both sides may have begun at once; without this each of the two SAs would be doubled again.
IkeSa* Shard::Impl::find_newer(const IkeSa& old) {
  const std::uint64_t key = identity_key(old);
  for (auto at = by_identity_.lower_bound({key, SaHandle{}});
       at != by_identity_.end() && at->first == key; ++at) {
    IkeSa* sa = sas_.get(at->second);
    if (sa && sa->in<ikev2::Established>() && is_younger(*sa, old) && !sa->rekeyed &&
        !sas_.get(sa->rival_of) && !ikev2::is_closing(*sa) && sa->superseded_at == kNever &&
        sa->connection->name == old.connection->name && is_same_peer(*sa, old))
      return sa;
  }
  return nullptr;
}

bool Shard::Impl::has_elder(const IkeSa& sa, const ikev2::ChildSa& child) const {
  const std::uint64_t key = identity_key(sa);
  auto at = by_identity_.lower_bound({key, SaHandle{}});
  for (int seen = 0; at != by_identity_.end() && at->first == key && seen < kMostAlike;
       ++at, ++seen) {
    const IkeSa* other = sas_.get(at->second);
    if (!other || other == &sa || !other->in<ikev2::Established>()) continue;
    if (std::ranges::any_of(other->children, [&](const ikev2::ChildSa& one) {
          return one.is_live() && one.policy && one.config->name == child.config->name &&
                 one.local_ts == child.local_ts && one.remote_ts == child.remote_ts;
        }))
      return true;
  }
  return false;
}

void Shard::Impl::hand_over(IkeSa& old, IkeSa& newer) {
  if (sas_.get(newer.replaces)) {
    old.reauth_at = now_ + kReauthenticateAgain;  // it is busy with another one
    return;
  }
  newer.replaces = old.self;
  old.replaced_by = newer.self;
  for (const ikev2::ChildSa& child : old.children)
    if (child.is_live()) ikev2::queue_child(newer, child.config, child.scope);
  ikev2::run_next_task(*this, newer, now_);
  touched_.push_back(newer.self);
}

// Make before break: a second IKE SA between the same endpoints asks for the same CHILD SAs. The
// address and port are those that are known to work, a NAT's mapping included.
void Shard::Impl::reauthenticate(IkeSa& old) {
  if (IkeSa* newer = find_newer(old)) return hand_over(old, *newer);
  const ConnectionRef current = connections_.find(old.connection->name);
  const ConnectionRef connection = current ? current : old.connection;
  IkeSa& sa = create();
  const SaHandle handle = sa.self;
  sa.connection = connection;
  for (const ikev2::ChildSa& child : old.children)
    if (child.is_live() && connection->child(child.config->name))
      sa.waiters.push_back({{}, child.config->name, child.scope});
  sa.spi_i = new_ike_spi();
  sa.local = old.local;
  sa.remote = old.remote;
  sa.replaces = old.self;
  old.replaced_by = handle;
  by_spi_[sa.spi_i] = handle;
  by_connection_.insert({key_of(connection->name), handle});
  ikev2::initiate(*this, sa, now_);
  touched_.push_back(handle);
}

// ---- terminate ----

void Shard::Impl::terminate_ike(CommandId command, IkeSa& sa, bool force, TimePoint now) {
  expect(command, 1);
  sa.close_waiters.push_back(command);
  if (!sa.in<ikev2::Established>()) {
    ikev2::close(sa, "us");
  } else {
    // By force, the peer is told only when the window allows it at once (RFC 7296, 2.3).
    ikev2::queue_ike_delete(sa);
    ikev2::run_next_task(*this, sa, now);
    if (force) {
      if (IkeSa* rival = ikev2::successor_by_peer(*this, sa)) terminate_ike({}, *rival, true, now);
      ikev2::close(sa, "us");
    }
  }
  settle(sa.self, now);
}

void Shard::Impl::terminate_child(CommandId command, IkeSa& sa, SaPairId pair, TimePoint now) {
  expect(command, 1);
  if (command) child_close_waiters_.emplace(pair, command);
  ikev2::queue_task(sa, ikev2::DeleteChild{pair});
  ikev2::run_next_task(*this, sa, now);
  settle(sa.self, now);
}

template <class C>
Shard::Impl::Selection Shard::Impl::select(const C& command) {
  const bool by_child = !command.child.empty() || command.child_unique_id != 0;
  Selection selection;
  sas_.for_each([&](SaHandle handle, IkeSa& sa) {
    if (!sa.connection || sa.rekeyed || sas_.get(sa.rival_of)) return;
    if (!command.connection.empty() && sa.connection->name != command.connection) return;
    if (command.ike_unique_id && sa.unique_id != command.ike_unique_id) return;
    // Whose connection it becomes is decided when the peer says who it is.
    if (!command.ike_unique_id && sa.in<ikev2::HalfOpen>()) return;
    if (!by_child) return selection.ikes.push_back(handle);
    for (const ikev2::ChildSa& child : sa.children)
      if (!child.is_going() && (command.child.empty() || child.config->name == command.child) &&
          (!command.child_unique_id || child.unique_id == command.child_unique_id))
        selection.children.emplace_back(handle, child.pair);
  });
  return selection;
}

void Shard::Impl::run(Terminate&& command, TimePoint now) {
  const Selection selection = select(command);
  const bool cancelled = !command.connection.empty() && command.child.empty() &&
                         !command.ike_unique_id && !command.child_unique_id &&
                         cancel_restart(command.connection, "terminated");
  if (selection.empty())
    return done(command.id, cancelled, cancelled ? "" : "no matching SAs to terminate found");
  expect(command.id, 1);  // keeps the command open until all parts are under way
  for (const SaHandle handle : selection.ikes)
    if (IkeSa* sa = sas_.get(handle)) terminate_ike(command.id, *sa, command.force, now);
  for (const auto& [handle, pair] : selection.children)
    if (IkeSa* sa = sas_.get(handle); sa && sa->in<ikev2::Established>())
      terminate_child(command.id, *sa, pair, now);
  finished(command.id, true, {});
}

void Shard::Impl::run(Rekey&& command, TimePoint now) {
  const Selection selection = select(command);
  if (selection.empty()) return done(command.id, false, "no matching SAs to rekey found");
  const auto rekey = [&](SaHandle handle, ikev2::Task&& task) {
    IkeSa* sa = sas_.get(handle);
    if (!sa || !sa->in<ikev2::Established>()) return;
    ikev2::queue_task(*sa, std::move(task));
    ikev2::run_next_task(*this, *sa, now);
    settle(handle, now);
  };
  for (const SaHandle handle : selection.ikes) {
    IkeSa* sa = sas_.get(handle);
    if (!command.reauthenticate)
      rekey(handle, ikev2::RekeyIke{});
    else if (sa && sa->in<ikev2::Established>())
      reauthenticate(*sa);
  }
  for (const auto& [handle, pair] : selection.children) rekey(handle, ikev2::RekeyChild{pair});
  done(command.id, true, {});
}

void Shard::Impl::run(Shutdown&& command, TimePoint now) {
  shutting_down_ = true;
  shutdown_deadline_ = command.deadline;
  while (!restarts_.empty()) {
    const std::string name = restarts_.begin()->first;
    cancel_restart(name, "the daemon is shutting down");
    restarts_.erase(name);
  }
  while (!traps_.empty()) {
    const auto name = traps_.begin()->first;
    uninstall_trap(name.first, name.second);
  }
  expect(command.id, 1);
  std::vector<SaHandle> all;
  sas_.for_each([&](SaHandle handle, IkeSa&) { all.push_back(handle); });
  for (const SaHandle handle : all)
    if (IkeSa* sa = sas_.get(handle)) terminate_ike(command.id, *sa, false, now);
  finished(command.id, true, {});
}

// ---- configuration ----

std::vector<const ChildConfig*> Shard::Impl::load(const ConnectionRef& connection) {
  if (auto old = connections_.find(connection->name))
    for (const ChildConfig& child : old->children) uninstall_trap(old->name, child.name);
  if (const auto old = connections_.find(connection->name); !old || *old != *connection)
    std::erase_if(known_pfs_,
                  [&](const ChildName& name) { return name.first == connection->name; });
  connections_.add(connection);
  std::vector<const ChildConfig*> to_start;
  for (const ChildConfig& child : connection->children) {
    // What must stay up must not leave in clear while it is down either.
    if (wants_trap(child) || (connection->keep_up && !child.is_shunt()))
      install_trap(connection, child, wants_trap(child));
    if (!child.is_shunt() && (connection->keep_up || wants_start(child)))
      to_start.push_back(&child);
  }
  return to_start;
}

void Shard::Impl::undo_starts(const ConnectionConfig& connection, TimePoint now) {
  Terminate command;
  command.connection = connection.name;
  for (const SaHandle handle : select(command).ikes) {
    IkeSa* sa = sas_.get(handle);
    if (!sa || !sa->in<ikev2::Established>()) continue;
    std::vector<SaPairId> started;
    for (const ikev2::ChildSa& child : sa->children)
      if (const ChildConfig* config = connection.child(child.config->name);
          config && wants_start(*config) && !child.is_going())
        started.push_back(child.pair);
    if (started.empty()) continue;
    const auto live = std::ranges::count_if(
        sa->children, [](const ikev2::ChildSa& child) { return !child.is_going(); });
    if (static_cast<std::size_t>(live) == started.size()) {
      terminate_ike({}, *sa, false, now);
      continue;
    }
    for (const SaPairId pair : started) terminate_child({}, *sa, pair, now);
  }
}

void Shard::Impl::run(LoadConnection&& command, TimePoint now) {
  if (const auto old = connections_.find(command.connection->name);
      old && *old != *command.connection)
    undo_starts(*old, now);
  auto to_start = load(command.connection);
  if (!to_start.empty()) bring_up({}, command.connection, std::move(to_start), now);
}

void Shard::Impl::run(UnloadConnection&& command, TimePoint now) {
  if (auto old = connections_.find(command.name)) {
    for (const ChildConfig& child : old->children) uninstall_trap(old->name, child.name);
    undo_starts(*old, now);
  }
  cancel_restart(command.name, "the connection is unloaded");
  restarts_.erase(command.name);
  const bool found = connections_.remove(command.name);
  done(command.id, found, found ? "" : "no connection '" + command.name + "' is loaded");
}

void Shard::Impl::run(LoadSecret&& command, TimePoint) { secrets_.add(std::move(command.secret)); }

void Shard::Impl::run(UnloadSecret&& command, TimePoint) {
  const bool found = secrets_.remove(command.secret_id);
  done(command.id, found, found ? "" : "no secret '" + command.secret_id + "' is loaded");
}

void Shard::Impl::run(ClearSecrets&&, TimePoint) { secrets_.clear(); }

bool Shard::Impl::pfs_is_known(const IkeSa& sa, const ChildConfig& child) const {
  return known_pfs_.contains({sa.connection->name, child.name});
}
void Shard::Impl::know_pfs(const IkeSa& sa, const ChildConfig& child) {
  if (options_.check_pfs) known_pfs_.insert({sa.connection->name, child.name});
}

// ---- traps ----

void Shard::Impl::install_trap(const ConnectionRef& connection, const ChildConfig& child,
                               bool acquires) {
  const std::pair name{connection->name, child.name};
  if (traps_.contains(name) || !child.policies) return;
  const auto host_of = [](const std::vector<AddressPattern>& patterns) {
    return !patterns.empty() && patterns[0].is_single() ? patterns[0].first : IpAddress{};
  };
  InstallPolicy policy;
  policy.policy = new_policy_id();
  policy.local_ts = resolve(child.local, host_of(connection->local_addrs));
  // Which address we are going to have is not known: any of its family.
  if (!connection->vips.empty()) policy.local_ts.clear();
  for (const IpAddress& vip : connection->vips)
    for (const TrafficSelector& one : resolve(child.local, IpAddress::any(vip.family())))
      if (std::ranges::find(policy.local_ts, one) == policy.local_ts.end())
        policy.local_ts.push_back(one);
  policy.remote_ts = resolve(child.remote, host_of(connection->remote_addrs));
  policy.mode = child.mode;
  policy.priority = child.priority ? child.priority : kTrapPriority;
  policy.protocol =
      ikev2::protocol_of(child) == wire::ProtocolId::ah ? IpsecProtocol::ah : IpsecProtocol::esp;
  policy.ipcomp = child.ipcomp;
  policy.reqid = child.reqid ? child.reqid : ++last_reqid_;
  policy.mark_in = child.mark_in;
  policy.mark_out = child.mark_out;
  policy.if_id_in = child.if_id_in ? child.if_id_in : connection->if_id_in;
  policy.if_id_out = child.if_id_out ? child.if_id_out : connection->if_id_out;
  policy.interface = child.interface;
  policy.local.address = host_of(connection->local_addrs);
  policy.remote.address = host_of(connection->remote_addrs);
  traps_[name] =
      Trap{policy.policy,   connection,      connection->child(child.name), acquires, policy.reqid,
           policy.local_ts, policy.remote_ts};
  trap_names_[policy.policy] = name;
  apply(std::move(policy));
}

bool Shard::Impl::uninstall_trap(const std::string& connection, const std::string& child) {
  const auto at = traps_.find({connection, child});
  if (at == traps_.end()) return false;
  trap_names_.erase(at->second.policy);
  apply(DeletePolicy{at->second.policy});
  traps_.erase(at);
  return true;
}

void Shard::Impl::run(InstallTrap&& command, TimePoint) {
  ConnectionRef connection = command.connection.empty() ? connections_.find_by_child(command.child)
                                                        : connections_.find(command.connection);
  const ChildConfig* child = connection ? connection->child(command.child) : nullptr;
  if (!child) return done(command.id, false, "no child '" + command.child + "' is loaded");
  install_trap(connection, *child, true);
  done(command.id, true, {});
}

void Shard::Impl::run(UninstallTrap&& command, TimePoint) {
  for (const auto& [name, trap] : traps_)
    if (name.second == command.child &&
        (command.connection.empty() || name.first == command.connection)) {
      const std::string connection = name.first;
      uninstall_trap(connection, command.child);
      return done(command.id, true, {});
    }
  done(command.id, false, "no policy of child '" + command.child + "' is installed");
}

}  // namespace culvert
