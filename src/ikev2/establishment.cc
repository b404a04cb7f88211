// Invariant: no SA becomes Established, and no CHILD SA exists, without exchange.peer, which only
// Authentication makes.
#include "ikev2/establishment.h"

#include "ikev2/aaa_session.h"
#include "ikev2/child.h"
#include "ikev2/child_rekey.h"
#include "ikev2/configuration.h"
#include "ikev2/ike_rekey.h"
#include "ikev2/mobike.h"
#include "ikev2/reauthentication.h"
#include "ikev2/refusal.h"
#include "ikev2/tasks.h"

namespace culvert::ikev2 {
namespace {

using wire::ExchangeType;
using wire::NotifyType;
using wire::PayloadType;

// Which child goes into IKE_AUTH: the first that somebody waits for, else the first of all. None
// where the child follows in an exchange of its own (RFC 6023).
struct FirstChild {
  const ChildConfig* config = nullptr;
  ScopeRef scope;
};
FirstChild first_child(const IkeSa& sa) {
  const ConnectionConfig& connection = *sa.connection;
  const bool apart =
      connection.childless == Childless::prefer || connection.childless == Childless::force;
  if (sa.peer_childless && apart) return {};
  for (const Waiter& waiter : sa.waiters)
    if (!waiter.child.empty())
      if (const ChildConfig* child = connection.child(waiter.child)) return {child, waiter.scope};
  if (sa.peer_childless || connection.children.empty()) return {};
  return {&connection.children.front(), nullptr};
}

void become_established(Host& host, IkeSa& sa, PeerAuthenticated proof, bool initial_contact,
                        TimePoint now) {
  sa.state = Established{proof, {}, {}};
  sa.established = sa.authenticated = sa.last_inbound = now;
  sa.expires = kNever;
  sa.rekey_at = next_ike_rekey(host, *sa.connection, now);
  schedule_reauthentication(host, sa, now);
  schedule_keepalive(host, sa, now);
  host.authenticated(sa, initial_contact);
  emit(host, sa,
       trace::IkeEstablished{to_string(sa.local_id), to_string(sa.remote_id),
                             to_string(sa.suite, wire::ProtocolId::ike)});
  sa.took_over = true;
  host.up_down(sa, true, std::nullopt);
  finish_waiters(host, sa, {}, true);
}

// The children that are wanted but were not part of IKE_AUTH follow one by one.
void queue_waiting_children(IkeSa& sa) {
  for (const Waiter& waiter : sa.waiters)
    if (const ChildConfig* child = sa.connection->child(waiter.child))
      queue_child(sa, child_ref(sa.connection, child), waiter.scope);
}

// ---- responder ----

// The CHILD SA part of the response. A failure there leaves the IKE SA up (RFC 7296, 1.2), unless
// it is bad syntax, which is fatal (2.21.3): false.
bool answer_child(Host& host, IkeSa& sa, const AuthExchange& exchange, Payloads& payloads,
                  TimePoint now) {
  const bool childless = !wire::find<wire::Sa>(exchange.request, PayloadType::sa);
  // RFC 7296, 3.15.4: without its address, the peer has no CHILD SA, but an IKE SA.
  if (!add_configuration_reply(host, sa, exchange, payloads) || childless) return true;
  if (sa.connection->childless == Childless::force) {
    payloads.push_back(make_notify(NotifyType::no_additional_sas));
    emit(host, sa, trace::ChildlessRefused{"this connection", "without"});
    return true;
  }
  auto agreement = agree(host, sa, sa.connection, exchange.request, true);
  if (!agreement) {
    ChildFailure& failure = agreement.error();
    payloads.push_back(make_notify(failure.notify, std::move(failure.data)));
    emit(host, sa, std::move(failure.why));
    return failure.notify != NotifyType::invalid_syntax;
  }
  add_agreement(*agreement, {}, payloads);
  install_child(host, sa, sa.in<Established>()->proof, *agreement,
                {exchange.material.nonce_i, exchange.material.nonce_r, {}, false}, now);
  rehearse_rekey(host, sa, agreement->config->name, now);
  return true;
}

// ---- initiator ----

void accept_child(Host& host, IkeSa& sa, const Inbound& in, const AuthMaterial& material,
                  const ChildOffer& offer) {
  const ChildConfigRef config = offer.config;
  if (auto pair = single_pair(offer, in.payloads)) {
    withdraw_offer(host, sa);
    return queue_task(sa, CreateChild{config, Ke::none, std::move(pair)});
  }
  if (first_error(in.payloads) || !wire::find<wire::Sa>(in.payloads, PayloadType::sa)) {
    withdraw_offer(host, sa);
    report_refusal(host, sa, in, config.get());
    return finish_waiters(host, sa, config->name, false);
  }
  auto agreement = accept_answer(offer, in.payloads, true);
  if (!agreement) {
    refuse_grant(host, sa, offer, in.payloads);
    emit(host, sa, std::move(agreement.error().why), config.get());
    return finish_waiters(host, sa, config->name, false);
  }
  // `dynamic` was any address when it was offered.
  auto within = narrow(local_selectors(sa, *config), agreement->local_ts);
  if (within.empty()) {
    refuse_grant(host, sa, offer, in.payloads);
    emit(host, sa,
         trace::SelectorsUnacceptable{
             to_string(agreement->remote_ts), to_string(agreement->local_ts),
             to_string(local_selectors(sa, *config)), to_string(offer.remote_ts)},
         config.get());
    return finish_waiters(host, sa, config->name, false);
  }
  agreement->local_ts = std::move(within);
  install_child(host, sa, sa.in<Established>()->proof, *agreement,
                {material.nonce_i, material.nonce_r, {}, true}, in.now);
  rehearse_rekey(host, sa, config->name, in.now);
  if (auto rest = remainder(offer, *agreement, in.payloads))
    queue_task(sa, CreateChild{config, Ke::none, std::move(rest)});
}

}  // namespace

void refuse_peer(Host& host, IkeSa& sa, std::uint32_t message_id, NotifyType type,
                 trace::Body&& why) {
  emit(host, sa, std::move(why));
  const wire::Payload payload = make_notify(type);
  send_response(host, sa, ExchangeType::ike_auth, message_id, {&payload, 1});
  close(sa, "failure");
}

void establish_as_responder(Host& host, IkeSa& sa, const AuthExchange& exchange, Payloads&& proof,
                            TimePoint now) {
  const bool initial_contact =
      wire::find_notify(exchange.request, NotifyType::initial_contact) != nullptr;
  if (sa.connection->unique == Unique::keep && !initial_contact && !host.is_first_contact(sa))
    return refuse_peer(host, sa, exchange.message_id, NotifyType::authentication_failed,
                       trace::SecondSaRefused{to_string(sa.remote_id)});
  become_established(host, sa, *exchange.peer, initial_contact, now);
  accept_mobike(host, sa, exchange.request);
  begin_session(host, sa, exchange, now);
  Payloads payloads = std::move(proof);
  add_auth_lifetime(sa, payloads);
  const bool sound = answer_child(host, sa, exchange, payloads, now);
  if (sa.mobility) add_mobike_support(host, sa, payloads);
  send_response(host, sa, ExchangeType::ike_auth, exchange.message_id, payloads);
  if (!sound) close(sa, "failure");
}

void add_first_child(Host& host, IkeSa& sa, AuthExchange& exchange, Payloads& payloads) {
  FirstChild child = first_child(sa);
  if (!child.config) return;
  // The address of the packet that asks for it will not be ours.
  if (!sa.connection->vips.empty() && child.scope && child.scope->packet) child.scope = nullptr;
  exchange.offer =
      make_offer(host, sa, child_ref(sa.connection, child.config), std::move(child.scope));
  add_offer(*exchange.offer, true, {}, payloads);
}

void fail(Host& host, IkeSa& sa, trace::Body&& why) {
  withdraw_offer(host, sa);
  emit(host, sa, std::move(why));
  close(sa, "failure");
}

void fail_and_delete(Host& host, IkeSa& sa, trace::Body&& why, TimePoint now) {
  withdraw_offer(host, sa);
  emit(host, sa, std::move(why));
  const wire::Payload payload = make_notify(NotifyType::authentication_failed);
  sa.outstanding.reset();
  send_request(host, sa, ExchangeType::informational, {&payload, 1}, now);
  close(sa, "failure");
}

void fail_and_leave(Host& host, IkeSa& sa, trace::Body&& why, TimePoint now) {
  withdraw_offer(host, sa);
  emit(host, sa, std::move(why));
  const wire::Payload payload{PayloadType::delete_, wire::Delete::ike_sa()};
  send_request(host, sa, ExchangeType::informational, {&payload, 1}, now);
  close(sa, "failure");
}

void accept_refusal(Host& host, IkeSa& sa, const AuthExchange& exchange, const Inbound& in) {
  withdraw_offer(host, sa);
  report_refusal(host, sa, in, exchange.offer ? exchange.offer->config.get() : nullptr);
  close(sa, "failure");
}

void establish_as_initiator(Host& host, IkeSa& sa, const AuthExchange& exchange,
                            const Inbound& in) {
  sa.outstanding.reset();
  if (auto accepted = accept_configuration(sa, in.payloads); !accepted)
    return fail_and_leave(host, sa, std::move(accepted.error()), in.now);
  become_established(host, sa, *exchange.peer, false, in.now);
  if (sa.assigned) host.assign_addresses(sa);
  note_auth_lifetime(host, sa, in);
  accept_mobike(host, sa, in.payloads);
  if (exchange.offer) accept_child(host, sa, in, exchange.material, *exchange.offer);
  queue_waiting_children(sa);
  run_next_task(host, sa, in.now);
}

}  // namespace culvert::ikev2
