// Owns the INFORMATIONAL exchange. Invariant: a CHILD SA of ours goes only when its delete has been
// acknowledged, or when the peer deletes it; a delete names only SAs of this IKE SA.
#include "ikev2/informational.h"

#include <algorithm>

#include "ikev2/child.h"
#include "ikev2/ike_rekey.h"
#include "ikev2/mobike.h"
#include "ikev2/reauthentication.h"
#include "ikev2/refusal.h"
#include "ikev2/tasks.h"

namespace culvert::ikev2 {
namespace {

using wire::ExchangeType;
using wire::PayloadType;

std::optional<IpsecProtocol> ipsec_protocol(wire::ProtocolId protocol) {
  if (protocol == wire::ProtocolId::esp) return IpsecProtocol::esp;
  if (protocol == wire::ProtocolId::ah) return IpsecProtocol::ah;
  return std::nullopt;
}
wire::ProtocolId wire_protocol(IpsecProtocol protocol) {
  return protocol == IpsecProtocol::ah ? wire::ProtocolId::ah : wire::ProtocolId::esp;
}

constexpr std::size_t kMaxGone = 64;

// Our CREATE_CHILD_SA request may have been answered, and its SA deleted again, while the answer is
// lost or late.
void note_gone(IkeSa& sa, std::uint32_t spi) {
  auto* request = std::get_if<ChildRequest>(&sa.in<Established>()->in_flight);
  if (request && request->gone.size() < kMaxGone) request->gone.push_back(spi);
}

bool has_other(const IkeSa& sa, std::string_view name, SaPairId pair) {
  return std::ranges::any_of(sa.children, [&](const ChildSa& child) {
    return child.pair != pair && child.config->name == name && !child.is_going();
  });
}

// We are deleting it ourselves, and not because nobody wants it any more.
bool is_missed(const IkeSa& sa, SaPairId pair) {
  const auto* ours = std::get_if<DeleteChild>(&sa.in<Established>()->in_flight);
  return ours && ours->pair == pair && ours->missed;
}

// Deletes the pairs whose outbound SPIs the peer names; the answer lists our inbound ones, but not
// of those that we are deleting ourselves at this moment (RFC 7296, 1.4.1).
void delete_named_children(Host& host, IkeSa& sa, const wire::Delete& payload, Payloads& answer,
                           TimePoint now) {
  const auto protocol = ipsec_protocol(payload.protocol);
  if (!protocol || payload.spi_size != 4) return;
  std::vector<std::uint32_t> ours;
  for (std::size_t i = 0; i < payload.count(); ++i) {
    const auto spi = load_be<std::uint32_t>(payload.spi(i).data());
    const ChildSa* child = sa.child_by_outbound_spi(*protocol, spi);
    if (!child) {
      note_gone(sa, spi);
      continue;
    }
    if (child->state != ChildState::deleting) ours.push_back(child->spi_in);
    const bool last = !has_other(sa, child->config->name, child->pair);
    if (last && !child->is_going()) host.child_closing(sa, *child);
    if (last && is_missed(sa, child->pair)) host.child_missing(sa);
    remove_child(host, sa, child->pair, "peer", now);
  }
  if (!ours.empty())
    answer.emplace_back(PayloadType::delete_, wire::Delete::child_sas(payload.protocol, ours));
}

}  // namespace

void send_liveness_check(Host& host, IkeSa& sa, TimePoint now) {
  sa.in<Established>()->in_flight = CheckLiveness{};
  emit(host, sa, trace::LivenessCheck{});
  Payloads payloads;
  add_mapping_check(host, sa, payloads);
  send_request(host, sa, ExchangeType::informational, payloads, now);
}

void send_child_delete(Host& host, IkeSa& sa, const DeleteChild& task, TimePoint now) {
  ChildSa* child = sa.child_by_pair(task.pair);
  if (!child || child->is_going()) return;  // the peer was faster
  child->state = ChildState::deleting;
  const std::uint32_t spi[] = {child->spi_in};
  const wire::Payload payload{PayloadType::delete_,
                              wire::Delete::child_sas(wire_protocol(child->protocol), spi)};
  sa.in<Established>()->in_flight = task;
  send_request(host, sa, ExchangeType::informational, {&payload, 1}, now);
}

void send_child_refusal(Host& host, IkeSa& sa, const RefuseChild& task, TimePoint now) {
  const std::uint32_t spi[] = {task.spi_in};
  const wire::Payload payload{PayloadType::delete_, wire::Delete::child_sas(task.protocol, spi)};
  sa.in<Established>()->in_flight = task;
  send_request(host, sa, ExchangeType::informational, {&payload, 1}, now);
}

void send_ike_delete(Host& host, IkeSa& sa, const DeleteIke& task, TimePoint now) {
  const wire::Payload payload{PayloadType::delete_, wire::Delete::ike_sa()};
  sa.in<Established>()->in_flight = task;
  send_request(host, sa, ExchangeType::informational, {&payload, 1}, now);
}

void handle_informational_request(Host& host, IkeSa& sa, const Inbound& in) {
  Payloads answer;
  bool delete_ike = false;
  for (const wire::Payload& payload : in.payloads)
    if (const auto* named = std::get_if<wire::Delete>(&payload.body)) {
      if (named->protocol == wire::ProtocolId::ike)
        delete_ike = true;
      else
        delete_named_children(host, sa, *named, answer, in.now);
    }
  answer_mobike(host, sa, in, answer);
  // RFC 7296, 2.21.2: an initiator that rejects our AUTH says so here, and its SA is gone.
  if (const auto* error = first_error(in.payloads);
      error && error->type == wire::NotifyType::authentication_failed) {
    report_refusal(host, sa, in);
    delete_ike = true;
  }
  if (delete_ike) answer.clear();  // RFC 7296, 1.4.1: nothing but an empty response
  send_response(host, sa, ExchangeType::informational, in.header.message_id, answer);
  if (!delete_ike) return note_auth_lifetime(host, sa, in);
  concede_ike_rekey(host, sa);
  // Where both delete at once, it ends for our reason.
  const auto* ours = std::get_if<DeleteIke>(&sa.in<Established>()->in_flight);
  close(sa, ours ? ours->by : "peer");
}

void handle_informational_response(Host& host, IkeSa& sa, const Inbound& in) {
  auto& up = *sa.in<Established>();
  const InFlight done = std::exchange(up.in_flight, std::monostate{});
  if (const auto* child = std::get_if<DeleteChild>(&done)) {
    const ChildSa* gone = sa.child_by_pair(child->pair);
    const ChildConfigRef config = gone ? gone->config : nullptr;
    remove_child(host, sa, child->pair, "us", in.now);
    if (child->missed && config && !has_other(sa, config->name, child->pair))
      host.child_missing(sa);
  }
  if (const auto* ike = std::get_if<DeleteIke>(&done)) close(sa, ike->by);
  if (sa.rekeyed) return;  // the successor asks again for what was under way
  if (std::holds_alternative<CheckLiveness>(done)) check_mapping(sa, in);
  if (const auto* request = std::get_if<AddressRequest>(&done))
    handle_address_response(host, sa, *request, in);
}

}  // namespace culvert::ikev2
