// Invariant: a peer that logs in by EAP is believed when its AUTH fits the key that the method has
// made, and not when the method is content.
#include "ikev2/eap_auth.h"

#include "ikev2/authentication.h"
#include "ikev2/configuration.h"
#include "ikev2/eap_methods.h"
#include "ikev2/eap_relay.h"
#include "ikev2/establishment.h"
#include "ikev2/groups.h"
#include "ikev2/peer_certificate.h"
#include "ikev2/refusal.h"

namespace culvert::ikev2 {
namespace {

using wire::ExchangeType;
using wire::NotifyType;
using wire::PayloadType;

JobId ask_signature(Host& host, const IkeSa& sa, const AuthExchange& exchange) {
  const SignatureRequest& wanted =
      *(exchange.eap_server ? exchange.eap_server->wanted() : exchange.eap_peer->wanted());
  return host.make_signature(sa, exchange.eap_key, wanted.scheme, wanted.octets);
}

// Others have what the TLS handshake stands still for; the SA moves to EapPending.
void ask_others(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange) {
  const JobId job = exchange->wanted.empty()
                        ? ask_signature(host, sa, *exchange)
                        : host.fetch_evidence(sa, std::exchange(exchange->wanted, {}));
  sa.state = EapPending{std::move(exchange), job};
}

wire::Payload eap_payload(Bytes packet) { return {PayloadType::eap, wire::Eap{std::move(packet)}}; }

// ---- responder ----

void send_to_peer(Host& host, IkeSa& sa, const AuthExchange& exchange, Bytes packet) {
  const wire::Payload payload = eap_payload(std::move(packet));
  send_response(host, sa, ExchangeType::ike_auth, exchange.message_id, {&payload, 1});
}

std::string explain(const eap::Server& server, const eap::Refusal& refusal) {
  return eap::explain(refusal, server.method(), server.user());
}

void finish_eap(Host& host, IkeSa& sa, AuthExchange& exchange, Bytes packet) {
  const eap::Server& server = *exchange.eap_server;
  const eap::Refusal unwanted{eap::Failure::no_such_user, "`eap_id` takes others"};
  if (!is_wanted_user(sa, server.user()))
    return refuse_peer(host, sa, exchange.message_id, NotifyType::authentication_failed,
                       trace::EapFailed{explain(server, unwanted)});
  emit(host, sa,
       trace::EapSucceeded{eap::to_string(*server.method()), eap::printable(server.user())});
  exchange.eap_done = true;
  sa.eap_user = std::string(server.user());
  send_to_peer(host, sa, exchange, std::move(packet));
}

// The conversation goes on as its server says.
void take_step(Host& host, IkeSa& sa, AuthExchange& exchange, eap::Step&& step) {
  const eap::Server& server = *exchange.eap_server;
  exchange.eap_refusal = step.refusal;
  if (step.refusal && step.kind == eap::Step::Kind::send)
    emit(host, sa, trace::EapAttemptRefused{explain(server, *step.refusal)});
  switch (step.kind) {
    case eap::Step::Kind::send:
    case eap::Step::Kind::discard:  // every request has a response: the last one again
      return send_to_peer(host, sa, exchange, std::move(step.packet));
    case eap::Step::Kind::succeeded:
      return finish_eap(host, sa, exchange, std::move(step.packet));
    case eap::Step::Kind::waits:
      return ask_others(host, sa, std::move(sa.in<EapAsked>()->exchange));
    case eap::Step::Kind::failed:
      emit(host, sa, trace::EapFailed{explain(server, *step.refusal)});
      send_to_peer(host, sa, exchange, std::move(step.packet));
      return close(sa, "failure");
  }
}

// Those that an AAA server has said, or the one of our own user.
std::vector<std::string> groups_of(Host& host, const IkeSa& sa, const AuthExchange& exchange) {
  if (exchange.authorization) return exchange.authorization->groups;
  const eap::User* user = host.users().find(sa.eap_user);
  if (!user || user->group.empty()) return {};
  return {user->group};
}

// AUTH, after EAP has succeeded.
void conclude_as_responder(Host& host, IkeSa& sa, const wire::Auth& auth, TimePoint now) {
  auto exchange = std::move(sa.in<EapAsked>()->exchange);
  const auto refuse = [&](trace::Body&& why) {
    refuse_peer(host, sa, exchange->message_id, NotifyType::authentication_failed, std::move(why));
  };
  auto proof = Authentication::verify_after_eap(host, sa, *exchange, auth);
  if (!proof) return refuse(std::move(proof.error()));
  exchange->peer = *proof;
  if (!choose_by_groups(host, sa, *exchange, groups_of(host, sa, *exchange))) return;
  auto ours = Authentication::sign_after_eap(host, sa, *exchange);
  if (!ours) return refuse(std::move(ours.error()));
  Payloads payloads;
  payloads.emplace_back(PayloadType::auth, std::move(*ours));
  conclude_authentication(host, sa, std::move(exchange), std::move(payloads), now);
}

// ---- initiator ----

void send_eap(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, wire::Payload&& next,
              TimePoint now) {
  sa.state = EapSent{std::move(exchange)};
  send_request(host, sa, ExchangeType::ike_auth, {&next, 1}, now);
}

// After EAP-Success.
void send_own_auth(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, TimePoint now) {
  const eap::Type method = *exchange->eap_peer->method();
  emit(host, sa, trace::EapSucceeded{eap::to_string(method), eap::printable(sa.eap_user)});
  const bool alone = sa.connection->remote.kind == AuthKind::eap;
  if (alone && !eap::properties_of(method).safe_alone())
    return fail_and_delete(host, sa, trace::EapNotSafeAlone{eap::to_string(method)}, now);
  auto auth = Authentication::sign_after_eap(host, sa, *exchange);
  if (!auth) return fail(host, sa, std::move(auth.error()));
  exchange->eap_done = true;
  send_eap(host, sa, std::move(exchange), {PayloadType::auth, std::move(*auth)}, now);
}

void take_step(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, eap::Step&& step,
               TimePoint now) {
  switch (step.kind) {
    case eap::Step::Kind::send:
      return send_eap(host, sa, std::move(exchange), eap_payload(std::move(step.packet)), now);
    case eap::Step::Kind::succeeded:
      return send_own_auth(host, sa, std::move(exchange), now);
    case eap::Step::Kind::waits:
      return ask_others(host, sa, std::move(exchange));
    case eap::Step::Kind::discard:
      step.refusal = {eap::Failure::protocol_error, {}};
      [[fallthrough]];
    case eap::Step::Kind::failed:
      return fail(
          host, sa,
          trace::EapFailed{eap::explain(*step.refusal, exchange->eap_peer->method(), sa.eap_user)});
  }
}

void answer_eap(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, const wire::Eap& eap,
                TimePoint now) {
  eap::Step step = exchange->eap_peer->receive(eap.data);
  take_step(host, sa, std::move(exchange), std::move(step), now);
}

}  // namespace

std::string user_name(const Identity& identity) {
  switch (identity.type) {
    case wire::IdType::fqdn:
    case wire::IdType::rfc822_addr:
    case wire::IdType::key_id:
      return std::string(as_text(identity.data));
    default:
      return to_string(identity);
  }
}

bool is_wanted_user(const IkeSa& sa, std::string_view user) {
  const auto& wanted = sa.connection->remote.eap_id;
  if (!wanted || wanted->is_any()) return true;
  const auto claimed = parse_identity(user);
  return claimed && matches(*wanted, *claimed);
}

std::expected<void, trace::Body> prepare_eap_server(Host& host, const IkeSa& sa,
                                                    AuthExchange& exchange, const Inbound& in) {
  eap::Server::Options options;
  auto offers = eap_server_offers(host, sa, exchange, in.now);
  if (!offers) return std::unexpected(std::move(offers.error()));
  options.offers = std::move(*offers);
  // Whom IKE's identity names, unless `eap_id` says to ask.
  if (!sa.connection->remote.eap_id) options.identity = user_name(sa.remote_id);
  exchange.eap_server = std::make_unique<eap::Server>(host.provider(), std::move(options));
  return {};
}

void eap_signature_made(Host& host, IkeSa& sa, JobId job, MadeSignature&& made, TimePoint now) {
  if (sa.in<EapPending>()->job != job) return;
  auto exchange = std::move(sa.in<EapPending>()->exchange);
  if (!exchange->eap_server) {
    if (made.signature.empty())
      return fail_and_delete(host, sa, trace::SigningFailed{std::move(made.error)}, now);
    eap::Step step = exchange->eap_peer->signature_made(std::move(made.signature));
    return take_step(host, sa, std::move(exchange), std::move(step), now);
  }
  if (made.signature.empty())
    return refuse_peer(host, sa, exchange->message_id, NotifyType::authentication_failed,
                       trace::SigningFailed{std::move(made.error)});
  AuthExchange& asked = *exchange;
  sa.state = EapAsked{std::move(exchange)};
  take_step(host, sa, asked, asked.eap_server->signature_made(std::move(made.signature)));
}

void eap_evidence_fetched(Host& host, IkeSa& sa, JobId job, FetchedEvidence&& fetched,
                          TimePoint now) {
  if (sa.in<EapPending>()->job != job) return;
  auto exchange = std::move(sa.in<EapPending>()->exchange);
  AuthExchange& asked = *exchange;
  asked.evidence.take(host.provider(), std::move(fetched), host.date(now));
  eap::Step step =
      asked.eap_server ? asked.eap_server->judge_again() : asked.eap_peer->judge_again();
  if (asked.wanted.empty()) tell_of_complaints(host, sa, asked);
  if (!asked.eap_server) return take_step(host, sa, std::move(exchange), std::move(step), now);
  sa.state = EapAsked{std::move(exchange)};
  take_step(host, sa, asked, std::move(step));
}

void ask_by_eap(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, Payloads&& proof) {
  eap::Step step = exchange->eap_server->begin();
  if (step.kind != eap::Step::Kind::send)
    return refuse_peer(
        host, sa, exchange->message_id, NotifyType::authentication_failed,
        trace::EapFailed{explain(*exchange->eap_server, step.refusal.value_or(eap::Refusal{}))});
  proof.push_back(eap_payload(std::move(step.packet)));
  send_response(host, sa, ExchangeType::ike_auth, exchange->message_id, proof);
  sa.state = EapAsked{std::move(exchange)};
}

void handle_eap_request(Host& host, IkeSa& sa, const Inbound& in) {
  AuthExchange& exchange = *sa.in<EapAsked>()->exchange;
  exchange.message_id = in.header.message_id;
  const auto* eap = wire::find<wire::Eap>(in.payloads, PayloadType::eap);
  const auto* auth = wire::find<wire::Auth>(in.payloads, PayloadType::auth);
  if (exchange.eap_done && auth) return conclude_as_responder(host, sa, *auth, in.now);
  if (exchange.eap_done || !eap)
    return refuse_peer(
        host, sa, exchange.message_id, NotifyType::invalid_syntax,
        trace::MalformedMessage{
            ExchangeType::ike_auth, in.header.message_id, Reason::bad_order, 0,
            exchange.eap_done ? "EAP is over, AUTH is due" : "no EAP in the middle of it"});
  if (exchange.eap_relayed) return relay_eap(host, sa, *eap);
  take_step(host, sa, exchange, exchange.eap_server->receive(eap->data));
}

void handle_eap_abort(Host& host, IkeSa& sa, const Inbound& in) {
  const auto exchange = std::move(sa.in<EapAsked>()->exchange);
  eap::Refusal why = exchange->eap_refusal.value_or(eap::Refusal{eap::Failure::peer_gave_up, {}});
  if (const EapRelayed* relayed = exchange->eap_relayed.get()) {
    emit(host, sa, trace::EapFailed{explain(*relayed, why)});
  } else {
    const eap::Server& server = *exchange->eap_server;
    if (const eap::Refusal* refusing = server.refusing()) why = *refusing;
    emit(host, sa, trace::EapFailed{explain(server, why)});
  }
  send_response(host, sa, ExchangeType::informational, in.header.message_id, {});
  close(sa, "peer");
}

std::string own_eap_user(const IkeSa& sa) {
  const auto& named = sa.connection->local.eap_id;
  return user_name(named && !named->is_any() ? *named : sa.local_id);
}

bool wants_eap(const IkeSa& sa, std::span<const wire::Payload> payloads) {
  return sa.connection->local.kind == AuthKind::eap &&
         wire::find<wire::Eap>(payloads, PayloadType::eap) != nullptr;
}

void begin_eap(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, const Inbound& in) {
  exchange->evidence = {};  // was about IKE's certificate
  exchange->peer.reset();   // until its last AUTH has shown that it is the one EAP has spoken with
  eap::Peer::Options options;
  options.identity = sa.eap_user;
  auto offers = eap_client_offers(host, sa, *exchange, in.now);
  if (!offers) return fail_and_delete(host, sa, std::move(offers.error()), in.now);
  options.offers = std::move(*offers);
  exchange->eap_peer = std::make_unique<eap::Peer>(std::move(options));
  answer_eap(host, sa, std::move(exchange), *wire::find<wire::Eap>(in.payloads, PayloadType::eap),
             in.now);
}

void handle_eap_response(Host& host, IkeSa& sa, const Inbound& in) {
  auto exchange = std::move(sa.in<EapSent>()->exchange);
  const auto* eap = wire::find<wire::Eap>(in.payloads, PayloadType::eap);
  const auto* auth = wire::find<wire::Auth>(in.payloads, PayloadType::auth);
  if (eap && !exchange->eap_done) return answer_eap(host, sa, std::move(exchange), *eap, in.now);
  if (!auth || !exchange->eap_done) return accept_refusal(host, sa, *exchange, in);
  auto proof = Authentication::verify_after_eap(host, sa, *exchange, *auth);
  if (!proof) return fail_and_delete(host, sa, std::move(proof.error()), in.now);
  exchange->peer = *proof;
  establish_as_initiator(host, sa, *exchange, in);
}

}  // namespace culvert::ikev2
