// What comes up again: connections that are kept up, attempts that nobody answered, and CHILD SAs
// whose actions say so. Invariant: a waiter of a command is in one place only, an IKE SA, a name
// look-up or a restart, until it is told.
#include <algorithm>

#include "ikev2/child.h"
#include "shard/impl.h"

namespace culvert {
namespace {

// Waiting times: later with each failure.
constexpr Duration kFirstRestart = std::chrono::seconds(1);
constexpr Duration kLongestRestart = std::chrono::minutes(1);

constexpr std::size_t kMaxWaiters = 1'000;

CloseAction action_of(DpdAction action) {
  if (action == DpdAction::start) return CloseAction::start;
  return action == DpdAction::trap ? CloseAction::trap : CloseAction::none;
}

}  // namespace

void Shard::Impl::child_closing(const IkeSa& sa, const ikev2::ChildSa& child) {
  act(sa, child, child.config->close_action, now_);
  restart_later(sa.connection->name, false, now_);
}

void Shard::Impl::child_missing(const IkeSa& sa) {
  restart_later(sa.connection->name, false, now_);
}

// The peer has closed the IKE SA, or is silent; or both ends had begun one at once, and what only
// this one had is asked of the other one.
void Shard::Impl::act_on_end(const IkeSa& sa, TimePoint now) {
  const std::string_view by = sa.in<ikev2::Closed>()->by;
  const IkeSa* kept = by == "replacement" ? find_sa_of(sa.connection) : nullptr;
  const bool crossed = kept && kept->first_initiator != sa.first_initiator;
  if (by != "peer" && by != "timeout" && !crossed) return;
  for (const ikev2::ChildSa& child : sa.children) {
    if (!child.is_live()) continue;
    const CloseAction closed = crossed ? CloseAction::start : child.config->close_action;
    act(sa, child, by == "timeout" ? action_of(child.config->dpd_action) : closed, now);
  }
}

void Shard::Impl::act(const IkeSa& sa, const ikev2::ChildSa& child, CloseAction action,
                      TimePoint now) {
  const ConnectionRef current = connections_.find(sa.connection->name);
  const ChildConfig* config = current ? current->child(child.config->name) : nullptr;
  if (action == CloseAction::none || !config || shutting_down_) return;
  if (action == CloseAction::trap) return install_trap(current, *config, true);
  if (current->keep_up) return;  // all of it comes back
  Restart& restart = restarts_[current->name];
  if (restart.waiters.size() >= kMaxWaiters) return;
  restart.waiters.push_back({{}, config->name, child.scope});
  schedule(current->name, restart, true, now);
}

// Another SA of the connection may exist, or have replaced this one: then only the children that it
// lacks are brought up.
void Shard::Impl::schedule_restart(const IkeSa& sa, bool was_established, TimePoint now) {
  if (sa.in<ikev2::Closed>()->by != "us") restart_later(sa.connection->name, was_established, now);
}

// keyingtries: takes the waiters if there is to be another sequence of retransmissions. Who waits
// for a connection that is kept up is told of each failure.
void Shard::Impl::try_again(const ConnectionRef& connection, std::vector<ikev2::Waiter>& waiters,
                            TimePoint now) {
  const ConnectionRef current = connections_.find(connection->name);
  if (shutting_down_ || !current || current->keep_up || waiters.empty()) return;
  Restart& restart = restarts_[current->name];
  if (current->keyingtries != 0 && restart.attempt + 1 >= current->keyingtries) {
    restart.attempt = 0;
    return;
  }
  std::ranges::move(waiters, std::back_inserter(restart.waiters));
  waiters.clear();
  schedule(current->name, restart, false, now);
}

void Shard::Impl::restart_later(const std::string& connection, bool at_first, TimePoint now) {
  const ConnectionRef current = connections_.find(connection);
  if (shutting_down_ || !current || !current->keep_up) return;
  schedule(connection, restarts_[connection], at_first, now);
}

void Shard::Impl::schedule(const std::string& connection, Restart& restart, bool at_first,
                           TimePoint now) {
  const auto shift = at_first ? 0 : std::min(restart.attempt++, 6u);
  const Duration delay = std::min(kLongestRestart, kFirstRestart * (1 << shift));
  // Tunnels that fell together do not all come back in the same moment.
  restart.at = now + delay - ikev2::jitter(*this, delay / 4);
  restart_timers_.schedule(restart.at, connection);
}

// False when nobody waits.
bool Shard::Impl::cancel_restart(const std::string& connection, const std::string& why) {
  const auto at = restarts_.find(connection);
  if (at == restarts_.end()) return false;
  const auto waiters = std::exchange(at->second.waiters, {});
  at->second.attempt = 0;
  for (const ikev2::Waiter& waiter : waiters) finished(waiter.command, false, why);
  return !waiters.empty();
}

void Shard::Impl::restart_due(TimePoint now) {
  while (auto name = restart_timers_.pop_due(now)) {
    const auto at = restarts_.find(*name);
    if (at == restarts_.end() || at->second.at > now) continue;
    at->second.at = kNever;
    auto waiters = std::exchange(at->second.waiters, {});
    const ConnectionRef connection = connections_.find(*name);
    std::erase_if(waiters, [&](const ikev2::Waiter& waiter) {
      if (connection && (waiter.child.empty() || connection->child(waiter.child))) return false;
      finished(waiter.command, false, "its configuration has gone");
      return true;
    });
    if (connection && connection->keep_up) bring_up({}, connection, {}, now);
    if (!waiters.empty()) bring_up(connection, std::move(waiters), now);
  }
}

}  // namespace culvert
