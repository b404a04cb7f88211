// Owns the agreement on a CHILD SA. Invariant: what is agreed lies within the configuration of one
// child and within what the peer asked for.
#include "ikev2/child_negotiation.h"

#include <algorithm>

#include "ikev2/configuration.h"
#include "ikev2/tasks.h"

namespace culvert::ikev2 {
namespace {

using wire::NotifyType;
using wire::PayloadType;

constexpr std::uint8_t kIpcompDeflate = 2;  // RFC 7296, 3.10.1

Bytes spi_bytes(std::uint32_t spi) {
  Bytes bytes(4);
  store_be(bytes.data(), spi);
  return bytes;
}

std::string_view protocol_name(const ChildConfig& config) {
  return protocol_of(config) == wire::ProtocolId::ah ? "AH" : "ESP";
}
std::string_view mode_name(Mode mode) { return mode == Mode::transport ? "transport" : "tunnel"; }

bool is_negotiated(const ChildConfig& child) {
  return child.mode != Mode::pass && child.mode != Mode::drop;
}

// ---- failures ----

ChildFailure proposal_failure(const ChildConfig& config, ProposalMismatch&& mismatch) {
  const bool ah = protocol_of(config) == wire::ProtocolId::ah;
  return {NotifyType::no_proposal_chosen,
          {},
          trace::NoCommonProposal{protocol_name(config), mismatch.type, std::move(mismatch.offered),
                                  std::move(mismatch.accepted), ah ? "ah" : "esp"}};
}

ChildFailure selector_failure(const IkeSa& sa, const ConnectionRef& connection,
                              const std::vector<TrafficSelector>& their_local,
                              const std::vector<TrafficSelector>& their_remote) {
  std::string local, remote;
  for (const ChildConfig& child : connection->children) {
    if (!is_negotiated(child)) continue;
    if (!local.empty()) local += ", ", remote += ", ";
    local += to_string(local_selectors(sa, child));
    remote += to_string(remote_selectors(sa, child));
  }
  return {NotifyType::ts_unacceptable,
          {},
          trace::SelectorsUnacceptable{to_string(their_local), to_string(their_remote),
                                       std::move(local), std::move(remote)}};
}

ChildFailure mode_failure(Mode offered, Mode accepted) {
  return {NotifyType::no_proposal_chosen,
          {},
          trace::WrongMode{mode_name(offered), mode_name(accepted)}};
}

ChildFailure malformed(std::string_view what) {
  return {NotifyType::invalid_syntax,
          {},
          trace::MalformedMessage{wire::ExchangeType::create_child_sa, 0, Reason::missing_payload,
                                  0, what}};
}

constexpr std::string_view kSpiWanted = "an SPI of four octets, above 255";
// RFC 4303, 2.1: zero is never sent, 1 to 255 are reserved.
bool is_usable_spi(ByteView spi) {
  return spi.size() == 4 && load_be<std::uint32_t>(spi.data()) > 255;
}

ChildFailure nat_failure() { return {NotifyType::no_proposal_chosen, {}, trace::AhThroughNat{}}; }

// ---- IPComp ----

wire::Payload ipcomp_notify(std::uint16_t cpi) {
  Bytes data(3);
  store_be(data.data(), cpi);
  data[2] = kIpcompDeflate;
  return make_notify(NotifyType::ipcomp_supported, std::move(data));
}

// The CPI under which the peer takes DEFLATE; zero: it does not. CPIs up to 255 name algorithms
// without a negotiation (RFC 3173, 3.3).
std::uint16_t offered_cpi(std::span<const wire::Payload> payloads) {
  for (const wire::Payload& payload : payloads) {
    const auto* notify = std::get_if<wire::Notify>(&payload.body);
    if (!notify || notify->type != NotifyType::ipcomp_supported) continue;
    if (notify->data.size() >= 3 && notify->data[2] == kIpcompDeflate)
      return load_be<std::uint16_t>(notify->data.data());
  }
  return 0;
}

// ---- selectors ----

bool is_one_host(const std::vector<TrafficSelector>& selectors) {
  return !selectors.empty() && std::ranges::all_of(selectors, [&](const TrafficSelector& one) {
    return one.first == one.last && one.first == selectors.front().first;
  });
}

void set_host(std::vector<TrafficSelector>& selectors, const IpAddress& host) {
  for (TrafficSelector& one : selectors) one.first = one.last = host;
}

// RFC 7296, 2.23.1: in transport mode through a NAT, each end names the addresses that it sees.
// Ours are those of the IKE SA; the peer gets its own back. False: not two hosts.
struct HostPair {
  std::vector<TrafficSelector> ts_i, ts_r;
  bool translate(const IkeSa& sa) {
    if (!is_one_host(ts_i) || !is_one_host(ts_r)) return false;
    if (sa.nat_remote) set_host(ts_i, sa.remote.address);
    if (sa.nat_local) set_host(ts_r, sa.local.address);
    return true;
  }
};

// The peer's request, and what it would be in transport mode.
struct Request {
  explicit Request(const wire::TrafficSelectors& ts_i, const wire::TrafficSelectors& ts_r,
                   std::span<const wire::Payload> payloads)
      : named{from_wire(ts_i), from_wire(ts_r)},
        seen(named),
        transport(wire::find_notify(payloads, NotifyType::use_transport_mode) != nullptr) {}
  HostPair named, seen;
  bool transport;

  const HostPair& pair(Mode mode) const { return mode == Mode::transport ? seen : named; }
};

// How a child configuration answers the peer's request. RFC 7296, 2.9.
struct Fit {
  ChildConfigRef config;
  std::vector<TrafficSelector> local, remote;
  int rank = 0;  // protocol and mode as asked, then the very selectors
};

std::optional<Fit> fit_of(const IkeSa& sa, ChildConfigRef child, const Request& request,
                          const wire::Sa& offer) {
  const auto ours = local_selectors(sa, *child);
  const auto theirs = remote_selectors(sa, *child);
  const HostPair& asked = request.pair(child->mode);
  Fit fit{child, narrow(ours, asked.ts_r), narrow(theirs, asked.ts_i), 0};
  if (fit.local.empty() || fit.remote.empty()) return std::nullopt;
  const bool protocol = std::ranges::any_of(offer.proposals, [&](const wire::Proposal& proposal) {
    return proposal.protocol == protocol_of(*child);
  });
  const bool transport = child->mode == Mode::transport;
  if (protocol && (request.transport || !transport)) fit.rank += 4;
  if (request.transport == transport) fit.rank += 2;
  if (fit.local == ours && fit.remote == theirs) fit.rank += 1;
  return fit;
}

struct BestFit {
  std::optional<Fit> fit;
  bool others = false;  // that would take some of it too
};
BestFit best_fit(const IkeSa& sa, const ConnectionRef& connection, const Request& request,
                 const wire::Sa& offer) {
  BestFit best;
  for (const ChildConfig& child : connection->children) {
    if (!is_negotiated(child)) continue;
    auto fit = fit_of(sa, child_ref(connection, &child), request, offer);
    if (!fit) continue;
    best.others = best.fit.has_value();
    if (!best.fit || fit->rank > best.fit->rank) best.fit = std::move(fit);
  }
  return best;
}

// What the peer reads of our selectors.
void set_answer(ChildAgreement& agreement, const Request& request) {
  agreement.ts_i = agreement.remote_ts;
  agreement.ts_r = agreement.local_ts;
  if (agreement.mode != Mode::transport) return;
  if (!is_one_host(request.named.ts_i) || !is_one_host(request.named.ts_r)) return;
  set_host(agreement.ts_i, request.named.ts_i.front().first);
  set_host(agreement.ts_r, request.named.ts_r.front().first);
}

std::vector<TrafficSelector> not_within(const std::vector<TrafficSelector>& selectors,
                                        const std::vector<TrafficSelector>& granted) {
  std::vector<TrafficSelector> rest;
  for (const TrafficSelector& one : selectors)
    if (!is_subset({one}, granted)) rest.push_back(one);
  return rest;
}

void put_first(std::vector<TrafficSelector>& selectors, const std::vector<TrafficSelector>& first) {
  selectors.insert(selectors.begin(), first.begin(), first.end());
}

}  // namespace

wire::ProtocolId protocol_of(const ChildConfig& config) {
  return config.proposals.empty() ? wire::ProtocolId::esp : config.proposals.front().protocol;
}

// ---- initiator ----

ChildOffer make_offer(Host& host, IkeSa& sa, ChildConfigRef config, ScopeRef scope) {
  ChildOffer offer;
  offer.spi_in = sa.offered.spi = host.new_child_spi();
  if (config->ipcomp) offer.cpi_in = sa.offered.cpi = host.new_cpi();
  if (scope && !scope->packet) {
    offer.local_ts = scope->local;
    offer.remote_ts = scope->remote;
  } else {
    offer.local_ts = local_selectors(sa, *config);
    offer.remote_ts = remote_selectors(sa, *config);
    if (scope && is_subset(scope->local, offer.local_ts) &&
        is_subset(scope->remote, offer.remote_ts)) {
      put_first(offer.local_ts, scope->local);
      put_first(offer.remote_ts, scope->remote);
    }
  }
  offer.through_nat = sa.nat_local || sa.nat_remote;
  offer.config = std::move(config);
  offer.scope = std::move(scope);
  return offer;
}

void withdraw_offer(Host& host, IkeSa& sa) {
  const Offered offered = std::exchange(sa.offered, {});
  if (offered.spi) host.release_child_spi(offered.spi);
  if (offered.cpi) host.release_cpi(offered.cpi);
}

void add_offer(const ChildOffer& offer, bool in_ike_auth, Payloads&& between, Payloads& payloads) {
  if (offer.cpi_in) payloads.push_back(ipcomp_notify(offer.cpi_in));
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
  if (offer.through_nat && protocol_of(config) == wire::ProtocolId::ah)
    return std::unexpected(nat_failure());
  auto choice = verify_choice(config.proposals, *answer, in_ike_auth);
  if (!choice) return std::unexpected(proposal_failure(config, std::move(choice.error())));
  if (!is_usable_spi(choice->peer_spi)) return std::unexpected(malformed(kSpiWanted));

  ChildAgreement agreement;
  agreement.config = offer.config;
  agreement.suite = choice->suite;
  agreement.mode = config.mode;
  // A packet asked for this SA once; its successors are for all of the configuration.
  if (offer.scope && !offer.scope->packet) agreement.scope = offer.scope;
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
  // RFC 7296, 1.3.1: a responder that says nothing has made a tunnel.
  const bool transport = wire::find_notify(payloads, NotifyType::use_transport_mode) != nullptr;
  if (transport != (config.mode == Mode::transport))
    return std::unexpected(mode_failure(transport ? Mode::transport : Mode::tunnel, config.mode));
  if (offer.cpi_in) agreement.cpi_out = offered_cpi(payloads);
  if (agreement.cpi_out) agreement.cpi_in = offer.cpi_in;
  agreement.peer_takes_tfc =
      wire::find_notify(payloads, NotifyType::esp_tfc_padding_not_supported) == nullptr;
  return agreement;
}

void refuse_grant(Host& host, IkeSa& sa, const ChildOffer& offer,
                  std::span<const wire::Payload> payloads) {
  withdraw_offer(host, sa);
  if (wire::find<wire::Sa>(payloads, PayloadType::sa))
    queue_task(sa, RefuseChild{protocol_of(*offer.config), offer.spi_in});
}

ScopeRef remainder(const ChildOffer& offer, const ChildAgreement& agreement,
                   std::span<const wire::Payload> payloads) {
  if (!wire::find_notify(payloads, NotifyType::additional_ts_possible)) return nullptr;
  if (offer.scope && offer.scope->packet) return nullptr;  // other packets will ask for theirs
  auto local = not_within(offer.local_ts, agreement.local_ts);
  auto remote = not_within(offer.remote_ts, agreement.remote_ts);
  // Only a list that gets shorter each time comes to an end.
  if (!remote.empty() && remote.size() < offer.remote_ts.size())
    return std::make_shared<const Scope>(Scope{offer.local_ts, std::move(remote), false});
  if (!local.empty() && local.size() < offer.local_ts.size())
    return std::make_shared<const Scope>(Scope{std::move(local), offer.remote_ts, false});
  return nullptr;
}

ScopeRef single_pair(const ChildOffer& offer, std::span<const wire::Payload> payloads) {
  if (!wire::find_notify(payloads, NotifyType::single_pair_required)) return nullptr;
  if (!offer.scope || !offer.scope->packet) return nullptr;
  Scope scope = *offer.scope;
  scope.packet = false;
  // A pair of addresses is asked for, not a single flow between them.
  for (auto* selectors : {&scope.local, &scope.remote})
    for (TrafficSelector& one : *selectors) one = {one.first, one.last, 0, 0, 65'535};
  scope.local = narrow(offer.local_ts, scope.local);
  scope.remote = narrow(offer.remote_ts, scope.remote);
  return std::make_shared<const Scope>(std::move(scope));
}

// ---- responder ----

std::expected<ChildAgreement, ChildFailure> agree(Host& host, const IkeSa& sa,
                                                  const ConnectionRef& connection,
                                                  std::span<const wire::Payload> payloads,
                                                  bool in_ike_auth, ChildConfigRef only) {
  const auto* offer = wire::find<wire::Sa>(payloads, PayloadType::sa);
  const auto* ts_i = wire::find<wire::TrafficSelectors>(payloads, PayloadType::ts_i);
  const auto* ts_r = wire::find<wire::TrafficSelectors>(payloads, PayloadType::ts_r);
  if (!offer || !ts_i || !ts_r)
    return std::unexpected(malformed("a CHILD SA needs SA, TSi and TSr"));
  Request request(*ts_i, *ts_r, payloads);
  if (request.transport) request.seen.translate(sa);
  BestFit best = only ? BestFit{fit_of(sa, std::move(only), request, *offer), false}
                      : best_fit(sa, connection, request, *offer);
  if (!best.fit)
    return std::unexpected(
        selector_failure(sa, connection, request.named.ts_i, request.named.ts_r));

  const ChildConfig& config = *best.fit->config;
  if ((sa.nat_local || sa.nat_remote) && protocol_of(config) == wire::ProtocolId::ah)
    return std::unexpected(nat_failure());
  const auto* ke = wire::find<wire::KeyExchangePayload>(payloads, PayloadType::ke);
  SelectOptions options;
  options.strip_ke = in_ike_auth;
  options.prefer_ke = ke ? Ke{ke->method} : Ke::none;
  options.provider = &host.provider();
  auto choice = select_proposal(config.proposals, *offer, options);
  if (!choice) return std::unexpected(proposal_failure(config, std::move(choice.error())));
  if (!is_usable_spi(choice->peer_spi)) return std::unexpected(malformed(kSpiWanted));
  if (config.mode == Mode::transport && !request.transport)
    return std::unexpected(mode_failure(Mode::tunnel, config.mode));
  ChildAgreement agreement;
  agreement.config = best.fit->config;
  agreement.suite = choice->suite;
  agreement.mode = config.mode;
  agreement.spi_out = load_be<std::uint32_t>(choice->peer_spi.data());
  agreement.spi_in = host.new_child_spi();
  agreement.accepted = std::move(choice->accepted);
  agreement.accepted.spi = spi_bytes(agreement.spi_in);
  agreement.local_ts = std::move(best.fit->local);
  agreement.remote_ts = std::move(best.fit->remote);
  set_answer(agreement, request);
  agreement.additional_ts = best.others && (!is_subset(request.named.ts_i, agreement.ts_i) ||
                                            !is_subset(request.named.ts_r, agreement.ts_r));
  if (config.ipcomp) agreement.cpi_out = offered_cpi(payloads);
  if (agreement.cpi_out) agreement.cpi_in = host.new_cpi();
  if (!agreement.cpi_in) agreement.cpi_out = 0;
  agreement.peer_takes_tfc =
      wire::find_notify(payloads, NotifyType::esp_tfc_padding_not_supported) == nullptr;
  return agreement;
}

void release(Host& host, const ChildAgreement& agreement) {
  host.release_child_spi(agreement.spi_in);
  if (agreement.cpi_in) host.release_cpi(agreement.cpi_in);
}

void add_agreement(const ChildAgreement& agreement, Payloads&& between, Payloads& payloads) {
  if (agreement.cpi_in) payloads.push_back(ipcomp_notify(agreement.cpi_in));
  if (agreement.mode == Mode::transport)
    payloads.push_back(make_notify(NotifyType::use_transport_mode));
  if (agreement.additional_ts) payloads.push_back(make_notify(NotifyType::additional_ts_possible));
  payloads.emplace_back(PayloadType::sa, wire::Sa{{agreement.accepted}});
  std::ranges::move(between, std::back_inserter(payloads));
  payloads.emplace_back(PayloadType::ts_i, to_wire(agreement.ts_i));
  payloads.emplace_back(PayloadType::ts_r, to_wire(agreement.ts_r));
}

}  // namespace culvert::ikev2
