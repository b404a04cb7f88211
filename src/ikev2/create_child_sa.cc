// Owns the CREATE_CHILD_SA exchange that makes new CHILD SAs.
#include "ikev2/create_child_sa.h"

#include <algorithm>

#include "ikev2/child.h"
#include "ikev2/refusal.h"
#include "ikev2/tasks.h"

namespace culvert::ikev2 {
namespace {

using wire::ExchangeType;
using wire::NotifyType;
using wire::PayloadType;

constexpr std::size_t kNonceSize = 32;  // RFC 7296, 2.10

Ke first_ke(const ChildConfig& config) {
  for (const Proposal& proposal : config.proposals)
    if (!proposal.ke.empty()) return proposal.ke.front();
  return Ke::none;
}

wire::Payload ke_payload(const KeyExchange& ke) {
  return {PayloadType::ke, wire::KeyExchangePayload{static_cast<std::uint16_t>(ke.method()),
                                                    to_bytes(ke.public_value())}};
}

void refuse(Host& host, IkeSa& sa, const Inbound& in, NotifyType type, Bytes data = {}) {
  const wire::Payload payload = make_notify(type, std::move(data));
  send_response(host, sa, ExchangeType::create_child_sa, in.header.message_id, {&payload, 1});
  if (type == NotifyType::invalid_syntax) close(sa, "failure");  // RFC 7296, 2.21.3
}

// As initiator, a key exchange that the responder wants instead and that we offered.
std::optional<Ke> other_ke(const ChildRequest& request, std::span<const wire::Payload> payloads) {
  const auto* notify = wire::find_notify(payloads, NotifyType::invalid_ke_payload);
  if (!notify || notify->data.size() != 2 || !request.ke) return std::nullopt;
  const Ke wanted{load_be<std::uint16_t>(notify->data.data())};
  if (wanted == request.ke->method()) return std::nullopt;
  for (const Proposal& proposal : request.offer.config->proposals)
    if (std::ranges::find(proposal.ke, wanted) != proposal.ke.end()) return wanted;
  return std::nullopt;
}

// The responder's half of PFS. An empty secret means: no key exchange.
struct KeHalf {
  std::unique_ptr<KeyExchange> ke;
  SecretBytes secret;
};
std::expected<KeHalf, ChildFailure> answer_ke(Host& host, const ChildAgreement& agreement,
                                              const wire::KeyExchangePayload* theirs) {
  const Ke wanted = agreement.suite.ke;
  if (wanted == Ke::none) return KeHalf{};
  if (!theirs || Ke{theirs->method} != wanted) {
    Bytes data(2);
    store_be(data.data(), static_cast<std::uint16_t>(wanted));
    return std::unexpected(
        ChildFailure{NotifyType::invalid_ke_payload, std::move(data),
                     trace::Notice{"the peer's KE payload is not of the method chosen, " +
                                   vici_name(wanted) + "; asked for that one"}});
  }
  auto ke = host.provider().generate(wanted);
  if (!ke)
    return std::unexpected(ChildFailure{NotifyType::no_proposal_chosen,
                                        {},
                                        trace::InternalError{"key exchange", ke.error().reason}});
  auto secret = (*ke)->derive(theirs->data);
  if (!secret)
    return std::unexpected(
        ChildFailure{NotifyType::invalid_syntax, {}, trace::BadPublicValue{wanted}});
  return KeHalf{std::move(*ke), std::move(*secret)};
}

void give_up(Host& host, IkeSa& sa, const ChildOffer& offer) {
  withdraw_offer(host, sa);
  finish_waiters(host, sa, offer.config->name, false);
}

// The initiator's secret from the responder's KE; nullopt when it contradicts the suite.
std::optional<SecretBytes> complete_ke(const ChildRequest& request, const ChildAgreement& agreement,
                                       const wire::KeyExchangePayload* theirs) {
  if (agreement.suite.ke == Ke::none) return SecretBytes{};
  if (!request.ke || !theirs || request.ke->method() != agreement.suite.ke ||
      Ke{theirs->method} != agreement.suite.ke)
    return std::nullopt;
  auto secret = request.ke->derive(theirs->data);
  if (!secret) return std::nullopt;
  return std::move(*secret);
}

}  // namespace

void send_create_child_sa(Host& host, IkeSa& sa, const CreateChild& task, TimePoint now) {
  ChildRequest request;
  request.offer = make_offer(host, sa, task.config);
  request.nonce.resize(kNonceSize);
  host.provider().random(request.nonce);
  Payloads between;
  between.emplace_back(PayloadType::nonce, wire::Nonce{request.nonce});
  if (const Ke method = task.ke == Ke::none ? first_ke(*task.config) : task.ke;
      method != Ke::none) {
    auto ke = host.provider().generate(method);
    if (!ke) {
      emit(host, sa, trace::InternalError{"key exchange", ke.error().reason}, task.config.get());
      return give_up(host, sa, request.offer);
    }
    request.ke = std::move(*ke);
    between.push_back(ke_payload(*request.ke));
  }
  Payloads payloads;
  add_offer(request.offer, false, std::move(between), payloads);
  sa.in<Established>()->in_flight = std::move(request);
  send_request(host, sa, ExchangeType::create_child_sa, payloads, now);
}

void handle_create_child_sa_request(Host& host, IkeSa& sa, const Inbound& in) {
  // RFC 7296, 1.3 and 2.25.2: while we close the IKE SA, nothing new is made.
  auto& up = *sa.in<Established>();
  if (std::holds_alternative<DeleteIke>(up.in_flight))
    return refuse(host, sa, in, NotifyType::temporary_failure);
  const auto* offer = wire::find<wire::Sa>(in.payloads, PayloadType::sa);
  const bool ike_rekey =
      !offer->proposals.empty() && offer->proposals.front().protocol == wire::ProtocolId::ike;
  // RFC 7296, 1.3: a rekey that we don't do ends in NO_ADDITIONAL_SAS, and the peer makes a new SA.
  if (ike_rekey || sa.children.size() >= limits::kMaxChildrenPerIkeSa)
    return refuse(host, sa, in, NotifyType::no_additional_sas);

  auto agreement = agree(host, sa, sa.connection, in.payloads, false);
  if (!agreement) {
    emit(host, sa, std::move(agreement.error().why));
    return refuse(host, sa, in, agreement.error().notify, std::move(agreement.error().data));
  }
  auto ke = answer_ke(host, *agreement,
                      wire::find<wire::KeyExchangePayload>(in.payloads, PayloadType::ke));
  if (!ke) {
    host.release_child_spi(agreement->spi_in);
    emit(host, sa, std::move(ke.error().why), agreement->config.get());
    return refuse(host, sa, in, ke.error().notify, std::move(ke.error().data));
  }
  Bytes nonce(kNonceSize);
  host.provider().random(nonce);
  Payloads between, payloads;
  between.emplace_back(PayloadType::nonce, wire::Nonce{nonce});
  if (ke->ke) between.push_back(ke_payload(*ke->ke));
  add_agreement(*agreement, std::move(between), payloads);
  install_child(host, sa, up.proof, *agreement,
                {wire::find<wire::Nonce>(in.payloads, PayloadType::nonce)->data, nonce,
                 ke->secret.view(), false},
                in.now);
  send_response(host, sa, ExchangeType::create_child_sa, in.header.message_id, payloads);
}

void handle_create_child_sa_response(Host& host, IkeSa& sa, const Inbound& in) {
  auto& up = *sa.in<Established>();
  ChildRequest request = std::move(std::get<ChildRequest>(up.in_flight));
  up.in_flight = {};
  if (auto wanted = other_ke(request, in.payloads)) {
    withdraw_offer(host, sa);
    emit(host, sa, trace::RetryWithKe{vici_name(*wanted), vici_name(request.ke->method())},
         request.offer.config.get());
    up.queue.push_front(CreateChild{request.offer.config, *wanted});
    return;
  }
  const auto* nonce = wire::find<wire::Nonce>(in.payloads, PayloadType::nonce);
  if (first_error(in.payloads) || !nonce) {
    report_refusal(host, sa, in, request.offer.config.get());
    return give_up(host, sa, request.offer);
  }
  auto agreement = accept_answer(request.offer, in.payloads, false);
  if (!agreement) {
    emit(host, sa, std::move(agreement.error().why), request.offer.config.get());
    return give_up(host, sa, request.offer);
  }
  auto secret = complete_ke(request, *agreement,
                            wire::find<wire::KeyExchangePayload>(in.payloads, PayloadType::ke));
  if (!secret) {
    emit(host, sa, trace::BadPublicValue{agreement->suite.ke}, request.offer.config.get());
    return give_up(host, sa, request.offer);
  }
  install_child(host, sa, up.proof, *agreement, {request.nonce, nonce->data, secret->view(), true},
                in.now);
}

}  // namespace culvert::ikev2
