// Owns CHILD SA negotiation and installation. Invariant: an inbound SA is in the data plane before
// the message that tells the peer of it leaves (RFC 7296, 2.8), and every SPI that was allocated is
// either installed or released.
#include "ikev2/child.h"

#include <algorithm>

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
std::optional<Fit> best_fit(const IkeSa& sa, const ConnectionRef& connection,
                            const std::vector<TrafficSelector>& their_local,
                            const std::vector<TrafficSelector>& their_remote) {
  std::optional<Fit> best;
  for (const ChildConfig& child : connection->children) {
    if (child.mode == Mode::pass || child.mode == Mode::drop) continue;
    Fit fit{child_ref(connection, &child), {}, {}, false};
    const auto ours = resolve(child.local, sa.local.address);
    const auto theirs = resolve(child.remote, sa.remote.address);
    fit.local = narrow(ours, their_remote);
    fit.remote = narrow(theirs, their_local);
    if (fit.local.empty() || fit.remote.empty()) continue;
    fit.exact = fit.local == ours && fit.remote == theirs;
    if (fit.exact) return fit;
    if (!best) best = std::move(fit);
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
  host.apply(std::move(policy));
}

TimePoint hard_end(const Lifetime& life, TimePoint now) {
  return life.life_time > Duration::zero() ? now + life.life_time : kNever;
}

}  // namespace

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
  if (choice->peer_spi.size() != 4) return std::unexpected(malformed("an SPI of four octets"));

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
                                                  bool in_ike_auth) {
  const auto* offer = wire::find<wire::Sa>(payloads, PayloadType::sa);
  const auto* ts_i = wire::find<wire::TrafficSelectors>(payloads, PayloadType::ts_i);
  const auto* ts_r = wire::find<wire::TrafficSelectors>(payloads, PayloadType::ts_r);
  if (!offer || !ts_i || !ts_r)
    return std::unexpected(malformed("a CHILD SA needs SA, TSi and TSr"));
  const auto their_local = from_wire(*ts_i);
  const auto their_remote = from_wire(*ts_r);
  auto fit = best_fit(sa, connection, their_local, their_remote);
  if (!fit) return std::unexpected(selector_failure(sa, connection, their_local, their_remote));

  const ChildConfig& config = *fit->config;
  const auto* ke = wire::find<wire::KeyExchangePayload>(payloads, PayloadType::ke);
  SelectOptions options;
  options.strip_ke = in_ike_auth;
  options.prefer_ke = ke ? Ke{ke->method} : Ke::none;
  options.provider = &host.provider();
  auto choice = select_proposal(config.proposals, *offer, options);
  if (!choice) return std::unexpected(proposal_failure(config, std::move(choice.error())));
  if (choice->peer_spi.size() != 4) return std::unexpected(malformed("an SPI of four octets"));
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

void install_child(Host& host, IkeSa& sa, const PeerAuthenticated&, const ChildAgreement& agreement,
                   const ChildNonces& nonces, TimePoint now) {
  if (sa.offered_spi == agreement.spi_in) sa.offered_spi = 0;
  auto keys = derive_child_keys(
      host.provider(), {sa.suite.prf, agreement.suite.cipher, sa.sk_d.view(), nonces.initiator,
                        nonces.responder, nonces.shared_secret});
  if (!keys) {
    host.release_child_spi(agreement.spi_in);
    return emit(host, sa, trace::InternalError{"child keys", keys.error().reason});
  }
  ChildSa child;
  child.config = agreement.config;
  child.pair = host.new_pair_id();
  child.policy = host.new_policy_id();
  child.unique_id = host.new_unique_id();
  child.reqid = agreement.config->reqid ? agreement.config->reqid : host.new_reqid();
  child.spi_in = agreement.spi_in;
  child.spi_out = agreement.spi_out;
  child.suite = agreement.suite;
  child.mode = agreement.config->mode;
  child.protocol = protocol_of(*agreement.config) == wire::ProtocolId::ah ? IpsecProtocol::ah
                                                                          : IpsecProtocol::esp;
  child.local_ts = agreement.local_ts;
  child.remote_ts = agreement.remote_ts;
  child.installed = now;
  child.expires_at = hard_end(agreement.config->lifetime, now);

  host.own_pair(child.pair, sa);
  install_direction(host, sa, child, Direction::in, *keys, nonces.we_initiate);
  install_direction(host, sa, child, Direction::out, *keys, nonces.we_initiate);
  install_policy(host, sa, child);
  emit(host, sa,
       trace::ChildEstablished{to_string(child.local_ts), to_string(child.remote_ts),
                               to_string(child.suite, protocol_of(*child.config)),
                               spi_text(child.spi_in), spi_text(child.spi_out)},
       child.config.get());
  sa.children.push_back(std::move(child));
  host.up_down(sa, true, sa.children.size() - 1);
  finish_waiters(host, sa, agreement.config->name, true);
}

void remove_child(Host& host, IkeSa& sa, SaPairId pair, std::string_view by) {
  ChildSa* child = sa.child_by_pair(pair);
  if (!child) return;
  host.up_down(sa, false, static_cast<std::size_t>(child - sa.children.data()));
  if (child->config->policies) host.apply(DeletePolicy{child->policy});
  host.apply(DeleteSa{pair, Direction::out});
  host.apply(DeleteSa{pair, Direction::in});
  emit(host, sa, trace::ChildDeleted{spi_text(child->spi_in), spi_text(child->spi_out), by},
       child->config.get());
  host.release_child_spi(child->spi_in);
  host.disown_pair(pair);
  sa.children.erase(sa.children.begin() + (child - sa.children.data()));
}

void finish_waiters(Host& host, IkeSa& sa, std::string_view child, bool success) {
  const std::string explanation = success ? std::string() : sa.last_failure;
  std::erase_if(sa.waiters, [&](const Waiter& waiter) {
    if (waiter.child != child) return false;
    host.finished(waiter.command, success, explanation);
    return true;
  });
}

}  // namespace culvert::ikev2
