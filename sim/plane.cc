#include "sim/plane.h"

#include <algorithm>

namespace culvert::sim {
namespace {

constexpr Duration kNoticeInterval = 1s;

bool within(const std::vector<TrafficSelector>& selectors, const IpAddress& address,
            std::uint8_t protocol, std::uint16_t port) {
  return std::ranges::any_of(selectors, [&](const TrafficSelector& selector) {
    return selector.contains(address, protocol, port);
  });
}

// How narrow the selector is that holds the address: the length of the prefix around it.
int narrowness(const std::vector<TrafficSelector>& selectors, const IpAddress& address,
               std::uint8_t protocol, std::uint16_t port) {
  int best = 0;
  for (const TrafficSelector& selector : selectors)
    if (selector.contains(address, protocol, port))
      best = std::max<int>(best, enclosing_prefix(selector.first, selector.last).length);
  return best;
}

TrafficSelector exactly(const IpAddress& address, std::uint8_t protocol, std::uint16_t port) {
  return {address, address, protocol, port, port};
}

std::unexpected<Error> no_such_sa() { return fail(Fault::internal, Reason::not_found); }

}  // namespace

bool covers(const std::vector<TrafficSelector>& sources,
            const std::vector<TrafficSelector>& destinations, const InnerPacket& packet) {
  return within(sources, packet.source, packet.protocol, packet.source_port) &&
         within(destinations, packet.destination, packet.protocol, packet.destination_port);
}

Bytes key_octets(const SaKeys& keys) {
  Bytes octets = to_bytes(keys.encryption.view());
  append(octets, keys.integrity.view());
  return octets;
}

Result<> Plane::apply(SadOp&& op) {
  return std::visit([&](auto& one) { return run(std::move(one)); }, op);
}

Result<> Plane::run(InstallSa&& op) {
  const SaKey key{op.pair, op.direction};
  if (sas_.contains(key)) return fail(Fault::internal, Reason::invalid_argument);
  if (op.direction == Direction::in && !inbound_.emplace(op.spi, op.pair).second)
    return fail(Fault::internal, Reason::invalid_argument);
  use_[key];
  sas_.emplace(key, std::move(op));
  return {};
}

Result<> Plane::run(UpdateSa&& op) {
  bool any = false;
  for (const Direction direction : {Direction::in, Direction::out})
    if (const auto at = sas_.find({op.pair, direction}); at != sas_.end()) {
      at->second.local = op.local;
      at->second.remote = op.remote;
      at->second.udp_encap = op.udp_encap;
      any = true;
    }
  if (!any) return no_such_sa();
  return {};
}

Result<> Plane::run(DeleteSa&& op) {
  const auto at = sas_.find({op.pair, op.direction});
  if (at == sas_.end()) return no_such_sa();
  if (faults_.keep_deleted) return {};
  if (op.direction == Direction::in) inbound_.erase(at->second.spi);
  use_.erase(at->first);
  sas_.erase(at);
  return {};
}

Result<> Plane::run(InstallPolicy&& op) {
  const PolicyId id = op.policy;
  if (!policies_.emplace(id, std::move(op)).second)
    return fail(Fault::internal, Reason::invalid_argument);
  return {};
}

Result<> Plane::run(UpdatePolicy&& op) {
  const auto at = policies_.find(op.policy);
  if (at == policies_.end()) return no_such_sa();
  at->second.pair = op.pair;
  return {};
}

Result<> Plane::run(DeletePolicy&& op) {
  if (policies_.erase(op.policy) == 0) return no_such_sa();
  last_acquire_.erase(op.policy);
  return {};
}

// Narrower selectors win, then lower priority; among equals the one installed last.
const InstallPolicy* Plane::lookup(const InnerPacket& packet) const {
  const InstallPolicy* best = nullptr;
  int best_width = 0;
  for (const auto& [id, policy] : policies_) {
    if (!covers(policy.local_ts, policy.remote_ts, packet)) continue;
    const int width =
        narrowness(policy.local_ts, packet.source, packet.protocol, packet.source_port) +
        narrowness(policy.remote_ts, packet.destination, packet.protocol, packet.destination_port);
    const bool better =
        !best || width > best_width || (width == best_width && policy.priority <= best->priority);
    if (!better) continue;
    best = &policy;
    best_width = width;
  }
  return best;
}

TimePoint Plane::last_use(SaPairId pair) const {
  TimePoint last = TimePoint::min();
  for (const Direction direction : {Direction::in, Direction::out})
    if (const auto at = use_.find({pair, direction}); at != use_.end())
      last = std::max(last, at->second.last);
  return last;
}

bool Plane::count(const SaKey& key, TimePoint now) {
  Use& use = use_[key];
  use.last = now;
  const Lifetime& life = sas_.at(key).lifetime;
  ++use.packets;
  if (life.life_packets == 0 || use.packets < life.life_packets) return true;
  if (!use.expired) notices_.push_back(Expire{key.first, key.second, true});
  use.expired = true;
  return use.packets == life.life_packets;
}

Plane::Sending Plane::send(const InnerPacket& packet, TimePoint now) {
  const InstallPolicy* policy = lookup(packet);
  if (!policy || policy->mode == Mode::pass) return {};
  if (policy->mode == Mode::drop) return {Fate::dropped, {}, {}, {}};
  if (policy->pair) return send_through(policy->pair, packet, now);
  const auto [last, first_time] = last_acquire_.emplace(policy->policy, now);
  if (first_time || now - last->second >= kNoticeInterval) {
    last->second = now;
    notices_.push_back(
        Acquire{policy->policy, exactly(packet.source, packet.protocol, packet.source_port),
                exactly(packet.destination, packet.protocol, packet.destination_port)});
  }
  return {faults_.clear_at_trap ? Fate::clear : Fate::trapped, {}, {}, {}};
}

Plane::Sending Plane::send_through(SaPairId pair, const InnerPacket& packet, TimePoint now) {
  const SaKey key{pair, Direction::out};
  const auto at = sas_.find(key);
  if (at == sas_.end() || !count(key, now)) return {Fate::dropped, {}, {}, {}};
  const InstallSa& sa = at->second;
  return {Fate::sent, sa.local, sa.remote,
          EspPacket{sa.spi, use_.at(key).packets, key_octets(sa.keys), sa.cipher, sa.udp_encap,
                    packet}};
}

std::optional<InnerPacket> Plane::receive(const EspPacket& packet, const Endpoint& from,
                                          TimePoint now) {
  const auto pair = inbound_.find(packet.spi);
  if (pair == inbound_.end()) return std::nullopt;
  const SaKey key{pair->second, Direction::in};
  InstallSa& sa = sas_.at(key);
  if (key_octets(sa.keys) != packet.keys || sa.cipher != packet.cipher) return std::nullopt;
  Use& use = use_.at(key);
  if (!use.seen.insert(packet.sequence).second || !count(key, now)) return std::nullopt;
  const bool in_place = packet.udp_encap ? sa.remote == from : sa.remote.address == from.address;
  if (packet.udp_encap && !in_place) notices_.push_back(MappingChange{sa.pair, from});
  if (in_place &&
      (use.last_activity == TimePoint::min() || now - use.last_activity >= kNoticeInterval)) {
    use.last_activity = now;
    notices_.push_back(Activity{sa.pair});
  }
  if (!faults_.skip_selector_check && !covers(sa.remote_ts, sa.local_ts, packet.inner))
    return std::nullopt;
  return packet.inner;
}

}  // namespace culvert::sim
