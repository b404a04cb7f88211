// Owns reauthentication. Invariant: the old IKE SA is deleted only when the new one is established
// and has asked for every CHILD SA of the old one.
#include "ikev2/reauthentication.h"

#include <algorithm>

#include "ikev2/child.h"
#include "ikev2/informational.h"
#include "ikev2/tasks.h"

namespace culvert::ikev2 {
namespace {

using wire::NotifyType;

bool is_set(Duration time) { return time > Duration::zero(); }

// A responder leaves it to the initiator, which AUTH_LIFETIME has told, and acts when that has not.
Duration grace_of_initiator(const ConnectionConfig& connection) {
  return is_set(connection.over_time) ? connection.over_time / 2 : std::chrono::seconds(30);
}

// What an AAA server wants to be followed by another login; zero: nothing.
Duration granted_lifetime(const IkeSa& sa) {
  const bool again = sa.session && sa.session->granted->reauthenticate;
  return again
             ? Duration(sa.session->granted->session_timeout.value_or(std::chrono::seconds::zero()))
             : Duration::zero();
}

// What has been sent on the old CHILD SAs arrives before they are deleted.
constexpr Duration kPacketsUnderWay = std::chrono::seconds(2);

bool can_initiate(const IkeSa& sa) {
  return sa.is_initiator() ||
         std::ranges::any_of(sa.connection->remote_addrs, [](const AddressPattern& pattern) {
           return pattern.is_single() || pattern.kind == AddressPattern::Kind::host_name;
         });
}

}  // namespace

void schedule_hard_end(IkeSa& sa, TimePoint now) {
  const ConnectionConfig& connection = *sa.connection;
  sa.hard_at = sa.auth_expires;
  if (is_set(connection.rekey_time) && is_set(connection.over_time))
    sa.hard_at = std::min(sa.hard_at, now + connection.rekey_time + connection.over_time);
}

void schedule_reauthentication(Host& host, IkeSa& sa, TimePoint now) {
  const ConnectionConfig& connection = *sa.connection;
  if (is_set(connection.reauth_time)) {
    const auto early = jitter(host, std::min(connection.rand_time, connection.reauth_time));
    if (sa.is_initiator())
      sa.reauth_at = now + connection.reauth_time - early;
    else if (can_initiate(sa))
      sa.reauth_at = now + connection.reauth_time + grace_of_initiator(connection);
    if (is_set(connection.over_time))
      sa.auth_expires = now + connection.reauth_time + connection.over_time;
  }
  schedule_hard_end(sa, now);
}

void add_auth_lifetime(const IkeSa& sa, Payloads& payloads) {
  Duration lifetime = sa.connection->reauth_time;
  if (const auto granted = granted_lifetime(sa); is_set(granted))
    lifetime = is_set(lifetime) ? std::min(lifetime, granted) : granted;
  if (!is_set(lifetime)) return;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(lifetime).count();
  Bytes data(4);
  store_be(data.data(), static_cast<std::uint32_t>(std::min<std::int64_t>(seconds, 0xffff'ffff)));
  payloads.push_back(make_notify(NotifyType::auth_lifetime, std::move(data)));
}

void note_auth_lifetime(Host& host, IkeSa& sa, const Inbound& in) {
  const auto* notify = wire::find_notify(in.payloads, NotifyType::auth_lifetime);
  if (!notify || notify->data.size() != 4 || !can_initiate(sa)) return;
  const std::chrono::seconds lifetime(load_be<std::uint32_t>(notify->data.data()));
  emit(host, sa, trace::AuthLifetime{static_cast<std::uint64_t>(lifetime.count())});
  // Early enough for the exchanges and their retransmissions.
  const Duration early = Duration(lifetime) / 10;
  sa.reauth_at = std::min(sa.reauth_at, in.now + lifetime - early - jitter(host, early));
}

void expire_authentication(Host& host, IkeSa& sa, TimePoint now) {
  if (sa.rekeyed || is_closing(sa)) {
    sa.reauth_at = sa.hard_at = kNever;
    return;
  }
  if (sa.hard_at <= now) {
    emit(host, sa, trace::LifetimeOver{});
    if (!sa.outstanding) send_ike_delete(host, sa, {}, now);
    return close(sa, "timeout");
  }
  if (sa.reauth_at > now) return;
  sa.reauth_at = kNever;
  emit(host, sa, trace::Reauthenticating{});
  host.reauthenticate(sa);
}

void finish_reauthentication(Host& host, IkeSa& sa, TimePoint now) {
  const auto* up = sa.in<Established>();
  if (!sa.replaces || !up || sa.outstanding || !up->queue.empty()) return;
  IkeSa* old = host.find(std::exchange(sa.replaces, {}));
  if (!old || !old->in<Established>()) return;
  old->superseded_at = std::min(old->superseded_at, now + kPacketsUnderWay);
  host.touched(*old);
}

}  // namespace culvert::ikev2
