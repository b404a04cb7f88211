// Invariants: nothing leaves in clear; what stands in the arena is sealed before it is sent; SAs
// that trains point to can't change before flush(), because operations come between batches.
#include "esp/outbound.h"

#include <algorithm>

namespace culvert::esp {
namespace {

constexpr unsigned kMaxIcmpPerSecond = 100;  // RFC 1812, 4.3.2.8; RFC 4443, 2.4(f)
constexpr std::size_t kMinV6Mtu = 1'280;

TrafficSelector selector_of(const IpAddress& address, const IpPacket& packet, std::uint16_t port) {
  TrafficSelector selector{address, address, packet.protocol};
  if (packet.has_ports) selector.start_port = selector.end_port = port;
  return selector;
}

}  // namespace

Outbound::Outbound(WorkerContext context, OuterSockets sockets)
    : context_(context), sockets_(sockets), arena_(new std::uint8_t[kArena]) {
  pending_.reserve(kMaxBurst);
  trains_.reserve(kMaxTrains);
  outgoing_.reserve(kMaxTrains);
}

void Outbound::packet(const VirtioHeader& header, ByteView octets, TimePoint now) {
  const auto parsed = parse_ip(octets);
  if (!parsed || parsed->length != octets.size()) return add_relaxed(context_.drops.malformed);
  const auto segments = Segmenter::make(header, octets, *parsed);
  if (!segments) return add_relaxed(context_.drops.malformed);
  OutboundSa* sa = admit(*parsed, octets, now);
  if (!sa || refuse_too_big(*sa, *segments, *parsed, octets, now)) return;
  lay_out(*sa, *segments, *parsed, now);
}

const Outbound::Decision& Outbound::decide(const IpPacket& parsed) {
  const PacketSide local = source_side(parsed), remote = destination_side(parsed);
  Database& database = context_.database;
  if (cache_.generation == database.generation() && cache_.local == local &&
      cache_.remote == remote)
    return cache_;
  cache_ = {database.generation(), local, remote, database.policy(local, remote), nullptr};
  if (cache_.policy && cache_.policy->pair) cache_.sa = database.outbound(cache_.policy->pair);
  return cache_;
}

OutboundSa* Outbound::admit(const IpPacket& parsed, ByteView octets, TimePoint now) {
  const Decision& decision = decide(parsed);
  if (!decision.policy) {
    add_relaxed(context_.drops.no_policy);
    answer(IcmpError::administratively_denied, parsed, octets, 0, now);
    return nullptr;
  }
  Policy& policy = *decision.policy;
  // A packet that a pass policy covers comes here only when a wider route brought it.
  if (policy.mode != Mode::tunnel) {
    add_relaxed(context_.drops.denied);
    answer(IcmpError::administratively_denied, parsed, octets, 0, now);
    return nullptr;
  }
  if (!policy.pair) {
    add_relaxed(context_.drops.trapped);
    acquire(policy, parsed, now);
    return nullptr;
  }
  if (!decision.sa || decision.sa->usage.exhausted() || !socket_for(*decision.sa)) {
    add_relaxed(context_.drops.no_sa);
    return nullptr;
  }
  return decision.sa;
}

void Outbound::acquire(Policy& policy, const IpPacket& parsed, TimePoint now) {
  if (now < policy.next_acquire) return;
  policy.next_acquire = now + std::chrono::seconds(1);
  context_.notices.push(Acquire{policy.id, selector_of(parsed.source, parsed, parsed.source_port),
                                selector_of(parsed.destination, parsed, parsed.destination_port)});
}

// RFC 4301, 8.2.1: what may not be fragmented is answered; the rest leaves in outer fragments.
bool Outbound::refuse_too_big(const OutboundSa& sa, const Segmenter& segments,
                              const IpPacket& parsed, ByteView octets, TimePoint now) {
  std::size_t limit = sa.inner_limit;
  if (parsed.family() == Family::v6) limit = std::max(limit, kMinV6Mtu);
  if (segments.largest() <= limit || !parsed.dont_fragment) return false;
  add_relaxed(context_.drops.too_big);
  answer(IcmpError::too_big, parsed, octets, limit, now);
  return true;
}

void Outbound::answer(IcmpError error, const IpPacket& parsed, ByteView octets, std::size_t mtu,
                      TimePoint now) {
  if (now >= icmp_window_ + std::chrono::seconds(1) || icmp_window_ == TimePoint::min()) {
    icmp_window_ = now;
    icmp_sent_ = 0;
  }
  if (icmp_sent_ >= kMaxIcmpPerSecond) return;
  Bytes reply = make_icmp_error(error, octets, parsed, static_cast<std::uint16_t>(mtu));
  if (reply.empty()) return;
  ++icmp_sent_;
  VirtioHeader header;
  const iovec pieces[] = {{&header, sizeof header}, {reply.data(), reply.size()}};
  if (!context_.device.write(pieces)) add_relaxed(context_.drops.tun_refused);
}

void Outbound::lay_out(OutboundSa& sa, const Segmenter& segments, const IpPacket& parsed,
                       TimePoint now) {
  const std::uint8_t next_header = parsed.family() == Family::v4 ? ip::kIpip : ip::kIpv6;
  for (std::size_t i = 0; i < segments.count(); ++i) {
    const std::size_t payload = segments.size(i);
    const std::size_t size = sa.sealer.sealed_size(payload);
    if (used_ + size > kArena || trains_.size() == kMaxTrains) flush(now);
    if (pending_sa_ != &sa || pending_.size() == kMaxBurst) seal_pending(now);
    pending_sa_ = &sa;
    std::uint8_t* esp = arena_.get() + used_;
    const auto op = sa.sealer.prepare(esp, payload, next_header);
    if (!op) {  // RFC 4303, 3.3.3: out of sequence numbers
      add_relaxed(context_.drops.no_sa);
      if (sa.usage.take_end()) expire(sa, true);
      return;
    }
    segments.write(i, esp + sa.sealer.header_size());
    pending_.push_back(*op);
    join_train(sa, size, parsed.traffic_class, payload > sa.inner_limit);
    sa.usage.count(payload);
  }
}

// RFC 6040, 4.1 (normal mode) and RFC 4301, 5.1.2: DSCP and ECN are copied outwards, so a train
// has one of each.
void Outbound::join_train(OutboundSa& sa, std::size_t size, std::uint8_t traffic_class,
                          bool alone) {
  const std::size_t offset = used_;
  used_ += size;
  if (!trains_.empty()) {
    Train& train = trains_.back();
    const bool joins = train.open && train.sa == &sa && !alone && size <= train.segment &&
                       train.traffic_class == traffic_class && train.length + size <= kMaxTrain &&
                       train.length < train.segment * kMaxSegments;
    if (joins) {
      train.length += size;
      train.open = size == train.segment;
      return;
    }
  }
  trains_.push_back({&sa, offset, size, size, traffic_class, !alone, alone});
}

void Outbound::seal_pending(TimePoint now) {
  if (pending_.empty()) return;
  OutboundSa& sa = *pending_sa_;
  sa.sealer.seal(pending_);
  // A cipher that fails would leave plaintext in the arena: wipe it, the peer drops the zeros.
  for (const CryptoOp& op : pending_)
    if (!op.ok) std::memset(op.esp + kEspHeader, 0, op.size - kEspHeader);
  pending_.clear();
  sa.sent_lately = true;
  sa.usage.publish(sa.statistics->out, now);
  if (sa.usage.take_soft()) expire(sa, false);
  if (sa.usage.take_hard()) expire(sa, true);
}

void Outbound::flush(TimePoint now) {
  seal_pending(now);
  outgoing_.clear();
  for (const Train& train : trains_)
    outgoing_.push_back({socket_for(*train.sa), train.sa->local, train.sa->remote,
                         train.traffic_class, ByteView(arena_.get() + train.offset, train.length),
                         train.segment, train.alone});
  if (!outgoing_.empty()) {
    const Sender::Report& report = sender_.send(outgoing_);
    if (report.failed != 0) add_relaxed(context_.drops.send_failed, report.failed);
    for (const std::size_t index : report.too_big)
      mtu_changed_ |= context_.database.refresh_mtu(*trains_[index].sa);
  }
  trains_.clear();
  used_ = 0;
}

void Outbound::expire(OutboundSa& sa, bool hard) {
  context_.notices.push(Expire{sa.pair, Direction::out, hard});
}

OuterSocket* Outbound::socket_for(const OutboundSa& sa) const {
  const bool v4 = sa.remote.address.is_v4();
  if (sa.udp_encap) return v4 ? sockets_.udp4 : sockets_.udp6;
  return v4 ? sockets_.raw4 : sockets_.raw6;
}

}  // namespace culvert::esp
