// Owns the IKE_AUTH exchange. Invariant: nothing about the peer is believed, and no CHILD SA
// exists, before Authentication has verified AUTH.
#include "ikev2/ike_auth.h"

#include "ikev2/authentication.h"
#include "ikev2/child.h"
#include "ikev2/child_rekey.h"
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

// The identity that we use: the configured one, else our address.
Identity own_identity(const IkeSa& sa) {
  const Identity& configured = sa.connection->local.id;
  return is_pattern(configured) ? identity_of(sa.local.address) : configured;
}

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

void refuse(Host& host, IkeSa& sa, const Inbound& in, NotifyType type, trace::Body&& why) {
  emit(host, sa, std::move(why));
  const wire::Payload payload = make_notify(type);
  send_response(host, sa, ExchangeType::ike_auth, in.header.message_id, {&payload, 1});
  close(sa, "failure");
}

// Finds who is calling; true with sa.connection, local_id and remote_id set.
bool identify(Host& host, IkeSa& sa, const Inbound& in) {
  const auto* id_i = wire::find<wire::Identification>(in.payloads, PayloadType::id_i);
  const auto* id_r = wire::find<wire::Identification>(in.payloads, PayloadType::id_r);
  ConnectionTable::PeerQuery query;
  query.local = sa.local.address;
  query.remote = sa.remote.address;
  if (id_r) query.my_id = identity_of(*id_r);
  query.their_id = identity_of(*id_i);
  query.agreed = &sa.suite;
  auto answer = host.connections().by_identity(query);
  if (!answer.connection) {
    refuse(host, sa, in, NotifyType::authentication_failed,
           trace::NoConnectionForIdentity{std::move(answer.explanation)});
    return false;
  }
  sa.connection = answer.connection;
  sa.remote_id = query.their_id;
  // Where our own identity is open, we are whom the peer asks for.
  sa.local_id = id_r && is_pattern(sa.connection->local.id) && !query.my_id.is_any()
                    ? query.my_id
                    : own_identity(sa);
  return true;
}

// The CHILD SA part of the response. A failure there leaves the IKE SA up (RFC 7296, 1.2), unless
// it is bad syntax, which is fatal (2.21.3): false.
bool answer_child(Host& host, IkeSa& sa, const Inbound& in, const AuthMaterial& auth,
                  Payloads& payloads) {
  if (!wire::find<wire::Sa>(in.payloads, PayloadType::sa)) return true;  // childless
  if (sa.connection->childless == Childless::force) {
    payloads.push_back(make_notify(NotifyType::no_additional_sas));
    emit(host, sa, trace::ChildlessRefused{"this connection", "without"});
    return true;
  }
  auto agreement = agree(host, sa, sa.connection, in.payloads, true);
  if (!agreement) {
    ChildFailure& failure = agreement.error();
    payloads.push_back(make_notify(failure.notify, std::move(failure.data)));
    emit(host, sa, std::move(failure.why));
    return failure.notify != NotifyType::invalid_syntax;
  }
  add_agreement(*agreement, {}, payloads);
  install_child(host, sa, sa.in<Established>()->proof, *agreement,
                {auth.nonce_i, auth.nonce_r, {}, false}, in.now);
  rehearse_rekey(host, sa, agreement->config->name, in.now);
  return true;
}

// ---- initiator ----

void fail(Host& host, IkeSa& sa, trace::Body&& why) {
  emit(host, sa, std::move(why));
  close(sa, "failure");
}

// The responder has proven itself but our side says no: tell it (RFC 7296, 2.21.2).
void fail_and_delete(Host& host, IkeSa& sa, trace::Body&& why, TimePoint now) {
  emit(host, sa, std::move(why));
  const wire::Payload payload = make_notify(NotifyType::authentication_failed);
  sa.outstanding.reset();
  send_request(host, sa, ExchangeType::informational, {&payload, 1}, now);
  close(sa, "failure");
}

void accept_child(Host& host, IkeSa& sa, const Inbound& in, const AuthMaterial& auth,
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
  install_child(host, sa, sa.in<Established>()->proof, *agreement,
                {auth.nonce_i, auth.nonce_r, {}, true}, in.now);
  rehearse_rekey(host, sa, config->name, in.now);
  if (auto rest = remainder(offer, *agreement, in.payloads))
    queue_task(sa, CreateChild{config, Ke::none, std::move(rest)});
}

}  // namespace

void send_ike_auth(Host& host, IkeSa& sa, AuthMaterial&& auth, TimePoint now) {
  sa.local_id = own_identity(sa);
  const Identity& wanted = sa.connection->remote.id;
  sa.remote_id = is_pattern(wanted) ? identity_of(sa.remote.address) : wanted;
  const wire::Identification id_i = to_wire(sa.local_id);
  auto signature = Authentication::sign(host, sa, auth, id_i);
  if (!signature) return fail(host, sa, std::move(signature.error()));

  Payloads payloads;
  payloads.emplace_back(PayloadType::id_i, id_i);
  if (sa.connection->unique != Unique::never && host.is_first_contact(sa))
    payloads.push_back(make_notify(NotifyType::initial_contact));
  if (!is_pattern(wanted)) payloads.emplace_back(PayloadType::id_r, to_wire(wanted));
  payloads.emplace_back(PayloadType::auth, std::move(*signature));
  std::optional<ChildOffer> offer;
  if (FirstChild child = first_child(sa); child.config) {
    offer = make_offer(host, sa, child_ref(sa.connection, child.config), std::move(child.scope));
    add_offer(*offer, true, {}, payloads);
  }
  add_mobike_support(host, sa, payloads);
  sa.state = AuthSent{std::move(auth), std::move(offer)};
  send_request(host, sa, ExchangeType::ike_auth, payloads, now);
}

void handle_ike_auth_request(Host& host, IkeSa& sa, const Inbound& in) {
  if (!identify(host, sa, in)) return;
  // RFC 6023, 4: as if we did not know what that is.
  if (sa.connection->childless == Childless::never &&
      !wire::find<wire::Sa>(in.payloads, PayloadType::sa))
    return refuse(host, sa, in, NotifyType::invalid_syntax,
                  trace::ChildlessRefused{"this connection", "with"});
  const auto& id_i = *wire::find<wire::Identification>(in.payloads, PayloadType::id_i);
  const auto* auth = wire::find<wire::Auth>(in.payloads, PayloadType::auth);
  if (!auth)  // RFC 7296, 2.16: an initiator without AUTH wants EAP
    return refuse(host, sa, in, NotifyType::authentication_failed,
                  trace::WrongAuthMethod{to_string(sa.remote_id), "EAP", "SHARED_KEY"});
  const AuthMaterial material = std::move(sa.in<HalfOpen>()->auth);
  auto proof = Authentication::verify(host, sa, material, id_i, *auth);
  if (!proof)
    return refuse(host, sa, in, NotifyType::authentication_failed, std::move(proof.error()));
  const wire::Identification id_r = to_wire(sa.local_id);
  auto signature = Authentication::sign(host, sa, material, id_r);
  if (!signature)
    return refuse(host, sa, in, NotifyType::authentication_failed, std::move(signature.error()));

  if (sa.connection->mobike && !nats_are_allowed(host, sa, in)) {
    const wire::Payload payload = make_notify(NotifyType::unexpected_nat_detected);
    send_response(host, sa, ExchangeType::ike_auth, in.header.message_id, {&payload, 1});
    return close(sa, "failure");
  }
  const bool initial_contact =
      wire::find_notify(in.payloads, NotifyType::initial_contact) != nullptr;
  if (sa.connection->unique == Unique::keep && !initial_contact && !host.is_first_contact(sa))
    return refuse(host, sa, in, NotifyType::authentication_failed,
                  trace::SecondSaRefused{to_string(sa.remote_id)});
  become_established(host, sa, *proof, initial_contact, in.now);
  accept_mobike(host, sa, in.payloads);
  Payloads payloads;
  payloads.emplace_back(PayloadType::id_r, id_r);
  payloads.emplace_back(PayloadType::auth, std::move(*signature));
  add_auth_lifetime(sa, payloads);
  const bool sound = answer_child(host, sa, in, material, payloads);
  if (sa.mobility) add_mobike_support(host, sa, payloads);
  send_response(host, sa, ExchangeType::ike_auth, in.header.message_id, payloads);
  if (!sound) close(sa, "failure");
}

void handle_ike_auth_response(Host& host, IkeSa& sa, const Inbound& in) {
  const auto* id_r = wire::find<wire::Identification>(in.payloads, PayloadType::id_r);
  const auto* auth = wire::find<wire::Auth>(in.payloads, PayloadType::auth);
  AuthSent sent = std::move(*sa.in<AuthSent>());
  if (!id_r || !auth) {
    withdraw_offer(host, sa);
    report_refusal(host, sa, in, sent.offer ? sent.offer->config.get() : nullptr);
    return close(sa, "failure");
  }
  const Identity claimed = identity_of(*id_r);
  const Identity expected = sa.remote_id;
  sa.remote_id = claimed;
  std::optional<trace::Body> why;
  // A connection whose remote identity is open takes whoever proves the key.
  if (!sa.connection->remote.id.is_any() && !matches(sa.connection->remote.id, claimed))
    why = trace::UnexpectedIdentity{to_string(claimed), to_string(expected)};
  auto proof = Authentication::verify(host, sa, sent.auth, *id_r, *auth);
  if (!why && !proof) why = std::move(proof.error());
  if (why) {
    withdraw_offer(host, sa);
    return fail_and_delete(host, sa, std::move(*why), in.now);
  }
  sa.outstanding.reset();
  become_established(host, sa, *proof, false, in.now);
  note_auth_lifetime(host, sa, in);
  accept_mobike(host, sa, in.payloads);
  if (sent.offer) accept_child(host, sa, in, sent.auth, *sent.offer);
  queue_waiting_children(sa);
  run_next_task(host, sa, in.now);
}

}  // namespace culvert::ikev2
