// What the data plane tells: traffic for a trap, limits reached, moved peers, signs of life.
#include <algorithm>
#include <utility>

#include "ikev2/aaa_session.h"
#include "ikev2/child.h"
#include "ikev2/path.h"
#include "ikev2/tasks.h"
#include "shard/impl.h"

namespace culvert {

void Shard::Impl::notice(const SadNotice& notice, TimePoint now) {
  now_ = now;
  if (const auto* acquire = std::get_if<Acquire>(&notice)) {
    const auto at = trap_names_.find(acquire->policy);
    if (at == trap_names_.end()) return;
    const Trap& trap = traps_.at(at->second);
    if (trap.acquires)
      bring_up({}, trap.connection, {trap.child}, now,
               std::make_shared<const ikev2::Scope>(
                   ikev2::Scope{{acquire->local}, {acquire->remote}, true}));
    return;
  }
  const SaPairId pair = std::visit(
      [](const auto& one) {
        if constexpr (requires { one.pair; })
          return one.pair;
        else
          return SaPairId{};
      },
      notice);
  const auto owner = pair_owner_.find(pair);
  IkeSa* sa = owner == pair_owner_.end() ? nullptr : sas_.get(owner->second);
  if (!sa || !sa->in<ikev2::Established>()) return;
  if (std::holds_alternative<Activity>(notice)) {
    sa->last_inbound = now;
    // RFC 7296, 2.8: the peer uses the new SA of a rekey, so we may.
    if (const ikev2::ChildSa* child = sa->child_by_pair(pair);
        child && child->state == ikev2::ChildState::installed)
      ikev2::switch_policy(*this, *sa, pair);
  } else if (const auto* moved = std::get_if<MappingChange>(&notice)) {
    ikev2::follow_mapping(*this, *sa, moved->remote);
  } else if (const auto* sent = std::get_if<Sent>(&notice)) {
    if (sa->keepalive_at != kNever) sa->keepalive_at = sent->at + options_.nat_keepalive;
  } else if (const auto* expired = std::get_if<Expire>(&notice)) {
    ikev2::ChildSa* child = sa->child_by_pair(pair);
    if (!child || !child->is_live()) return;
    (expired->hard ? child->expires_at : child->rekey_at) = now;
  }
  settle(owner->second, now);
}

void Shard::Impl::last_use(SaPairId pair, TimePoint last_use, TimePoint now) {
  now_ = now;
  const auto owner = pair_owner_.find(pair);
  IkeSa* sa = owner == pair_owner_.end() ? nullptr : sas_.get(owner->second);
  ikev2::ChildSa* child = sa ? sa->child_by_pair(pair) : nullptr;
  if (!child || !child->is_live() || !sa->in<ikev2::Established>()) return;
  const Duration inactivity = ikev2::inactivity_of(*sa, *child);
  const TimePoint used = std::max(last_use, child->installed);
  if (now - used < inactivity) {
    child->idle_at = used + inactivity;
  } else {
    const auto idle = std::chrono::duration_cast<std::chrono::seconds>(now - used);
    ikev2::emit(*this, *sa, trace::ChildInactive{static_cast<std::uint64_t>(idle.count())},
                child->config.get());
    if (ikev2::ends_when_idle(*sa, *child))
      ikev2::end_session(*sa, radius::TerminateCause::idle_timeout);
    else
      ikev2::queue_task(*sa, ikev2::DeleteChild{pair});
    ikev2::run_next_task(*this, *sa, now);
  }
  settle(sa->self, now);
}

void Shard::Impl::refused(SadRefusal&& refusal, TimePoint now) {
  now_ = now;
  trace::SadFailed event{std::move(refusal.why)};
  const auto owner = pair_owner_.find(refusal.pair);
  IkeSa* sa = owner == pair_owner_.end() ? nullptr : sas_.get(owner->second);
  if (!sa) {
    trace::Event alone{{}, std::move(event)};
    if (const auto trap = trap_names_.find(refusal.policy); trap != trap_names_.end()) {
      alone.subject.connection = trap->second.first;
      alone.subject.child = trap->second.second;
    }
    return emit(std::move(alone));
  }
  ikev2::ChildSa* child = sa->child_by_pair(refusal.pair);
  // The other direction and the policy are refused for the same reason, and so is the successor
  // when the rekeying had begun.
  const bool told = child && std::ranges::any_of(sa->children, [&](const ikev2::ChildSa& one) {
                      return one.lineage == child->lineage && one.refused;
                    });
  if (child && std::exchange(child->refused, true)) return;
  if (!told) ikev2::emit(*this, *sa, std::move(event), child ? child->config.get() : nullptr);
  if (!child || child->is_going() || !sa->in<ikev2::Established>()) return;
  ikev2::queue_task(*sa, ikev2::DeleteChild{refusal.pair, true});
  ikev2::run_next_task(*this, *sa, now);
  settle(sa->self, now);
}

}  // namespace culvert
