// Owns CHILD SA negotiation and installation. Invariant: an inbound SA is in the data plane before
// the message that tells the peer of it leaves (RFC 7296, 2.8), and every SPI that was allocated is
// either installed or released.
#include "ikev2/child.h"

#include <algorithm>

#include "ikev2/tasks.h"
#include "ipsec/spi.h"

namespace culvert::ikev2 {
namespace {

using wire::NotifyType;
using wire::PayloadType;

Bytes spi_bytes(std::uint32_t spi) {
  Bytes bytes(4);
  store_be(bytes.data(), spi);
  return bytes;
}

wire::ProtocolId protocol_of(const ChildConfig& config) {
  return config.proposals.empty() ? wire::ProtocolId::esp : config.proposals.front().protocol;
}
std::string_view protocol_name(const ChildConfig& config) {
  return protocol_of(config) == wire::ProtocolId::ah ? "AH" : "ESP";
}
std::string_view mode_name(Mode mode) { return mode == Mode::transport ? "transport" : "tunnel"; }

ChildFailure proposal_failure(const ChildConfig& config, ProposalMismatch&& mismatch) {
  return {NotifyType::no_proposal_chosen,
          {},
          trace::NoCommonProposal{protocol_name(config), mismatch.type, std::move(mismatch.offered),
                                  std::move(mismatch.accepted), "esp"}};
}

// How a child configuration answers the peer's selectors.
struct Fit {
  ChildConfigRef config;
  std::vector<TrafficSelector> local, remote;
  bool exact = false;
};

// The child whose selectors equal the peer's, else the first that overlaps. RFC 7296, 2.9.
std::optional<Fit> fit_of(const IkeSa& sa, ChildConfigRef child,
                          const std::vector<TrafficSelector>& their_local,
                          const std::vector<TrafficSelector>& their_remote) {
  const auto ours = resolve(child->local, sa.local.address);
  const auto theirs = resolve(child->remote, sa.remote.address);
  Fit fit{std::move(child), narrow(ours, their_remote), narrow(theirs, their_local), false};
  if (fit.local.empty() || fit.remote.empty()) return std::nullopt;
  fit.exact = fit.local == ours && fit.remote == theirs;
  return fit;
}

std::optional<Fit> best_fit(const IkeSa& sa, const ConnectionRef& connection,
                            const std::vector<TrafficSelector>& their_local,
                            const std::vector<TrafficSelector>& their_remote) {
  std::optional<Fit> best;
  for (const ChildConfig& child : connection->children) {
    if (child.mode == Mode::pass || child.mode == Mode::drop) continue;
    auto fit = fit_of(sa, child_ref(connection, &child), their_local, their_remote);
    if (fit && fit->exact) return fit;
    if (fit && !best) best = std::move(fit);
  }
  return best;
}

ChildFailure selector_failure(const IkeSa& sa, const ConnectionRef& connection,
                              const std::vector<TrafficSelector>& their_local,
                              const std::vector<TrafficSelector>& their_remote) {
  std::string local, remote;
  for (const ChildConfig& child : connection->children) {
    if (!local.empty()) local += ", ", remote += ", ";
    local += to_string(resolve(child.local, sa.local.address));
    remote += to_string(resolve(child.remote, sa.remote.address));
  }
  return {NotifyType::ts_unacceptable,
          {},
          trace::SelectorsUnacceptable{to_string(their_local), to_string(their_remote),
                                       std::move(local), std::move(remote)}};
}

constexpr std::string_view kSpiWanted = "an SPI of four octets, above 255";
// RFC 4303, 2.1: zero is never sent, 1 to 255 are reserved.
bool is_usable_spi(ByteView spi) {
  return spi.size() == 4 && load_be<std::uint32_t>(spi.data()) > 255;
}

ChildFailure malformed(std::string_view what) {
  return {NotifyType::invalid_syntax,
          {},
          trace::MalformedMessage{wire::ExchangeType::create_child_sa, 0, Reason::missing_payload,
                                  0, what}};
}

void install_direction(Host& host, const IkeSa& sa, const ChildSa& child, Direction direction,
                       ChildKeys& keys, bool we_initiate) {
  const bool initiator_keys = (direction == Direction::out) == we_initiate;
  InstallSa install;
  install.pair = child.pair;
  install.direction = direction;
  install.protocol = child.protocol;
  install.mode = child.mode;
  install.spi = direction == Direction::in ? child.spi_in : child.spi_out;
  install.cipher = child.suite.cipher;
  install.esn = child.suite.esn == Esn::yes;
  install.keys.encryption = std::move(initiator_keys ? keys.encryption_i : keys.encryption_r);
  install.keys.integrity = std::move(initiator_keys ? keys.integrity_i : keys.integrity_r);
  install.local = sa.local;
  install.remote = sa.remote;
  install.udp_encap = sa.udp_encap;
  install.replay_window = child.config->replay_window;
  install.local_ts = child.local_ts;
  install.remote_ts = child.remote_ts;
  install.lifetime = child.config->lifetime;
  install.reqid = child.reqid;
  install.tfc_padding = child.config->tfc_padding;
  install.copy_df = child.config->copy_df;
  install.copy_ecn = child.config->copy_ecn;
  install.copy_dscp = child.config->copy_dscp;
  host.apply(std::move(install));
}

// SAs win over the trap of the same child, which has the default priority.
constexpr std::uint32_t kSaPriority = 1'000;

void install_policy(Host& host, const IkeSa& sa, const ChildSa& child) {
  if (!child.config->policies) return;
  InstallPolicy policy;
  policy.policy = child.policy;
  policy.pair = child.pair;
  policy.local_ts = child.local_ts;
  policy.remote_ts = child.remote_ts;
  policy.mode = child.mode;
  policy.priority = child.config->priority ? child.config->priority : kSaPriority;
  policy.local = sa.local;
  policy.remote = sa.remote;
  policy.protocol = child.protocol;
  policy.reqid = child.reqid;
  policy.interface = child.config->interface;
  host.apply(std::move(policy));
}

void set_lifetime(Host& host, ChildSa& child, TimePoint now) {
  const Lifetime& life = child.config->lifetime;
  if (life.rekey_time > Duration::zero())
    child.rekey_at =
        now + life.rekey_time - jitter(host, std::min(life.rand_time, life.rekey_time));
  if (life.life_time > Duration::zero()) child.expires_at = now + life.life_time;
}

// The lineage's SA that holds the policy, or nullptr.
ChildSa* policy_holder(IkeSa& sa, std::uint32_t lineage) {
  for (ChildSa& child : sa.children)
    if (child.lineage == lineage && child.policy) return &child;
  return nullptr;
}

// Derives keys and puts both SAs into the data plane; nullptr with everything given back.
ChildSa* install_pair(Host& host, IkeSa& sa, const ChildAgreement& agreement,
                      const ChildNonces& nonces, const ChildSa* old, TimePoint now) {
  if (sa.offered_spi == agreement.spi_in) sa.offered_spi = 0;
  auto keys = derive_child_keys(
      host.provider(), {sa.suite.prf, agreement.suite.cipher, sa.sk_d.view(), nonces.initiator,
                        nonces.responder, nonces.shared_secret});
  if (!keys) {
    host.release_child_spi(agreement.spi_in);
    emit(host, sa, trace::InternalError{"child keys", keys.error().reason});
    return nullptr;
  }
  ChildSa child;
  child.config = agreement.config;
  child.pair = host.new_pair_id();
  child.unique_id = host.new_child_id();
  child.lineage = old ? old->lineage : child.unique_id;
  child.reqid = old                       ? old->reqid
                : agreement.config->reqid ? agreement.config->reqid
                                          : host.new_reqid();
  child.spi_in = agreement.spi_in;
  child.spi_out = agreement.spi_out;
  child.suite = agreement.suite;
  child.mode = agreement.config->mode;
  child.protocol = protocol_of(*agreement.config) == wire::ProtocolId::ah ? IpsecProtocol::ah
                                                                          : IpsecProtocol::esp;
  child.local_ts = agreement.local_ts;
  child.remote_ts = agreement.remote_ts;
  child.installed = now;
  set_lifetime(host, child, now);
  host.own_pair(child.pair, sa);
  install_direction(host, sa, child, Direction::in, *keys, nonces.we_initiate);
  install_direction(host, sa, child, Direction::out, *keys, nonces.we_initiate);
  sa.children.push_back(std::move(child));
  return &sa.children.back();
}

void forget(Host& host, IkeSa& sa, ChildSa& child) {
  host.apply(DeleteSa{child.pair, Direction::in});
  host.release_child_spi(child.spi_in);
  host.disown_pair(child.pair);
  sa.children.erase(sa.children.begin() + (&child - sa.children.data()));
}

// How long packets that were sent before the switch may take.
constexpr Duration kLinger = std::chrono::seconds(5);

}  // namespace

Duration jitter(Host& host, Duration most) {
  if (most <= Duration::zero()) return Duration::zero();
  std::uint8_t octets[8];
  host.provider().random(octets);
  return Duration(static_cast<Duration::rep>(load_be<std::uint64_t>(octets) %
                                             static_cast<std::uint64_t>(most.count())));
}

ChildOffer make_offer(Host& host, IkeSa& sa, ChildConfigRef config) {
  ChildOffer offer;
  offer.spi_in = sa.offered_spi = host.new_child_spi();
  offer.local_ts = resolve(config->local, sa.local.address);
  offer.remote_ts = resolve(config->remote, sa.remote.address);
  offer.config = std::move(config);
  return offer;
}

void withdraw_offer(Host& host, IkeSa& sa) {
  if (const auto spi = std::exchange(sa.offered_spi, 0)) host.release_child_spi(spi);
}

void add_offer(const ChildOffer& offer, bool in_ike_auth, Payloads&& between, Payloads& payloads) {
  if (offer.config->mode == Mode::transport)
    payloads.push_back(make_notify(NotifyType::use_transport_mode));
  payloads.emplace_back(PayloadType::sa,
                        to_wire(offer.config->proposals, spi_bytes(offer.spi_in), in_ike_auth));
  std::ranges::move(between, std::back_inserter(payloads));
  payloads.emplace_back(PayloadType::ts_i, to_wire(offer.local_ts));
  payloads.emplace_back(PayloadType::ts_r, to_wire(offer.remote_ts));
}

std::expected<ChildAgreement, ChildFailure> accept_answer(const ChildOffer& offer,
                                                          std::span<const wire::Payload> payloads,
                                                          bool in_ike_auth) {
  const auto* answer = wire::find<wire::Sa>(payloads, PayloadType::sa);
  const auto* ts_i = wire::find<wire::TrafficSelectors>(payloads, PayloadType::ts_i);
  const auto* ts_r = wire::find<wire::TrafficSelectors>(payloads, PayloadType::ts_r);
  if (!answer || !ts_i || !ts_r)
    return std::unexpected(malformed("SA, TSi and TSr must answer an SA"));
  const ChildConfig& config = *offer.config;
  auto choice = verify_choice(config.proposals, *answer, in_ike_auth);
  if (!choice) return std::unexpected(proposal_failure(config, std::move(choice.error())));
  if (!is_usable_spi(choice->peer_spi)) return std::unexpected(malformed(kSpiWanted));

  ChildAgreement agreement;
  agreement.config = offer.config;
  agreement.suite = choice->suite;
  agreement.spi_in = offer.spi_in;
  agreement.spi_out = load_be<std::uint32_t>(choice->peer_spi.data());
  agreement.local_ts = from_wire(*ts_i);
  agreement.remote_ts = from_wire(*ts_r);
  // RFC 7296, 2.9: the responder may narrow, never widen.
  if (agreement.local_ts.empty() || agreement.remote_ts.empty() ||
      !is_subset(agreement.local_ts, offer.local_ts) ||
      !is_subset(agreement.remote_ts, offer.remote_ts))
    return std::unexpected(ChildFailure{
        NotifyType::ts_unacceptable,
        {},
        trace::SelectorsUnacceptable{to_string(agreement.remote_ts), to_string(agreement.local_ts),
                                     to_string(offer.local_ts), to_string(offer.remote_ts)}});
  const bool transport = wire::find_notify(payloads, NotifyType::use_transport_mode) != nullptr;
  if (transport != (config.mode == Mode::transport))
    return std::unexpected(
        ChildFailure{NotifyType::no_proposal_chosen,
                     {},
                     trace::WrongMode{mode_name(transport ? Mode::transport : Mode::tunnel),
                                      mode_name(config.mode)}});
  return agreement;
}

std::expected<ChildAgreement, ChildFailure> agree(Host& host, const IkeSa& sa,
                                                  const ConnectionRef& connection,
                                                  std::span<const wire::Payload> payloads,
                                                  bool in_ike_auth, ChildConfigRef only) {
  const auto* offer = wire::find<wire::Sa>(payloads, PayloadType::sa);
  const auto* ts_i = wire::find<wire::TrafficSelectors>(payloads, PayloadType::ts_i);
  const auto* ts_r = wire::find<wire::TrafficSelectors>(payloads, PayloadType::ts_r);
  if (!offer || !ts_i || !ts_r)
    return std::unexpected(malformed("a CHILD SA needs SA, TSi and TSr"));
  const auto their_local = from_wire(*ts_i);
  const auto their_remote = from_wire(*ts_r);
  auto fit = only ? fit_of(sa, std::move(only), their_local, their_remote)
                  : best_fit(sa, connection, their_local, their_remote);
  if (!fit) return std::unexpected(selector_failure(sa, connection, their_local, their_remote));

  const ChildConfig& config = *fit->config;
  const auto* ke = wire::find<wire::KeyExchangePayload>(payloads, PayloadType::ke);
  SelectOptions options;
  options.strip_ke = in_ike_auth;
  options.prefer_ke = ke ? Ke{ke->method} : Ke::none;
  options.provider = &host.provider();
  auto choice = select_proposal(config.proposals, *offer, options);
  if (!choice) return std::unexpected(proposal_failure(config, std::move(choice.error())));
  if (!is_usable_spi(choice->peer_spi)) return std::unexpected(malformed(kSpiWanted));
  const bool transport = wire::find_notify(payloads, NotifyType::use_transport_mode) != nullptr;
  if (config.mode == Mode::transport && !transport)
    return std::unexpected(ChildFailure{
        NotifyType::no_proposal_chosen, {}, trace::WrongMode{"tunnel", mode_name(config.mode)}});
  ChildAgreement agreement;
  agreement.config = fit->config;
  agreement.suite = choice->suite;
  agreement.spi_out = load_be<std::uint32_t>(choice->peer_spi.data());
  agreement.spi_in = host.new_child_spi();
  agreement.accepted = std::move(choice->accepted);
  agreement.accepted.spi = spi_bytes(agreement.spi_in);
  agreement.local_ts = std::move(fit->local);
  agreement.remote_ts = std::move(fit->remote);
  return agreement;
}

void add_agreement(const ChildAgreement& agreement, Payloads&& between, Payloads& payloads) {
  if (agreement.config->mode == Mode::transport)
    payloads.push_back(make_notify(NotifyType::use_transport_mode));
  payloads.emplace_back(PayloadType::sa, wire::Sa{{agreement.accepted}});
  std::ranges::move(between, std::back_inserter(payloads));
  payloads.emplace_back(PayloadType::ts_i, to_wire(agreement.remote_ts));
  payloads.emplace_back(PayloadType::ts_r, to_wire(agreement.local_ts));
}

bool install_child(Host& host, IkeSa& sa, const PeerAuthenticated&, const ChildAgreement& agreement,
                   const ChildNonces& nonces, TimePoint now) {
  ChildSa* child = install_pair(host, sa, agreement, nonces, nullptr, now);
  if (!child) return false;
  if (child->config->policies) {
    child->policy = host.new_policy_id();
    install_policy(host, sa, *child);
  }
  emit(host, sa,
       trace::ChildEstablished{to_string(child->local_ts), to_string(child->remote_ts),
                               to_string(child->suite, protocol_of(*child->config)),
                               spi_text(child->spi_in), spi_text(child->spi_out)},
       child->config.get());
  host.up_down(sa, true, sa.children.size() - 1);
  finish_waiters(host, sa, agreement.config->name, true);
  return true;
}

SaPairId install_successor(Host& host, IkeSa& sa, const PeerAuthenticated&, SaPairId old,
                           const ChildAgreement& agreement, const ChildNonces& nonces,
                           TimePoint now) {
  const ChildSa* child = install_pair(host, sa, agreement, nonces, sa.child_by_pair(old), now);
  if (!child) return {};
  ChildSa* before = sa.child_by_pair(old);
  emit(host, sa,
       trace::ChildRekeyed{before ? spi_text(before->spi_in) : std::string(),
                           before ? spi_text(before->spi_out) : std::string(),
                           spi_text(child->spi_in), spi_text(child->spi_out)},
       child->config.get());
  if (before) {
    if (before->is_live()) before->state = ChildState::rekeyed;
    host.child_rekeyed(sa, static_cast<std::size_t>(before - sa.children.data()),
                       static_cast<std::size_t>(child - sa.children.data()));
  }
  return child->pair;
}

void switch_policy(Host& host, IkeSa& sa, SaPairId pair) {
  ChildSa* to = sa.child_by_pair(pair);
  if (!to || !to->is_live() || to->policy || !to->config->policies) return;
  ChildSa* from = policy_holder(sa, to->lineage);
  if (from && from->local_ts == to->local_ts && from->remote_ts == to->remote_ts) {
    to->policy = std::exchange(from->policy, {});
    return host.apply(UpdatePolicy{to->policy, pair});
  }
  to->policy = host.new_policy_id();
  install_policy(host, sa, *to);
  if (from) host.apply(DeletePolicy{std::exchange(from->policy, {})});
}

void remove_child(Host& host, IkeSa& sa, SaPairId pair, std::string_view by, TimePoint now) {
  ChildSa* child = sa.child_by_pair(pair);
  if (!child) return;
  if (child->state == ChildState::lingering) return forget(host, sa, *child);
  const auto relative = std::ranges::find_if(sa.children, [&](const ChildSa& other) {
    return other.lineage == child->lineage && other.pair != pair && other.is_live();
  });
  const bool succeeded = relative != sa.children.end();
  if (child->policy && succeeded) switch_policy(host, sa, relative->pair);
  if (!succeeded) host.up_down(sa, false, static_cast<std::size_t>(child - sa.children.data()));
  if (child->policy) host.apply(DeletePolicy{std::exchange(child->policy, {})});
  host.apply(DeleteSa{pair, Direction::out});
  emit(host, sa, trace::ChildDeleted{spi_text(child->spi_in), spi_text(child->spi_out), by},
       child->config.get());
  if (!succeeded) return forget(host, sa, *child);
  child->state = ChildState::lingering;
  child->expires_at = now + kLinger;
}

void reschedule_child(Host& host, ChildSa& child, TimePoint now) {
  const Lifetime& life = child.config->lifetime;
  child.rekey_at = child.expires_at = kNever;
  set_lifetime(host, child, child.installed);
  // What the new settings would have ended long ago is replaced first.
  if (child.rekey_at < now) child.rekey_at = now;
  if (child.expires_at < now) child.expires_at = now + (life.life_time - life.rekey_time);
}

void expire_children(Host& host, IkeSa& sa, TimePoint now) {
  std::vector<SaPairId> due;
  for (const ChildSa& child : sa.children)
    if (child.expires_at <= now || (child.is_live() && child.rekey_at <= now))
      due.push_back(child.pair);
  for (const SaPairId pair : due) {
    ChildSa& child = *sa.child_by_pair(pair);
    if (child.state == ChildState::lingering) {
      forget(host, sa, child);
    } else if (child.expires_at <= now) {
      child.expires_at = child.rekey_at = kNever;
      queue_task(sa, DeleteChild{pair});
      if (sa.connection->keep_up) queue_task(sa, CreateChild{child.config});
    } else {
      child.rekey_at = kNever;
      queue_task(sa, RekeyChild{pair});
    }
  }
}

void finish_waiters(Host& host, IkeSa& sa, std::string_view child, bool success) {
  const std::string explanation = success ? std::string() : sa.last_failure;
  if (!success) host.child_missing(sa);
  std::erase_if(sa.waiters, [&](const Waiter& waiter) {
    if (waiter.child != child) return false;
    host.finished(waiter.command, success, explanation);
    return true;
  });
}

}  // namespace culvert::ikev2
