#include "ikev2/ike_sa.h"

#include <algorithm>

#include "base/limits.h"
#include "ikev2/host.h"
#include "trace/render.h"

namespace culvert::ikev2 {

ChildSa* IkeSa::child_by_pair(SaPairId pair) {
  auto at = std::ranges::find(children, pair, &ChildSa::pair);
  return at == children.end() ? nullptr : &*at;
}

ChildSa* IkeSa::child_by_outbound_spi(IpsecProtocol protocol, std::uint32_t spi) {
  auto at = std::ranges::find_if(children, [&](const ChildSa& child) {
    return child.protocol == protocol && child.spi_out == spi &&
           child.state != ChildState::lingering;
  });
  return at == children.end() ? nullptr : &*at;
}

bool RequestMeter::add(std::uint32_t cost, TimePoint now) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now - at).count();
  const auto leaked =
      static_cast<std::uint64_t>(milliseconds) * limits::kChildRequestsPerSecond / 1'000;
  if (leaked > 0) {
    level -= static_cast<std::uint32_t>(std::min<std::uint64_t>(leaked, level));
    at = now;
  }
  if (level + cost > limits::kChildRequestBurst) return false;
  level += cost;
  return true;
}

TimePoint IkeSa::next_deadline() const {
  TimePoint next = expires;
  if (outstanding) next = std::min(next, outstanding->next_at);
  for (const auto& slot : fragments)
    if (slot) next = std::min(next, slot->expires());
  const auto* up = in<Established>();
  if (up) next = std::min({next, rekey_at, reauth_at, hard_at, superseded_at, keepalive_at});
  if (up && session) next = std::min(next, session->ends);
  // What a rekeyed IKE SA has left to its successor.
  if (up && !outstanding && !up->queue.empty()) next = TimePoint::min();
  for (const ChildSa& child : children)
    next = std::min({next, child.expires_at, child.send_at,
                     child.is_live() ? std::min(child.rekey_at, child.idle_at) : kNever});
  if (up && connection->dpd_delay > Duration::zero() && !outstanding)
    next = std::min(next, last_inbound + connection->dpd_delay);
  return next;
}

trace::Subject subject_of(const IkeSa& sa, const ChildConfig* child) {
  trace::Subject subject;
  if (sa.connection) subject.connection = sa.connection->name;
  if (child) subject.child = child->name;
  subject.ike_unique_id = sa.unique_id;
  subject.local = sa.local;
  subject.remote = sa.remote;
  return subject;
}

void emit(Host& host, IkeSa& sa, trace::Body&& body, const ChildConfig* child) {
  trace::Event event{subject_of(sa, child), std::move(body)};
  if (trace::info_of(event).explains_failure) sa.last_failure = trace::sentence_of(event);
  host.emit(std::move(event));
}

void close(IkeSa& sa, std::string_view by) {
  if (!sa.closed()) sa.state = Closed{by};
}

}  // namespace culvert::ikev2
