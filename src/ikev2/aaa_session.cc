// Invariant: a session is in one IKE SA at a time, the one that has its CHILD SAs.
#include "ikev2/aaa_session.h"

#include <algorithm>

#include "ikev2/tasks.h"

namespace culvert::ikev2 {

void begin_session(Host& host, IkeSa& sa, const AuthExchange& exchange, TimePoint now) {
  if (!exchange.authorization) return;
  sa.session = std::make_unique<AaaSession>();
  sa.session->granted = exchange.authorization;
  if (const auto time = exchange.authorization->session_timeout) sa.session->ends = now + *time;
  sa.session->id = host.begin_session(sa);
}

void change_session(Host& host, IkeSa& sa, const radius::Authorization& changes, TimePoint now) {
  if (!sa.session || !sa.in<Established>()) return;
  auto granted = std::make_shared<radius::Authorization>(*sa.session->granted);
  if (changes.session_timeout) {
    granted->session_timeout = changes.session_timeout;
    sa.session->ends = now + *changes.session_timeout;
  }
  if (changes.idle_timeout) granted->idle_timeout = changes.idle_timeout;
  sa.session->granted = std::move(granted);
  for (ChildSa& child : sa.children)
    if (changes.idle_timeout && child.is_live()) child.idle_at = now + *changes.idle_timeout;
  emit(host, sa, trace::AaaSessionChanged{eap::printable(sa.eap_user)});
}

void end_session(IkeSa& sa, radius::TerminateCause cause) {
  if (!sa.session || !sa.in<Established>() || is_closing(sa)) return;
  sa.session->cause = cause;
  queue_ike_delete(sa, "us");
}

void expire_session(Host& host, IkeSa& sa, TimePoint now) {
  if (!sa.session || sa.session->ends > now) return;
  sa.session->ends = kNever;
  emit(host, sa, trace::AaaSessionOver{eap::printable(sa.eap_user)});
  end_session(sa, radius::TerminateCause::session_timeout);
}

Duration inactivity_of(const IkeSa& sa, const ChildSa& child) {
  const auto granted = sa.session ? sa.session->granted->idle_timeout : std::nullopt;
  return granted ? Duration(*granted) : child.config->inactivity;
}

bool ends_when_idle(const IkeSa& sa, const ChildSa& child) {
  return sa.session && sa.session->granted->idle_timeout &&
         std::ranges::none_of(sa.children, [&child](const ChildSa& other) {
           return other.is_live() && other.pair != child.pair;
         });
}

}  // namespace culvert::ikev2
