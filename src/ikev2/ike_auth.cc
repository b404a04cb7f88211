// Owns the first round of IKE_AUTH. Invariant: nothing about the peer is believed, and no CHILD SA
// exists, before Authentication has verified AUTH.
#include "ikev2/ike_auth.h"

#include "ikev2/authentication.h"
#include "ikev2/configuration.h"
#include "ikev2/eap_auth.h"
#include "ikev2/eap_relay.h"
#include "ikev2/establishment.h"
#include "ikev2/groups.h"
#include "ikev2/mobike.h"
#include "ikev2/peer_certificate.h"
#include "ikev2/signature_auth.h"
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

// ---- our proof ----

void send_ike_auth(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, Payloads&& proof,
                   TimePoint now) {
  Payloads payloads;
  payloads.emplace_back(PayloadType::id_i, exchange->own_id);
  if (sa.connection->unique != Unique::never && host.is_first_contact(sa))
    payloads.push_back(make_notify(NotifyType::initial_contact));
  if (const Identity& wanted = sa.connection->remote.id; !is_pattern(wanted))
    payloads.emplace_back(PayloadType::id_r, to_wire(wanted));
  if (sa.connection->send_certreq && sa.connection->remote.kind == AuthKind::pubkey)
    add_certificate_request(host, sa.connection->remote, payloads);
  // RFC 5998, 3: the responder need not prove itself where EAP does it for both.
  if (sa.connection->local.kind == AuthKind::eap && sa.connection->remote.kind == AuthKind::eap)
    payloads.push_back(make_notify(NotifyType::eap_only_authentication));
  std::ranges::move(proof, std::back_inserter(payloads));
  add_configuration_request(host, sa, payloads);
  add_first_child(host, sa, *exchange, payloads);
  add_mobike_support(host, sa, payloads);
  sa.state = AuthSent{std::move(exchange)};
  send_request(host, sa, ExchangeType::ike_auth, payloads, now);
}

// `proof` is what goes with our ID payload: AUTH, or nothing where EAP is to follow.
void use_own_proof(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, Payloads&& proof,
                   TimePoint now) {
  if (sa.is_initiator()) return send_ike_auth(host, sa, std::move(exchange), std::move(proof), now);
  proof.emplace(proof.begin(), PayloadType::id_r, exchange->own_id);
  if (exchange->eap_relayed) return begin_relay(host, sa, std::move(exchange), std::move(proof));
  if (exchange->eap_server) return ask_by_eap(host, sa, std::move(exchange), std::move(proof));
  conclude_authentication(host, sa, std::move(exchange), std::move(proof), now);
}

void fail_to_prove(Host& host, IkeSa& sa, const AuthExchange& exchange, trace::Body&& why) {
  if (sa.is_initiator()) return fail(host, sa, std::move(why));
  refuse_peer(host, sa, exchange.message_id, NotifyType::authentication_failed, std::move(why));
}

// The signature is made elsewhere; signature_made() goes on with it.
void sign_proof(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange) {
  if (auto planned = plan_signature(host, sa, *exchange); !planned)
    return fail_to_prove(host, sa, *exchange, std::move(planned.error()));
  auto octets = octets_to_sign(host, sa, *exchange);
  if (!octets) return fail_to_prove(host, sa, *exchange, std::move(octets.error()));
  const JobId job =
      host.make_signature(sa, exchange->plan->key, exchange->plan->scheme, std::move(*octets));
  sa.state = AuthPending{std::move(exchange), job};
}

void prove_ourselves(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, TimePoint now) {
  if (sa.connection->local.kind == AuthKind::pubkey)
    return sign_proof(host, sa, std::move(exchange));
  Payloads proof;
  if (sa.connection->local.kind != AuthKind::eap) {
    auto auth = Authentication::sign(host, sa, exchange->material, exchange->own_id);
    if (!auth) return fail_to_prove(host, sa, *exchange, std::move(auth.error()));
    proof.emplace_back(PayloadType::auth, std::move(*auth));
  }
  use_own_proof(host, sa, std::move(exchange), std::move(proof), now);
}

// ---- responder ----

// RFC 7296, 2.16: who leaves out AUTH wants EAP.
AuthKind proof_in(const wire::Auth* auth) {
  if (!auth) return AuthKind::eap;
  if (auth->method == wire::AuthMethod::shared_key) return AuthKind::psk;
  return auth->method == wire::AuthMethod::null ? AuthKind::null : AuthKind::pubkey;
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
  query.proof = proof_in(wire::find<wire::Auth>(in.payloads, PayloadType::auth));
  auto answer = host.connections().by_identity(query);
  if (!answer.connection) {
    refuse_peer(host, sa, in.header.message_id, NotifyType::authentication_failed,
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

// Whether the connection takes a message that says this.
bool is_welcome(Host& host, IkeSa& sa, const Inbound& in) {
  // RFC 6023, 4: as if we did not know what that is.
  if (sa.connection->childless == Childless::never &&
      !wire::find<wire::Sa>(in.payloads, PayloadType::sa)) {
    refuse_peer(host, sa, in.header.message_id, NotifyType::invalid_syntax,
                trace::ChildlessRefused{"this connection", "with"});
    return false;
  }
  return true;
}

bool has_no_forbidden_nat(Host& host, IkeSa& sa, const Inbound& in) {
  if (!sa.connection->mobike || nats_are_allowed(host, sa, in)) return true;
  const wire::Payload payload = make_notify(NotifyType::unexpected_nat_detected);
  send_response(host, sa, ExchangeType::ike_auth, in.header.message_id, {&payload, 1});
  close(sa, "failure");
  return false;
}

// The peer's AUTH; or, where it has none, the conversation that is to replace it (RFC 7296, 2.16).
std::expected<void, trace::Body> examine(Host& host, IkeSa& sa, AuthExchange& exchange,
                                         const Inbound& in) {
  const auto& id_i = *wire::find<wire::Identification>(in.payloads, PayloadType::id_i);
  const auto* auth = wire::find<wire::Auth>(in.payloads, PayloadType::auth);
  const bool by_eap = sa.connection->remote.kind == AuthKind::eap;
  if (by_eap != (auth == nullptr))
    return std::unexpected(wrong_method(sa, auth ? method_name(auth->method) : "EAP"));
  if (!auth) {
    exchange.peer_id = id_i;
    if (!sa.connection->remote.aaa) return prepare_eap_server(host, sa, exchange, in);
    exchange.eap_relayed = std::make_unique<EapRelayed>();
    return {};
  }
  auto proof = Authentication::verify(host, sa, exchange, id_i, *auth, in);
  if (!proof) return std::unexpected(std::move(proof.error()));
  exchange.peer = *proof;
  return {};
}

// ---- what the peer's proof depends on ----

// evidence_fetched() goes on with the same message.
void await_evidence(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange,
                    const Inbound& in) {
  const JobId job = host.fetch_evidence(sa, std::exchange(exchange->wanted, {}));
  auto message = std::make_unique<HeldMessage>(HeldMessage{
      in.header, {in.payloads.begin(), in.payloads.end()}, in.datagram.local, in.datagram.remote});
  sa.state = EvidencePending{std::move(exchange), std::move(message), job};
}

void answer_peer(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, const Inbound& in) {
  if (auto examined = examine(host, sa, *exchange, in); !examined)
    return refuse_peer(host, sa, in.header.message_id, NotifyType::authentication_failed,
                       std::move(examined.error()));
  if (!exchange->wanted.empty()) return await_evidence(host, sa, std::move(exchange), in);
  tell_of_complaints(host, sa, *exchange);
  // Nobody says which groups belong to a key.
  if (exchange->peer && !sa.connection->remote.groups.empty() &&
      !choose_by_groups(host, sa, *exchange, {}))
    return;
  if (has_no_forbidden_nat(host, sa, in)) prove_ourselves(host, sa, std::move(exchange), in.now);
}

// The responder's AUTH, and what follows it.
void conclude(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, const Inbound& in) {
  if (const auto* auth = wire::find<wire::Auth>(in.payloads, PayloadType::auth)) {
    auto proof = Authentication::verify(host, sa, *exchange, exchange->peer_id, *auth, in);
    if (!proof) return fail_and_delete(host, sa, std::move(proof.error()), in.now);
    if (!exchange->wanted.empty()) return await_evidence(host, sa, std::move(exchange), in);
    exchange->peer = *proof;
    tell_of_complaints(host, sa, *exchange);
  }
  if (wants_eap(sa, in.payloads)) return begin_eap(host, sa, std::move(exchange), in);
  if (sa.connection->local.kind == AuthKind::eap)
    return fail_and_delete(host, sa, wrong_method(sa, "no EAP"), in.now);
  establish_as_initiator(host, sa, *exchange, in);
}

}  // namespace

void begin_ike_auth(Host& host, IkeSa& sa, AuthMaterial&& material, TimePoint now) {
  sa.local_id = own_identity(sa);
  const Identity& wanted = sa.connection->remote.id;
  sa.remote_id = is_pattern(wanted) ? identity_of(sa.remote.address) : wanted;
  if (sa.connection->local.kind == AuthKind::eap) sa.eap_user = own_eap_user(sa);
  auto exchange = std::make_unique<AuthExchange>();
  exchange->material = std::move(material);
  exchange->own_id = to_wire(sa.local_id);
  prove_ourselves(host, sa, std::move(exchange), now);
}

void signature_made(Host& host, IkeSa& sa, JobId job, MadeSignature&& made, TimePoint now) {
  if (sa.in<EapPending>()) return eap_signature_made(host, sa, job, std::move(made), now);
  auto* pending = sa.in<AuthPending>();
  if (!pending || pending->job != job) return;
  auto exchange = std::move(pending->exchange);
  if (made.signature.empty())
    return fail_to_prove(host, sa, *exchange, trace::SigningFailed{std::move(made.error)});
  Payloads proof;
  add_certificates(sa, *exchange, proof);
  proof.emplace_back(PayloadType::auth, to_auth(*exchange->plan, made.signature));
  use_own_proof(host, sa, std::move(exchange), std::move(proof), now);
}

void evidence_fetched(Host& host, IkeSa& sa, JobId job, FetchedEvidence&& fetched, TimePoint now) {
  if (sa.in<EapPending>()) return eap_evidence_fetched(host, sa, job, std::move(fetched), now);
  auto* pending = sa.in<EvidencePending>();
  if (!pending || pending->job != job) return;
  auto exchange = std::move(pending->exchange);
  const auto message = std::move(pending->message);
  exchange->evidence.take(host.provider(), std::move(fetched), host.date(now));
  const Datagram datagram{message->local, message->remote, {}};
  const Inbound in{message->header, message->payloads, datagram, now};
  if (sa.is_initiator())
    conclude(host, sa, std::move(exchange), in);
  else
    answer_peer(host, sa, std::move(exchange), in);
  if (!sa.closed()) run_next_task(host, sa, now);
}

void handle_ike_auth_request(Host& host, IkeSa& sa, const Inbound& in) {
  if (!identify(host, sa, in) || !is_welcome(host, sa, in)) return;
  auto exchange = std::make_unique<AuthExchange>();
  exchange->material = std::move(sa.in<HalfOpen>()->auth);
  exchange->request.assign(in.payloads.begin(), in.payloads.end());
  exchange->message_id = in.header.message_id;
  exchange->material.wants_cert = has_certificate_request(sa, in.payloads);
  exchange->own_id = to_wire(sa.local_id);
  collect_evidence(host, in.payloads, *exchange);
  answer_peer(host, sa, std::move(exchange), in);
}

void handle_ike_auth_response(Host& host, IkeSa& sa, const Inbound& in) {
  const auto* id_r = wire::find<wire::Identification>(in.payloads, PayloadType::id_r);
  const auto* auth = wire::find<wire::Auth>(in.payloads, PayloadType::auth);
  auto exchange = std::move(sa.in<AuthSent>()->exchange);
  const bool continues = wants_eap(sa, in.payloads);
  // RFC 5998: without AUTH only where EAP proves both, and that is what we have asked for.
  const bool alone = continues && !auth && sa.connection->remote.kind == AuthKind::eap;
  if (!id_r || (!auth && !alone)) return accept_refusal(host, sa, *exchange, in);
  const Identity claimed = identity_of(*id_r);
  const Identity expected = std::exchange(sa.remote_id, claimed);
  // A connection whose remote identity is open takes whoever proves the key.
  if (!sa.connection->remote.id.is_any() && !matches(sa.connection->remote.id, claimed))
    return fail_and_delete(
        host, sa, trace::UnexpectedIdentity{to_string(claimed), to_string(expected)}, in.now);
  exchange->peer_id = *id_r;
  collect_evidence(host, in.payloads, *exchange);
  conclude(host, sa, std::move(exchange), in);
}

}  // namespace culvert::ikev2
