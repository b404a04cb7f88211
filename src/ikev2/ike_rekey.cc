// Owns the rekeying of IKE SAs. Invariant: the CHILD SAs belong to exactly one IKE SA at a time; in
// a collision they stay with the old one until it is clear which new one wins.
#include "ikev2/ike_rekey.h"

#include <algorithm>

#include "ikev2/create_child_sa.h"
#include "ikev2/mobike.h"
#include "ikev2/reauthentication.h"
#include "ikev2/refusal.h"
#include "ikev2/tasks.h"

namespace culvert::ikev2 {
namespace {

using wire::ExchangeType;
using wire::NotifyType;
using wire::PayloadType;

constexpr Duration kRetryAfter = std::chrono::seconds(5);
// How long the old IKE SA waits for the initiator of the rekey to delete it.
constexpr Duration kOldSaLife = std::chrono::minutes(3);
// The peer deletes the SA with which it lost a collision at once. charon forgets it without a word.
constexpr Duration kLosingSaLife = std::chrono::seconds(6);

Bytes spi_octets(std::uint64_t spi) {
  Bytes octets(8);
  store_be(octets.data(), spi);
  return octets;
}

// RFC 7296, 3.1: an IKE SPI is never zero.
bool is_usable_spi(ByteView spi) {
  return spi.size() == 8 && load_be<std::uint64_t>(spi.data()) != 0;
}
trace::MalformedMessage bad_spi(const Inbound& in) {
  return {in.header.exchange, in.header.message_id, Reason::bad_value, 0,
          "an IKE SPI of eight octets, not zero, names the new IKE SA"};
}

struct NewKeys {
  Role role;
  std::uint64_t spi_i, spi_r;
  ByteView nonce_i, nonce_r;
  ByteView secret;
};

// The new IKE SA beside the old one, without its CHILD SAs yet; nullptr when our own cryptography
// fails. RFC 7296, 2.18.
IkeSa* make_successor(Host& host, IkeSa& old, const Suite& suite, const NewKeys& with,
                      TimePoint now) {
  auto keys = derive_rekeyed_ike_keys(
      host.provider(),
      {suite.prf, suite.cipher, with.nonce_i, with.nonce_r, with.secret, with.spi_i, with.spi_r},
      old.suite.prf, old.keys.sk_d());
  if (!keys) {
    emit(host, old, trace::InternalError{"IKE keys", keys.error().reason});
    return nullptr;
  }
  IkeSa& sa = host.create_successor(old, with.role, with.spi_i, with.spi_r);
  sa.suite = suite;
  sa.keys = IkeSaKeys(*keys);
  sa.created = sa.established = sa.last_inbound = now;
  sa.rekey_at = next_ike_rekey(host, *sa.connection, now);
  schedule_hard_end(sa, now);
  schedule_keepalive(host, sa, now);
  return &sa;
}

// CHILD SAs, waiters and waiting tasks move; the old SA is only there to be deleted.
void move_children(Host& host, IkeSa& old, IkeSa& to) {
  inherit_mobility(host, old, to);
  // The peer may have moved since the new SA was made, and only the old one had CHILD SAs to tell.
  const bool moved = old.local != to.local || old.remote != to.remote;
  if (old.session) {
    to.session = std::move(old.session);
    host.own_session(to);
  }
  for (const ChildSa& child : old.children) {
    host.own_pair(child.pair, to);
    if (moved) host.apply(UpdateSa{child.pair, to.local, to.remote, to.udp_encap});
  }
  std::ranges::move(std::exchange(old.children, {}), std::back_inserter(to.children));
  std::ranges::move(std::exchange(old.waiters, {}), std::back_inserter(to.waiters));
  for (Task& task : std::exchange(old.in<Established>()->queue, {}))
    if (!std::holds_alternative<RekeyIke>(task)) queue_task(to, std::move(task));
  // A reauthentication that is under way ends the successor.
  if (IkeSa* younger = host.find(old.replaced_by)) {
    younger->replaces = to.self;
    to.replaced_by = younger->self;
  }
  old.rekeyed = true;
  old.rekey_at = old.keepalive_at = kNever;
  to.rival_of = {};
  to.took_over = true;
  emit(host, old, trace::IkeRekeyed{to_string(to.suite, wire::ProtocolId::ike), to.unique_id});
  host.ike_rekeyed(old, to);
  host.touched(to);
}

// RFC 7296, 2.25.2: what excludes the rekey of the IKE SA.
bool is_busy(const Established& up) {
  return std::holds_alternative<ChildRequest>(up.in_flight) ||
         std::holds_alternative<DeleteChild>(up.in_flight) ||
         std::holds_alternative<DeleteIke>(up.in_flight);
}

// Our exchange came to nothing. If the peer's stands, it is the successor.
void give_up(Host& host, IkeSa& sa, const IkeRequest& request, TimePoint now) {
  IkeSa* rival = request.rival ? host.find(request.rival->sa) : nullptr;
  if (rival) {
    move_children(host, sa, *rival);
    sa.expires = now + kOldSaLife;
  } else {
    sa.rekey_at = now + kRetryAfter;
  }
}

// RFC 7296, 2.8.2: the exchange with the lowest of the four nonces loses; who made the losing IKE
// SA deletes it, the other one deletes the old one.
void settle_rivalry(Host& host, IkeSa& old, IkeSa& ours, IkeSa& theirs, bool we_lose,
                    TimePoint now) {
  move_children(host, old, we_lose ? theirs : ours);
  if (we_lose) {
    ours.rekeyed = true;  // never carried anything: no news, and nothing to restart
    ours.rekey_at = kNever;
    queue_ike_delete(ours);
    run_next_task(host, ours, now);
    host.touched(ours);
    old.expires = now + kOldSaLife;
  } else {
    theirs.expires = now + kLosingSaLife;
    theirs.rekeyed = true;
    theirs.rival_of = {};
    theirs.rekey_at = kNever;
    host.touched(theirs);
    queue_ike_delete(old);
  }
}

}  // namespace

TimePoint next_ike_rekey(Host& host, const ConnectionConfig& connection, TimePoint now) {
  if (connection.rekey_time <= Duration::zero()) return kNever;
  return now + connection.rekey_time -
         jitter(host, std::min(connection.rand_time, connection.rekey_time));
}

IkeSa* successor_by_peer(Host& host, const IkeSa& sa) {
  const auto* up = sa.in<Established>();
  const auto* request = up ? std::get_if<IkeRequest>(&up->in_flight) : nullptr;
  return request && request->rival ? host.find(request->rival->sa) : nullptr;
}

void concede_ike_rekey(Host& host, IkeSa& sa) {
  if (IkeSa* rival = successor_by_peer(host, sa)) move_children(host, sa, *rival);
}

void settle_by_use(Host& host, IkeSa& sa, std::span<const wire::Payload> payloads) {
  IkeSa* old = host.find(sa.rival_of);
  if (!old) return;
  const bool deletes_it = std::ranges::any_of(payloads, [](const wire::Payload& payload) {
    const auto* named = std::get_if<wire::Delete>(&payload.body);
    return named && named->protocol == wire::ProtocolId::ike;
  });
  if (!payloads.empty() && !deletes_it) move_children(host, *old, sa);
}

void send_ike_rekey(Host& host, IkeSa& sa, const RekeyIke& task, TimePoint now) {
  if (sa.rekeyed || host.find(sa.rival_of)) return;
  const Ke method = task.ke != Ke::none ? task.ke : sa.connection->proposals.front().ke.front();
  auto ke = host.provider().generate(method);
  if (!ke) return emit(host, sa, trace::InternalError{"key exchange", ke.error().reason});
  IkeRequest request{host.new_ike_spi(), new_nonce(host), std::move(*ke), task.ke != Ke::none, {}};
  Payloads payloads;
  payloads.emplace_back(PayloadType::sa,
                        to_wire(sa.connection->proposals, spi_octets(request.spi), false));
  payloads.emplace_back(PayloadType::nonce, wire::Nonce{request.nonce});
  payloads.push_back(ke_payload(*request.ke));
  sa.in<Established>()->in_flight = std::move(request);
  send_request(host, sa, ExchangeType::create_child_sa, payloads, now);
}

void handle_ike_rekey_request(Host& host, IkeSa& sa, const Inbound& in) {
  auto& up = *sa.in<Established>();
  if (sa.rekeyed || is_busy(up))
    return refuse_create_child_sa(host, sa, in, NotifyType::temporary_failure);
  SelectOptions options;
  const auto* theirs = find_ke(in.payloads);
  options.prefer_ke = theirs ? Ke{theirs->method} : Ke::none;
  options.provider = &host.provider();
  auto choice = select_proposal(sa.connection->proposals,
                                *wire::find<wire::Sa>(in.payloads, PayloadType::sa), options);
  if (!choice || !is_usable_spi(choice->peer_spi)) {
    if (!choice)
      emit(host, sa,
           trace::NoCommonProposal{"IKE", choice.error().type, std::move(choice.error().offered),
                                   std::move(choice.error().accepted), "ike"});
    else
      emit(host, sa, bad_spi(in));
    return refuse_create_child_sa(host, sa, in, NotifyType::no_proposal_chosen);
  }
  auto half = answer_ke(host, choice->suite.ke, theirs);
  if (!half) {
    emit(host, sa, std::move(half.error().why));
    return refuse_create_child_sa(host, sa, in, half.error().notify, std::move(half.error().data));
  }
  const Bytes& nonce_i = wire::find<wire::Nonce>(in.payloads, PayloadType::nonce)->data;
  const Bytes nonce_r = new_nonce(host);
  const auto spi_i = load_be<std::uint64_t>(choice->peer_spi.data());
  const auto spi_r = host.new_ike_spi();
  IkeSa* successor = make_successor(
      host, sa, choice->suite,
      {Role::responder, spi_i, spi_r, nonce_i, nonce_r, half->secret.view()}, in.now);
  if (!successor) return refuse_create_child_sa(host, sa, in, NotifyType::no_additional_sas);
  choice->accepted.spi = spi_octets(spi_r);
  Payloads payloads;
  payloads.emplace_back(PayloadType::sa, wire::Sa{{choice->accepted}});
  payloads.emplace_back(PayloadType::nonce, wire::Nonce{nonce_r});
  payloads.push_back(ke_payload(*half->ke));
  send_response(host, sa, ExchangeType::create_child_sa, in.header.message_id, payloads);
  if (auto* request = std::get_if<IkeRequest>(&up.in_flight)) {
    request->rival = IkeRival{to_bytes(lower_nonce(nonce_i, nonce_r)), successor->self};
    successor->rival_of = sa.self;
    host.touched(*successor);
    return;
  }
  move_children(host, sa, *successor);
  sa.expires = in.now + kOldSaLife;
}

void handle_ike_rekey_response(Host& host, IkeSa& sa, const Inbound& in) {
  auto& up = *sa.in<Established>();
  IkeRequest request = std::get<IkeRequest>(std::exchange(up.in_flight, std::monostate{}));
  const auto& proposals = sa.connection->proposals;
  if (!request.second_ke && !request.rival)
    if (const auto wanted = other_method(in.payloads, request.ke->method(), proposals)) {
      emit(host, sa, trace::RetryWithKe{vici_name(*wanted), vici_name(request.ke->method())});
      up.queue.push_front(RekeyIke{*wanted});
      return;
    }
  const auto* answer = wire::find<wire::Sa>(in.payloads, PayloadType::sa);
  const auto* nonce = wire::find<wire::Nonce>(in.payloads, PayloadType::nonce);
  if (first_error(in.payloads) || !answer || !nonce) {
    report_refusal(host, sa, in);
    return give_up(host, sa, request, in.now);
  }
  auto choice = verify_choice(proposals, *answer, false);
  auto secret =
      choice ? complete_ke(request.ke.get(), choice->suite.ke, find_ke(in.payloads)) : std::nullopt;
  if (!secret || !is_usable_spi(choice->peer_spi)) {
    emit(host, sa,
         trace::MalformedMessage{in.header.exchange, in.header.message_id, Reason::no_match, 0,
                                 "the answer to an IKE SA rekey"});
    return give_up(host, sa, request, in.now);
  }
  const auto spi_r = load_be<std::uint64_t>(choice->peer_spi.data());
  IkeSa* ours = make_successor(
      host, sa, choice->suite,
      {Role::initiator, request.spi, spi_r, request.nonce, nonce->data, secret->view()}, in.now);
  if (!ours) return give_up(host, sa, request, in.now);
  IkeSa* theirs = request.rival ? host.find(request.rival->sa) : nullptr;
  if (theirs) {
    const ByteView lowest = lower_nonce(request.nonce, nonce->data);
    const bool decided = !theirs->rival_of;  // by the peer's use of its own
    return settle_rivalry(host, sa, *ours, *theirs,
                          decided || is_lower(lowest, request.rival->lowest_nonce), in.now);
  }
  move_children(host, sa, *ours);
  queue_ike_delete(sa);
}

}  // namespace culvert::ikev2
