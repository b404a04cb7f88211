// Owns the CREATE_CHILD_SA exchange. Invariant: whatever an exchange reserves (an SPI, a key
// exchange) is either installed or given back when the exchange ends.
#include "ikev2/create_child_sa.h"

#include <algorithm>

#include "ikev2/child_rekey.h"
#include "ikev2/ike_rekey.h"
#include "ikev2/refusal.h"
#include "ikev2/tasks.h"
#include "ipsec/spi.h"

namespace culvert::ikev2 {
namespace {

using wire::ExchangeType;
using wire::NotifyType;
using wire::PayloadType;

Ke first_method(const ChildConfig& config) {
  for (const Proposal& proposal : config.proposals)
    if (!proposal.ke.empty()) return proposal.ke.front();
  return Ke::none;
}

const Bytes& nonce_of(const Inbound& in) {
  return wire::find<wire::Nonce>(in.payloads, PayloadType::nonce)->data;
}

void create_for_peer(Host& host, IkeSa& sa, const Inbound& in) {
  if (sa.children.size() >= limits::kMaxChildrenPerIkeSa)
    return refuse_create_child_sa(host, sa, in, NotifyType::no_additional_sas);
  auto answer = answer_child_request(host, sa, in, nullptr);
  if (!answer) return;
  if (!install_child(host, sa, sa.in<Established>()->proof, answer->agreement,
                     {nonce_of(in), answer->nonce, answer->half.secret.view(), false}, in.now))
    return refuse_create_child_sa(host, sa, in, NotifyType::no_additional_sas);
  host.know_pfs(sa, *answer->agreement.config);
  if (auto* request = std::get_if<ChildRequest>(&sa.in<Established>()->in_flight);
      request && !request->rekeys && request->offer.config->name == answer->agreement.config->name)
    request->rival =
        ChildRival{to_bytes(lower_nonce(nonce_of(in), answer->nonce)), sa.children.back().pair};
  send_child_response(host, sa, in, *answer);
}

// Each request costs us keys and memory: a peer that is authenticated may still be mad.
bool asks_too_often(Host& host, IkeSa& sa, std::uint32_t cost, TimePoint now) {
  const bool over = !sa.meter.add(cost, now);
  if (over && !sa.meter.over) emit(host, sa, trace::PeerSlowed{limits::kChildRequestsPerSecond});
  sa.meter.over = over;
  return over;
}

// Both sides have asked for the same CHILD SA at once, and one is enough. As with rekeys (RFC 7296,
// 2.8.1), the exchange with the lowest nonce loses; a side that has not seen the other's request
// while its own was out leaves the decision to the other, so either may delete the loser.
void settle_twins(IkeSa& sa, const ChildRival& theirs, const ChildSa& ours, ByteView our_lowest) {
  // The peer's may have been rekeyed while our request was out.
  const auto twin = std::ranges::find_if(sa.children, [&](const ChildSa& one) {
    return one.pair != ours.pair && one.config->name == ours.config->name && one.is_live() &&
           !is_ending(sa, one) && one.local_ts == ours.local_ts && one.remote_ts == ours.remote_ts;
  });
  if (twin == sa.children.end()) return;
  queue_task(sa, DeleteChild{is_lower(our_lowest, theirs.lowest_nonce) ? ours.pair : twin->pair});
}

// RFC 7296, 2.25.2: while we rekey or close the IKE SA, nothing else is begun.
bool is_moving(const Established& up) {
  return std::holds_alternative<IkeRequest>(up.in_flight) ||
         std::holds_alternative<DeleteIke>(up.in_flight);
}

}  // namespace

void refuse_create_child_sa(Host& host, IkeSa& sa, const Inbound& in, NotifyType type, Bytes data,
                            wire::ProtocolId protocol, Bytes spi) {
  const wire::Payload payload = make_notify(type, std::move(data), protocol, std::move(spi));
  send_response(host, sa, ExchangeType::create_child_sa, in.header.message_id, {&payload, 1});
  if (type == NotifyType::invalid_syntax) close(sa, "failure");
}

// ---- initiator ----

bool send_child_request(Host& host, IkeSa& sa, const CreateChild& wanted, ChildRequest&& request,
                        Payloads&& payloads, TimePoint now) {
  request.second_ke = wanted.ke != Ke::none;
  const Ke method = request.second_ke ? wanted.ke : first_method(*wanted.config);
  Payloads between;
  request.nonce = new_nonce(host);
  between.emplace_back(PayloadType::nonce, wire::Nonce{request.nonce});
  if (method != Ke::none) {
    auto ke = host.provider().generate(method);
    if (!ke) {
      emit(host, sa, trace::InternalError{"key exchange", ke.error().reason}, wanted.config.get());
      return false;
    }
    request.ke = std::move(*ke);
    between.push_back(ke_payload(*request.ke));
  }
  request.offer = make_offer(host, sa, wanted.config, wanted.scope);
  add_offer(request.offer, false, std::move(between), payloads);
  sa.in<Established>()->in_flight = std::move(request);
  send_request(host, sa, ExchangeType::create_child_sa, payloads, now);
  return true;
}

std::optional<ChildGrant> read_child_response(Host& host, IkeSa& sa, const ChildRequest& request,
                                              const Inbound& in) {
  const ChildConfig& config = *request.offer.config;
  const auto* nonce = wire::find<wire::Nonce>(in.payloads, PayloadType::nonce);
  if (first_error(in.payloads) || !nonce) {
    report_refusal(host, sa, in, &config);
    withdraw_offer(host, sa);
    return std::nullopt;
  }
  auto agreement = accept_answer(request.offer, in.payloads, false);
  if (!agreement) {
    emit(host, sa, std::move(agreement.error().why), &config);
    refuse_grant(host, sa, request.offer, in.payloads);
    return std::nullopt;
  }
  if (std::ranges::find(request.gone, agreement->spi_out) != request.gone.end()) {
    emit(host, sa,
         trace::ChildDeleted{spi_text(agreement->spi_in), spi_text(agreement->spi_out), "peer"},
         &config);
    withdraw_offer(host, sa);
    return std::nullopt;
  }
  SecretBytes secret;
  if (const Ke chosen = agreement->suite.ke; chosen != Ke::none) {
    auto completed = complete_ke(request.ke.get(), chosen, find_ke(in.payloads));
    if (!completed) {
      emit(host, sa, trace::BadPublicValue{chosen}, &config);
      refuse_grant(host, sa, request.offer, in.payloads);
      return std::nullopt;
    }
    secret = std::move(*completed);
  }
  return ChildGrant{std::move(*agreement), std::move(secret), nonce->data};
}

void send_create_child_sa(Host& host, IkeSa& sa, const CreateChild& task, TimePoint now) {
  // The peer may have asked for it while the task waited.
  if (covers(sa, task.config->name, task.scope))
    return finish_waiters(host, sa, task.config->name, true);
  if (!send_child_request(host, sa, task, {}, {}, now))
    finish_waiters(host, sa, task.config->name, false);
}

void handle_create_child_sa_response(Host& host, IkeSa& sa, const Inbound& in) {
  auto& up = *sa.in<Established>();
  if (std::holds_alternative<IkeRequest>(up.in_flight))
    return handle_ike_rekey_response(host, sa, in);
  ChildRequest request = std::get<ChildRequest>(std::exchange(up.in_flight, std::monostate{}));
  if (request.rekeys) return handle_child_rekey_response(host, sa, std::move(request), in);
  const ChildConfigRef config = request.offer.config;
  if (request.ke && !request.second_ke)
    if (const auto wanted = other_method(in.payloads, request.ke->method(), config->proposals)) {
      withdraw_offer(host, sa);
      emit(host, sa, trace::RetryWithKe{vici_name(*wanted), vici_name(request.ke->method())},
           config.get());
      up.queue.push_front(CreateChild{config, *wanted, request.offer.scope});
      return;
    }
  if (auto pair = single_pair(request.offer, in.payloads)) {
    withdraw_offer(host, sa);
    return queue_task(sa, CreateChild{config, Ke::none, std::move(pair)});
  }
  auto grant = read_child_response(host, sa, request, in);
  if (!grant || !install_child(host, sa, up.proof, grant->agreement,
                               {request.nonce, grant->nonce, grant->secret.view(), true}, in.now))
    return finish_waiters(host, sa, config->name, false);
  host.know_pfs(sa, *config);
  if (request.rival)
    settle_twins(sa, *request.rival, sa.children.back(), lower_nonce(request.nonce, grant->nonce));
  if (auto rest = remainder(request.offer, grant->agreement, in.payloads))
    queue_task(sa, CreateChild{config, Ke::none, std::move(rest)});
}

// ---- responder ----

std::optional<ChildAnswer> answer_child_request(Host& host, IkeSa& sa, const Inbound& in,
                                                ChildConfigRef only) {
  auto agreement = agree(host, sa, sa.connection, in.payloads, false, std::move(only));
  if (!agreement) {
    emit(host, sa, std::move(agreement.error().why));
    refuse_create_child_sa(host, sa, in, agreement.error().notify,
                           std::move(agreement.error().data));
    return std::nullopt;
  }
  ChildAnswer answer{std::move(*agreement), {}, new_nonce(host)};
  if (const Ke chosen = answer.agreement.suite.ke; chosen != Ke::none) {
    auto half = answer_ke(host, chosen, find_ke(in.payloads));
    if (!half) {
      release(host, answer.agreement);
      emit(host, sa, std::move(half.error().why), answer.agreement.config.get());
      refuse_create_child_sa(host, sa, in, half.error().notify, std::move(half.error().data));
      return std::nullopt;
    }
    answer.half = std::move(*half);
  }
  return answer;
}

void send_child_response(Host& host, IkeSa& sa, const Inbound& in, const ChildAnswer& answer) {
  Payloads between, payloads;
  between.emplace_back(PayloadType::nonce, wire::Nonce{answer.nonce});
  if (answer.half.ke) between.push_back(ke_payload(*answer.half.ke));
  add_agreement(answer.agreement, std::move(between), payloads);
  send_response(host, sa, ExchangeType::create_child_sa, in.header.message_id, payloads);
}

void handle_create_child_sa_request(Host& host, IkeSa& sa, const Inbound& in) {
  const auto& offer = *wire::find<wire::Sa>(in.payloads, PayloadType::sa);
  const bool ike =
      !offer.proposals.empty() && offer.proposals.front().protocol == wire::ProtocolId::ike;
  if (asks_too_often(host, sa, ike ? limits::kIkeRekeyCost : 1, in.now))
    return refuse_create_child_sa(host, sa, in, NotifyType::temporary_failure);
  if (ike) return handle_ike_rekey_request(host, sa, in);
  if (is_moving(*sa.in<Established>()) || sa.rekeyed)
    return refuse_create_child_sa(host, sa, in, NotifyType::temporary_failure);
  if (const auto* rekey = wire::find_notify(in.payloads, NotifyType::rekey_sa))
    return handle_child_rekey_request(host, sa, in, *rekey);
  create_for_peer(host, sa, in);
}

}  // namespace culvert::ikev2
