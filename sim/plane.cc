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
  // Some are told earlier than others.
  const Lifetime& life = op.lifetime;
  const std::uint64_t spread = life.rand_packets == 0 ? 0 : op.spi % life.rand_packets;
  use_[key].soft_packets = life.rekey_packets - std::min(life.rekey_packets, spread);
  sas_.emplace(key, std::move(op));
  return {};
}

bool Plane::is_used_up(SaPairId pair) const {
  return used_up_.contains({pair, Direction::in}) || used_up_.contains({pair, Direction::out});
}

void Plane::erase(const SaKey& key) {
  const auto at = sas_.find(key);
  if (key.second == Direction::in) inbound_.erase(at->second.spi);
  use_.erase(key);
  sas_.erase(at);
}

Result<> Plane::run(UpdateSa&& op) {
  if (is_used_up(op.pair)) return no_such_sa();
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
  const SaKey key{op.pair, op.direction};
  if (used_up_.erase(key) > 0) return {};
  if (!sas_.contains(key)) return no_such_sa();
  if (!faults_.keep_deleted) erase(key);
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
  if (use.soft_packets != 0 && use.packets >= use.soft_packets &&
      !std::exchange(use.soft_told, true))
    notices_.push_back(Expire{key.first, key.second, false});
  if (life.life_packets == 0 || use.packets < life.life_packets) return true;
  if (!std::exchange(use.expired, true)) notices_.push_back(Expire{key.first, key.second, true});
  return use.packets == life.life_packets;
}

// The kernel is rid of an SA that is used up.
void Plane::expire(const SaKey& key) {
  if (kind_ == PlaneKind::userspace || !use_.at(key).expired) return;
  erase(key);
  used_up_.insert(key);
}

std::vector<SadNotice> Plane::audit() const {
  std::vector<SadNotice> notices;
  for (const auto& [key, use] : use_)
    if (use.soft_told || use.expired) notices.push_back(Expire{key.first, key.second, use.expired});
  for (const SaKey& key : used_up_) notices.push_back(Expire{key.first, key.second, true});
  return notices;
}

Plane::Sending Plane::send(const InnerPacket& packet, TimePoint now) {
  const InstallPolicy* policy = lookup(packet);
  if (!policy || policy->mode == Mode::pass) return {};
  if (policy->mode == Mode::drop) return {Fate::dropped, {}, {}, {}};
  if (policy->pair) return send_through(policy->pair, packet, now);
  const auto [last, first_time] = last_acquire_.emplace(policy->policy, now);
  if (first_time || now - last->second >= kNoticeInterval) {
    last->second = now;
    if (!faults_.never_acquire)
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
  Sending sending{Fate::sent, sa.local, sa.remote,
                  EspPacket{sa.spi, use_.at(key).packets, key_octets(sa.keys), sa.cipher,
                            sa.udp_encap, packet}};
  expire(key);
  return sending;
}

std::optional<InnerPacket> Plane::receive(const EspPacket& packet, const Endpoint& from,
                                          const Endpoint& to, TimePoint now) {
  const auto pair = inbound_.find(packet.spi);
  if (pair == inbound_.end()) return std::nullopt;
  const SaKey key{pair->second, Direction::in};
  const InstallSa& sa = sas_.at(key);
  if (key_octets(sa.keys) != packet.keys || sa.cipher != packet.cipher) return std::nullopt;
  Use& use = use_.at(key);
  if (!use.seen.insert(packet.sequence).second) return std::nullopt;
  const bool counted = count(key, now);
  InnerPacket inner = packet.inner;
  if (sa.mode == Mode::transport) {
    inner.source = from.address;
    inner.destination = to.address;
  }
  const bool covered = faults_.skip_selector_check || covers(sa.remote_ts, sa.local_ts, inner);
  if (counted) tell_of_use(sa, packet, from, now);
  expire(key);
  if (!counted || !covered) return std::nullopt;
  return inner;
}

// The kernel tells of a packet that counts wherever it came from.
void Plane::tell_of_use(const InstallSa& sa, const EspPacket& packet, const Endpoint& from,
                        TimePoint now) {
  Use& use = use_.at({sa.pair, Direction::in});
  const bool in_place = packet.udp_encap ? sa.remote == from : sa.remote.address == from.address;
  if (packet.udp_encap && !in_place) notices_.push_back(MappingChange{sa.pair, from});
  if ((in_place || kind_ == PlaneKind::kernel) &&
      (use.last_activity == TimePoint::min() || now - use.last_activity >= kNoticeInterval)) {
    use.last_activity = now;
    notices_.push_back(Activity{sa.pair});
  }
}

}  // namespace culvert::sim
