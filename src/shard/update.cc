// New settings for a connection whose SAs stay.
// Invariant: an SA's connection is the loaded one, or one that was replaced by LoadConnection.
#include <algorithm>

#include "ikev2/child.h"
#include "ikev2/ike_rekey.h"
#include "ikev2/reauthentication.h"
#include "ikev2/tasks.h"
#include "shard/impl.h"

namespace culvert {

// Times count from when the SA was established; what they would have ended already is due now.
void Shard::Impl::adopt_times(IkeSa& sa, const ConnectionConfig& old, TimePoint now) {
  const ConnectionConfig& current = *sa.connection;
  if (old.rekey_time == current.rekey_time && old.reauth_time == current.reauth_time &&
      old.over_time == current.over_time)
    return;
  sa.rekey_at = std::max(now, ikev2::next_ike_rekey(*this, current, sa.established));
  sa.reauth_at = sa.auth_expires = kNever;
  ikev2::schedule_reauthentication(*this, sa, sa.established);
  sa.reauth_at = std::max(now, sa.reauth_at);
  sa.hard_at = std::max(now + current.over_time, sa.hard_at);
}

// One SA takes the new settings over.
void Shard::Impl::adopt(IkeSa& sa, const UpdateConnection& update, TimePoint now) {
  const ConnectionRef& connection = update.connection;
  const ConnectionRef old = std::exchange(sa.connection, connection);
  auto* up = sa.in<ikev2::Established>();
  // Its first CHILD SA is being negotiated with settings that may be no longer wanted.
  if (!up) {
    if (!update.renew.empty()) ikev2::close(sa, "replacement");
    return;
  }
  if (!sa.rekeyed) adopt_times(sa, *old, now);
  std::erase_if(up->queue, [&](ikev2::Task& task) {
    auto* create = std::get_if<ikev2::CreateChild>(&task);
    if (!create) return false;
    const ChildConfig* config = connection->child(create->config->name);
    if (config) create->config = ikev2::child_ref(connection, config);
    return config == nullptr;
  });
  for (ikev2::ChildSa& child : sa.children) {
    const ChildConfig* config = connection->child(child.config->name);
    if (!config || std::ranges::find(update.renew, config->name) != update.renew.end()) {
      if (!child.is_going()) ikev2::queue_task(sa, ikev2::DeleteChild{child.pair});
      continue;
    }
    const bool new_life = child.config->lifetime != config->lifetime ||
                          child.config->inactivity != config->inactivity;
    child.config = ikev2::child_ref(connection, config);
    if (new_life && child.is_live()) ikev2::reschedule_child(*this, sa, child, now);
  }
  ikev2::run_next_task(*this, sa, now);
}

void Shard::Impl::run(UpdateConnection&& command, TimePoint now) {
  const ConnectionRef& connection = command.connection;
  auto to_start = load(connection);
  const std::uint64_t key = key_of(connection->name);
  std::vector<SaHandle> handles;
  for (auto at = by_connection_.lower_bound({key, SaHandle{}});
       at != by_connection_.end() && at->first == key; ++at)
    handles.push_back(at->second);
  for (const SaHandle handle : handles) {
    IkeSa* sa = sas_.get(handle);
    if (!sa || sa->connection->name != connection->name) continue;
    adopt(*sa, command, now);
    settle(handle, now);
  }
  if (!to_start.empty()) bring_up({}, connection, std::move(to_start), now);
}

}  // namespace culvert
