// Invariant: while a question to the AAA server is out, the SA is EapPending; only its answer
// decides about the peer.
#include "ikev2/eap_relay.h"

#include "base/limits.h"
#include "ikev2/eap_auth.h"
#include "ikev2/establishment.h"

namespace culvert::ikev2 {
namespace {

using wire::ExchangeType;
using wire::NotifyType;
using wire::PayloadType;

// Our first answer says who we are, the others hold EAP only.
void send_to_peer(Host& host, IkeSa& sa, AuthExchange& exchange, Bytes packet) {
  Payloads payloads = std::exchange(exchange.eap_relayed->opening, {});
  payloads.emplace_back(PayloadType::eap, wire::Eap{std::move(packet)});
  send_response(host, sa, ExchangeType::ike_auth, exchange.message_id, payloads);
}

// The packet is a request; the SA waits for what the peer says to it.
void ask_peer(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, Bytes packet) {
  exchange->eap_relayed->request = packet;
  send_to_peer(host, sa, *exchange, std::move(packet));
  sa.state = EapAsked{std::move(exchange)};
}

void ask_aaa(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, Bytes packet) {
  const JobId job =
      host.ask_aaa(sa, std::move(packet), std::exchange(exchange->eap_relayed->login, {}));
  sa.state = EapPending{std::move(exchange), job};
}

void refuse(Host& host, IkeSa& sa, const AuthExchange& exchange, trace::Body&& why) {
  refuse_peer(host, sa, exchange.message_id, NotifyType::authentication_failed, std::move(why));
}

// The answer to our own question who it is.
bool take_identity(Host& host, IkeSa& sa, const AuthExchange& exchange, const eap::Packet& packet) {
  EapRelayed& relayed = *exchange.eap_relayed;
  if (packet.data.size() > limits::kMaxEapIdentity) {
    refuse(host, sa, exchange,
           trace::EapFailed{
               explain(relayed, {eap::Failure::protocol_error, "the identity is too long"})});
    return false;
  }
  relayed.identity = as_text(packet.data);
  relayed.asked_identity = false;
  if (is_wanted_user(sa, relayed.identity)) return true;
  refuse(host, sa, exchange,
         trace::EapFailed{explain(relayed, {eap::Failure::no_such_user, "`eap_id` takes others"})});
  return false;
}

// ---- what the AAA server says ----

struct Take {
  Host& host;
  IkeSa& sa;
  std::unique_ptr<AuthExchange> exchange;

  EapRelayed& relayed() { return *exchange->eap_relayed; }

  void operator()(radius::EapRelay::Challenge&& challenge) {
    ask_peer(host, sa, std::move(exchange), std::move(challenge.eap));
  }

  void operator()(radius::EapRelay::Accepted&& accepted) {
    relayed().msk = std::move(accepted.msk);
    exchange->authorization =
        std::make_shared<const radius::Authorization>(std::move(accepted.authorization));
    exchange->eap_done = true;
    const radius::Authorization& granted = *exchange->authorization;
    sa.eap_user = granted.user_name.empty() ? relayed().identity : granted.user_name;
    emit(host, sa,
         trace::AaaAccepted{eap::printable(sa.eap_user),
                            relayed().method ? eap::to_string(*relayed().method) : "EAP"});
    send_to_peer(host, sa, *exchange, std::move(accepted.eap));
    sa.state = EapAsked{std::move(exchange)};
  }

  void operator()(radius::EapRelay::Rejected&& rejected) {
    emit(host, sa,
         trace::AaaRejected{eap::printable(relayed().identity),
                            rejected.reply_message.empty() ? "it does not say why; its log does"
                                                           : "it says: " + rejected.reply_message});
    send_to_peer(host, sa, *exchange, std::move(rejected.eap));
    close(sa, "failure");
  }

  void operator()(radius::EapRelay::Broken&& broken) {
    refuse(host, sa, *exchange,
           trace::AaaFailed{eap::printable(relayed().identity), std::move(broken.why)});
  }
};

}  // namespace

void begin_relay(Host& host, IkeSa& sa, std::unique_ptr<AuthExchange> exchange, Payloads&& proof) {
  EapRelayed& relayed = *exchange->eap_relayed;
  relayed.opening = std::move(proof);
  std::uint8_t identifier = 0;
  host.provider().random({&identifier, 1});
  if (sa.connection->remote.eap_id) {
    relayed.asked_identity = true;
    Bytes question =
        eap::encode({.code = eap::Code::request, .identifier = identifier, .type = eap::kIdentity});
    return ask_peer(host, sa, std::move(exchange), std::move(question));
  }
  relayed.identity = user_name(sa.remote_id);
  Bytes claim =
      eap::encode({.code = eap::Code::response, .identifier = identifier, .type = eap::kIdentity},
                  as_bytes(relayed.identity));
  ask_aaa(host, sa, std::move(exchange), std::move(claim));
}

void relay_eap(Host& host, IkeSa& sa, const wire::Eap& eap) {
  auto exchange = std::move(sa.in<EapAsked>()->exchange);
  EapRelayed& relayed = *exchange->eap_relayed;
  const auto packet = eap::decode(eap.data);
  const auto asked = eap::decode(relayed.request);
  // Every request has a response: where the packet is none to our last one, that one again.
  if (!packet || packet->code != eap::Code::response || !asked ||
      packet->identifier != asked->identifier ||
      (relayed.asked_identity && packet->type != eap::kIdentity))
    return ask_peer(host, sa, std::move(exchange), Bytes(relayed.request));
  if (relayed.asked_identity && !take_identity(host, sa, *exchange, *packet)) return;
  if (packet->type != eap::kIdentity && packet->type != eap::kNak) relayed.method = packet->type;
  Bytes whole = to_bytes(packet->whole);
  ask_aaa(host, sa, std::move(exchange), std::move(whole));
}

void aaa_answered(Host& host, IkeSa& sa, JobId job, AaaAnswer&& answer) {
  auto* pending = sa.in<EapPending>();
  if (!pending || pending->job != job) return;
  Take take{host, sa, std::move(pending->exchange)};
  take.relayed().login = std::move(answer.login);
  std::visit([&take](auto& outcome) { take(std::move(outcome)); }, answer.outcome);
}

std::string explain(const EapRelayed& relayed, const eap::Refusal& refusal) {
  return eap::explain(refusal, relayed.method, relayed.identity);
}

}  // namespace culvert::ikev2
