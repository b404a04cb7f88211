// Owns the rekeying of CHILD SAs. Invariant: at every moment one SA of a lineage carries outbound
// traffic, and the inbound SAs of both are in place while the peers may differ about which.
#include "ikev2/child_rekey.h"

#include <algorithm>

#include "ikev2/create_child_sa.h"
#include "ikev2/refusal.h"
#include "ikev2/tasks.h"

namespace culvert::ikev2 {
namespace {

using wire::NotifyType;
using wire::PayloadType;

// How long to wait when the peer is busy with something that excludes the rekey (RFC 7296, 2.25).
constexpr Duration kRetryAfter = std::chrono::seconds(5);

wire::ProtocolId protocol_of(const ChildSa& child) {
  return child.protocol == IpsecProtocol::ah ? wire::ProtocolId::ah : wire::ProtocolId::esp;
}

constexpr Duration kRehearsalOfResponder = std::chrono::seconds(3);

std::string methods_text(const ChildConfig& config) {
  std::string text;
  for (const Proposal& proposal : config.proposals) {
    if (proposal.ke.empty()) text += text.empty() ? "none" : ", none";
    for (const Ke method : proposal.ke) text += (text.empty() ? "" : ", ") + vici_name(method);
  }
  return text;
}

// The rekey was refused for want of a common proposal, while the CHILD SA itself was agreed upon:
// only the key exchange can differ.
void report_rehearsal(Host& host, IkeSa& sa, const ChildRequest& request, const Inbound& in) {
  const auto* error = first_error(in.payloads);
  if (!error || (error->type != NotifyType::no_proposal_chosen &&
                 error->type != NotifyType::invalid_ke_payload))
    return;
  const ChildConfig& config = *request.offer.config;
  emit(host, sa, trace::PfsMismatch{methods_text(config)}, &config);
  host.know_pfs(sa, config);
}

bool has_successor(const IkeSa& sa, const ChildSa& old) {
  return std::ranges::any_of(sa.children, [&](const ChildSa& other) {
    return other.lineage == old.lineage && other.pair != old.pair && other.is_live();
  });
}

// The exchange failed, or the peer has no such SA: what becomes of the old one.
void give_up(Host& host, IkeSa& sa, const ChildRequest& request, const Inbound& in) {
  ChildSa* old = sa.child_by_pair(request.rekeys);
  if (!old) return finish_waiters(host, sa, request.offer.config->name, false);
  if (old->state == ChildState::rekeying) old->state = ChildState::installed;
  if (wire::find_notify(in.payloads, NotifyType::child_sa_not_found)) {
    // RFC 7296, 2.25.1: the peer has lost it. What traffic needs is made anew.
    const ChildConfigRef config = old->config;
    const bool replaced = has_successor(sa, *old);
    remove_child(host, sa, request.rekeys, "peer", in.now);
    if (!replaced) queue_task(sa, CreateChild{config});
  } else if (!first_error(in.payloads) && !request.gone.empty()) {
    // The peer deleted the successor before we had it; it wants the lineage to end.
    queue_task(sa, DeleteChild{request.rekeys, true});
  } else if (!has_successor(sa, *old)) {
    old->rekey_at = in.now + kRetryAfter;
    if (request.rehearsal && host.pfs_is_known(sa, *old->config)) schedule_rekey(host, *old);
  }
}

// Both sides rekeyed the same SA. RFC 7296, 2.8.1: the exchange with the lowest of the four nonces
// loses; who made the losing pair deletes it, the other one deletes the old pair. That our answer
// to the winning exchange has arrived is not known before the peer sends on its pair or deletes the
// old one: until then the old one is sent on.
void settle_rivalry(Host& host, IkeSa& sa, const ChildRequest& request, SaPairId ours,
                    ByteView our_lowest) {
  const bool we_lose = is_lower(our_lowest, request.rival->lowest_nonce);
  if (ChildSa* old = sa.child_by_pair(request.rekeys))
    old->successor = we_lose ? request.rival->pair : ours;
  if (we_lose) {
    queue_task(sa, DeleteChild{ours, true});
    return;
  }
  switch_policy(host, sa, ours);
  queue_task(sa, DeleteChild{request.rekeys, true});
}

// Whoever has asked for the end of the old one meanwhile means its successors too.
void end_successors(IkeSa& sa, SaPairId old) {
  const auto& queue = sa.in<Established>()->queue;
  const bool unwanted = std::ranges::any_of(queue, [&](const Task& task) {
    const auto* ended = std::get_if<DeleteChild>(&task);
    return ended && ended->pair == old && !ended->missed;
  });
  const ChildSa* before = unwanted ? sa.child_by_pair(old) : nullptr;
  if (!before) return;
  for (const ChildSa& child : sa.children)
    if (child.lineage == before->lineage && child.pair != old && child.is_live())
      queue_task(sa, DeleteChild{child.pair});
}

}  // namespace

void rehearse_rekey(Host& host, IkeSa& sa, std::string_view name, TimePoint now) {
  const auto at = std::ranges::find_if(
      sa.children, [&](const ChildSa& child) { return child.config->name == name; });
  if (!host.options().check_pfs || at == sa.children.end()) return;
  if (at->rekey_at == kNever || host.pfs_is_known(sa, *at->config)) return;
  if (sa.is_initiator()) return queue_task(sa, RekeyChild{at->pair, Ke::none, true});
  at->rekey_at = std::min(at->rekey_at, now + kRehearsalOfResponder);
  at->rehearse = true;
}

void send_child_rekey(Host& host, IkeSa& sa, const RekeyChild& task, TimePoint now) {
  ChildSa* old = sa.child_by_pair(task.pair);
  if (!old || !old->is_live()) return;  // the peer was faster
  if (is_ending(sa, *old)) return;      // its delete waits behind us
  Bytes spi(4);
  store_be(spi.data(), old->spi_in);
  Payloads payloads{make_notify(NotifyType::rekey_sa, {}, protocol_of(*old), std::move(spi))};
  ChildRequest request;
  request.rekeys = task.pair;
  request.rehearsal = task.rehearsal;
  if (send_child_request(host, sa, {old->config, task.ke, old->scope}, std::move(request),
                         std::move(payloads), now))
    old->state = ChildState::rekeying;
}

void handle_child_rekey_response(Host& host, IkeSa& sa, ChildRequest&& request, const Inbound& in) {
  auto& up = *sa.in<Established>();
  const ChildConfigRef config = request.offer.config;
  if (request.ke && !request.second_ke)
    if (const auto wanted = other_method(in.payloads, request.ke->method(), config->proposals)) {
      withdraw_offer(host, sa);
      if (ChildSa* old = sa.child_by_pair(request.rekeys); old && !request.rival) {
        old->state = ChildState::installed;
        emit(host, sa, trace::RetryWithKe{vici_name(*wanted), vici_name(request.ke->method())},
             config.get());
        up.queue.push_front(RekeyChild{request.rekeys, *wanted, request.rehearsal});
      }
      return;
    }
  auto grant = read_child_response(host, sa, request, in);
  if (!grant) {
    if (request.rehearsal) report_rehearsal(host, sa, request, in);
    return give_up(host, sa, request, in);
  }
  host.know_pfs(sa, *config);
  const SaPairId pair =
      install_successor(host, sa, up.proof, request.rekeys, grant->agreement,
                        {request.nonce, grant->nonce, grant->secret.view(), true}, in.now);
  if (!pair) return give_up(host, sa, request, in);
  finish_waiters(host, sa, config->name, true);
  end_successors(sa, request.rekeys);
  if (request.rival)
    return settle_rivalry(host, sa, request, pair, lower_nonce(request.nonce, grant->nonce));
  switch_policy(host, sa, pair);
  queue_task(sa, DeleteChild{request.rekeys, true});
}

void handle_child_rekey_request(Host& host, IkeSa& sa, const Inbound& in,
                                const wire::Notify& rekey) {
  const auto protocol =
      rekey.protocol == wire::ProtocolId::ah ? IpsecProtocol::ah : IpsecProtocol::esp;
  const bool names_child = rekey.protocol == wire::ProtocolId::ah ||
                           rekey.protocol == wire::ProtocolId::esp;  // RFC 7296, 1.3.3
  ChildSa* old = names_child && rekey.spi.size() == 4
                     ? sa.child_by_outbound_spi(protocol, load_be<std::uint32_t>(rekey.spi.data()))
                     : nullptr;
  // It may be what our own request is making, whose answer is lost or late.
  if (!old && std::holds_alternative<ChildRequest>(sa.in<Established>()->in_flight))
    return refuse_create_child_sa(host, sa, in, NotifyType::temporary_failure);
  if (!old)
    return refuse_create_child_sa(host, sa, in, NotifyType::child_sa_not_found, {}, rekey.protocol,
                                  rekey.spi);
  // RFC 7296, 2.25.1: we are closing it, or are about to, or have replaced it already.
  if (!old->is_live() || is_ending(sa, *old))
    return refuse_create_child_sa(host, sa, in, NotifyType::temporary_failure);
  if (sa.children.size() >= limits::kMaxChildrenPerIkeSa)
    return refuse_create_child_sa(host, sa, in, NotifyType::no_additional_sas);
  const SaPairId old_pair = old->pair;
  auto answer = answer_child_request(host, sa, in, old->config);
  if (!answer) return;
  host.know_pfs(sa, *old->config);
  auto& up = *sa.in<Established>();
  const Bytes& nonce_i = wire::find<wire::Nonce>(in.payloads, PayloadType::nonce)->data;
  const SaPairId pair =
      install_successor(host, sa, up.proof, old_pair, answer->agreement,
                        {nonce_i, answer->nonce, answer->half.secret.view(), false}, in.now);
  if (!pair) return refuse_create_child_sa(host, sa, in, NotifyType::no_additional_sas);
  if (auto* request = std::get_if<ChildRequest>(&up.in_flight);
      request && request->rekeys == old_pair)
    request->rival = ChildRival{to_bytes(lower_nonce(nonce_i, answer->nonce)), pair};
  send_child_response(host, sa, in, *answer);
}

}  // namespace culvert::ikev2
