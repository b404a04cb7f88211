// Invariants: nothing that a policy protects leaves in clear; what stands in the arena is sealed
// before it is sent; SAs that trains point to can't change before flush(), because operations come
// between batches.
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
  if (parsed->fragment != Fragment::none && wants_whole(*parsed)) {
    if (const auto whole = reassembler_.add(octets, *parsed, now)) reassembled(*whole, now);
    return;
  }
  process(header, octets, *parsed, now);
}

// Its source has fragmented it, so fragments may carry it on, in IPv6, too.
void Outbound::reassembled(ByteView octets, TimePoint now) {
  auto parsed = parse_ip(octets);
  if (!parsed) return add_relaxed(context_.drops.malformed);
  parsed->dont_fragment = false;
  process({}, octets, *parsed, now);
}

void Outbound::process(const VirtioHeader& header, ByteView octets, const IpPacket& parsed,
                       TimePoint now) {
  const auto segments = Segmenter::make(header, octets, parsed);
  if (!segments) return add_relaxed(context_.drops.malformed);
  const Decision& decision = decide(parsed);
  if (decision.clear) return pass(*segments, parsed, octets, now);
  OutboundSa* sa = admit(decision, header, parsed, octets, now);
  if (!sa || refuse_too_big(*sa, *segments, parsed, octets, now)) return;
  lay_out(*sa, *segments, parsed, octets, now);
}

const Outbound::Decision& Outbound::decide(const IpPacket& parsed) {
  const PacketSide local = source_side(parsed), remote = destination_side(parsed);
  Database& database = context_.database;
  if (cache_.generation == database.generation() && cache_.local == local &&
      cache_.remote == remote)
    return cache_;
  const Database::Match match = database.policy(local, remote, parsed.destination);
  cache_ = {database.generation(), local, remote, match.policy, nullptr, false};
  if (cache_.policy && cache_.policy->pair) cache_.sa = database.outbound(cache_.policy->pair);
  // A route brings more here than its policies want: what a pass policy covers, and the protocols,
  // ports and interfaces that a policy between the same addresses leaves out. Other addresses are
  // refused.
  cache_.clear = cache_.policy ? cache_.policy->mode == Mode::pass
                               : match.elsewhere || database.partly_covered(local, remote);
  return cache_;
}

bool Outbound::wants_whole(const IpPacket& parsed) {
  const Decision& decision = decide(parsed);
  return decision.clear || (decision.policy && decision.policy->mode == Mode::transport) ||
         context_.database.partly_covered(decision.local, decision.remote);
}

OutboundSa* Outbound::admit(const Decision& decision, const VirtioHeader& header,
                            const IpPacket& parsed, ByteView octets, TimePoint now) {
  if (!decision.policy || decision.policy->mode == Mode::drop) {
    add_relaxed(decision.policy ? context_.drops.denied : context_.drops.no_policy);
    answer(IcmpError::administratively_denied, parsed, octets, 0, now);
    return nullptr;
  }
  if (!decision.policy->pair) {
    keep(*decision.policy, header, parsed, octets, now);
    return nullptr;
  }
  if (!decision.sa || decision.sa->usage.exhausted() || !socket_for(*decision.sa)) {
    add_relaxed(context_.drops.no_sa);
    return nullptr;
  }
  return decision.sa;
}

void Outbound::keep(Policy& policy, const VirtioHeader& header, const IpPacket& parsed,
                    ByteView octets, TimePoint now) {
  if (!held_.hold(policy.id, header, octets, now)) add_relaxed(context_.drops.trapped);
  if (now < policy.next_acquire) return;
  policy.next_acquire = now + std::chrono::seconds(1);
  context_.notices.push(Acquire{policy.id, selector_of(parsed.source, parsed, parsed.source_port),
                                selector_of(parsed.destination, parsed, parsed.destination_port)});
}

void Outbound::release_held(const Release& filter, TimePoint now) {
  if (held_.empty()) return;
  const auto ready = held_.take([&](PolicyId policy, const HeldPacket& first) {
    const auto parsed = parse_ip(first.octets);
    if (filter.policy && policy != filter.policy) return false;
    if (filter.remote && !filter.remote->matches(destination_side(*parsed))) return false;
    const Decision& decision = decide(*parsed);
    return !decision.policy || decision.sa || decision.policy->mode == Mode::pass ||
           decision.policy->mode == Mode::drop;
  });
  for (const HeldPacket& one : ready) packet(one.header, one.octets, now);
  if (!ready.empty()) flush(now);
}

void Outbound::tick(TimePoint now) {
  release_held({}, now);
  if (const std::size_t lost = held_.expire(now)) add_relaxed(context_.drops.trapped, lost);
}

void Outbound::pass(const Segmenter& segments, const IpPacket& parsed, ByteView octets,
                    TimePoint now) {
  OuterSocket* socket = ip_socket(parsed.family());
  if (!socket) return add_relaxed(context_.drops.send_failed);
  // What came in fragments goes in fragments, of a size that came here, too.
  const std::size_t mtu = context_.database.smallest_inner_limit().value_or(kMinV6Mtu);
  for (std::size_t i = 0; i < segments.count(); ++i) {
    const std::size_t size = segments.size(i);
    const bool too_big = size > mtu && !parsed.dont_fragment;
    make_room(too_big ? 3 * size : size, now);
    segments.write(i, arena_.get() + used_);
    Train train{nullptr, socket, {}, {parsed.destination, 0}, used_, size, size, 0, false, false,
                true,    {},     0};
    used_ += size;
    if (too_big) plan(train, transport_headers(octets), mtu);
    trains_.push_back(train);
  }
}

// RFC 4301, 8.2.1: what may not be fragmented is answered; the rest leaves in outer fragments.
bool Outbound::refuse_too_big(const OutboundSa& sa, const Segmenter& segments,
                              const IpPacket& parsed, ByteView octets, TimePoint now) {
  std::size_t limit = sa.inner_limit;
  if (parsed.family() == Family::v6) limit = std::max(limit, kMinV6Mtu);
  const bool kept = sa.copy_df || sa.mode == Mode::transport || parsed.family() == Family::v6;
  if (segments.largest() <= limit || !parsed.dont_fragment || !kept) return false;
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

void Outbound::make_room(std::size_t size, TimePoint now) {
  if (used_ + size > kArena || trains_.size() == kMaxTrains) flush(now);
}

// RFC 6040, 4.1 (normal mode) and RFC 4301, 5.1.2: what the outer header takes over. Nothing where
// transport mode can't carry the packet's own headers: over UDP the kernel writes them.
std::optional<Outbound::Framing> Outbound::frame(const OutboundSa& sa, const Segmenter& segments,
                                                 const IpPacket& parsed, ByteView octets) const {
  Framing framing;
  framing.traffic_class = parsed.traffic_class;
  if (sa.mode == Mode::transport) {
    framing.split = transport_headers(octets);
    framing.protocol = announced_protocol(octets.first(framing.split));
    framing.dont_fragment = parsed.dont_fragment;
    if (sa.writes_ip_header()) framing.prefix = framing.split;
    std::uint8_t trial[kMaxPrefix];
    if (framing.split > sizeof trial || !segments.splits_at(framing.split) ||
        parsed.family() != sa.remote.address.family())
      return std::nullopt;
    if (framing.split == sa.ip_header()) return framing;
    if (sa.udp_encap) return std::nullopt;
    std::ranges::copy(octets.first(framing.split), trial);
    if (sa.sealer.is_ah() && !zero_mutable_fields({trial, framing.split})) return std::nullopt;
    return framing;
  }
  framing.protocol = parsed.family() == Family::v4 ? ip::kIpip : ip::kIpv6;
  framing.dont_fragment = sa.copy_df && parsed.dont_fragment;
  if (sa.writes_ip_header()) framing.prefix = sa.ip_header();
  if (sa.copy_dscp != CopyDscp::out && sa.copy_dscp != CopyDscp::yes)
    framing.traffic_class &= ip::kEcnMask;
  if (!sa.copy_ecn) framing.traffic_class &= ip::kDscpMask;
  return framing;
}

void Outbound::lay_out(OutboundSa& sa, const Segmenter& segments, const IpPacket& parsed,
                       ByteView octets, TimePoint now) {
  const auto common = frame(sa, segments, parsed, octets);
  if (!common) return add_relaxed(context_.drops.malformed);
  for (std::size_t i = 0; i < segments.count(); ++i) {
    Framing framing = *common;
    const std::size_t plain = segments.size(i) - framing.split;
    const std::size_t most = framing.prefix + sa.sealer.sealed_size(sa.padded(plain));
    // Fragments of a packet that we write whole are cut behind it.
    make_room(framing.prefix != 0 && most > sa.outer_mtu ? most * 3 : most + kMaxIcv, now);
    if (pending_sa_ != &sa || pending_.size() == kMaxBurst) seal_pending(now);
    pending_sa_ = &sa;
    std::uint8_t* at = arena_.get() + used_ + framing.prefix;
    std::uint8_t outside[kMaxPrefix];
    const std::size_t payload =
        write_payload(sa, segments, i, framing, framing.prefix != 0 ? at - framing.prefix : outside,
                      at + sa.sealer.header_size());
    const std::size_t sealed = sa.sealer.sealed_size(payload);
    if (framing.prefix != 0) write_prefix(sa, framing, sealed, at - framing.prefix);
    const auto op = sa.sealer.prepare(at, payload, framing.protocol, framing.prefix);
    if (!op) {  // RFC 4303, 3.3.3: out of sequence numbers
      add_relaxed(context_.drops.no_sa);
      if (sa.usage.take_end()) expire(sa, true);
      return;
    }
    pending_.push_back(*op);
    join_train(sa, framing, framing.prefix + sealed);
    sa.usage.count(segments.size(i));
  }
}

std::size_t Outbound::write_payload(OutboundSa& sa, const Segmenter& segments, std::size_t index,
                                    Framing& framing, std::uint8_t* head, std::uint8_t* to) {
  const std::size_t size = segments.size(index) - framing.split;
  if (sa.cpi != 0) {
    if (!uncompressed_) uncompressed_.reset(new std::uint8_t[Tun::kMaxRead]);
    segments.write_apart(index, head, uncompressed_.get(), framing.split);
    const ByteView plain(uncompressed_.get(), size);
    if (const auto compressed = compressor_.compress(plain, framing.protocol, sa.cpi, to)) {
      framing.protocol = ip::kIpComp;
      return *compressed;
    }
    std::ranges::copy(plain, to);
  } else {
    segments.write_apart(index, head, to, framing.split);
  }
  const std::size_t padded = sa.padded(size);
  std::memset(to + size, 0, padded - size);  // RFC 4303, 2.7
  return padded;
}

// A zero identifier would be replaced by the kernel, behind AH's back.
void Outbound::write_prefix(const OutboundSa& sa, const Framing& framing, std::size_t sealed,
                            std::uint8_t* to) {
  if (next_id_ == 0) ++next_id_;
  const auto protocol = static_cast<std::uint8_t>(sa.protocol);
  if (sa.mode == Mode::tunnel) {
    write_ip_header({sa.local.address, sa.remote.address, protocol, framing.traffic_class,
                     framing.dont_fragment, next_id_++},
                    sealed, to);
    return;
  }
  if (to[0] >> 4 == 4 && load_be<std::uint16_t>(to + 4) == 0) store_be(to + 4, next_id_++);
  announce({to, framing.prefix}, protocol, sealed);
}

void Outbound::join_train(OutboundSa& sa, const Framing& framing, std::size_t size) {
  const std::size_t offset = used_;
  const bool whole = framing.prefix != 0;
  const bool too_big = size + (whole ? 0 : sa.outer_headers()) > sa.outer_mtu;
  // DF is the kernel's to set on IPv4 only, and what we fragment ourselves has it cleared.
  const bool dont_fragment = framing.dont_fragment || whole || !sa.remote.address.is_v4();
  used_ += size + sa.sealer.tail_room();
  if (!trains_.empty() && !whole) {
    Train& train = trains_.back();
    const bool joins = train.open && train.sa == &sa && !too_big && size <= train.segment &&
                       train.traffic_class == framing.traffic_class &&
                       train.dont_fragment == dont_fragment && train.length + size <= kMaxTrain &&
                       train.length < train.segment * kMaxSegments;
    if (joins) {
      train.length += size;
      train.open = size == train.segment;
      return;
    }
  }
  Train train{
      &sa,  socket_for(sa),        sa.local,           sa.remote,         offset,        size,
      size, framing.traffic_class, !whole && !too_big, !whole && too_big, dont_fragment, {},
      0};
  if (whole && too_big) plan(train, framing.prefix, sa.outer_mtu);
  trains_.push_back(train);
}

// What we write whole no one else fragments: RFC 4302, 3.3.4 and RFC 4303, 3.3.4 put that after
// protection.
void Outbound::plan(Train& train, std::size_t headers, std::size_t mtu) {
  const auto fragments = plan_fragments(train.remote.address.family(), headers, train.length, mtu);
  if (!fragments || fragments->total > 2 * train.length) return;
  train.fragments = *fragments;
  train.place = used_;
  used_ += fragments->total;
}

Outgoing Outbound::outgoing(const Train& train) {
  const ByteView packet(arena_.get() + train.offset, train.length);
  Outgoing result{train.socket, train.local,   train.remote, train.traffic_class,
                  packet,       train.segment, train.alone,  train.dont_fragment};
  if (train.fragments.total == 0) return result;
  std::uint8_t* to = arena_.get() + train.place;
  write_fragments(packet, train.fragments, next_fragment_id_++, to);
  result.data = {to, train.fragments.total};
  result.segment = train.fragments.each;
  result.alone = true;
  return result;
}

void Outbound::seal_pending(TimePoint now) {
  if (pending_.empty()) return;
  OutboundSa& sa = *pending_sa_;
  sa.sealer.seal(pending_);
  // A cipher that fails would leave plaintext in the arena: wipe it, the peer drops the zeros.
  for (const CryptoOp& op : pending_)
    if (!op.ok) {
      const std::size_t header = op.prefix + kEspHeader;
      std::memset(op.esp + header, 0, op.size - header);
    }
  pending_.clear();
  sa.sent_lately = true;
  sa.usage.publish(sa.statistics->out, now);
  if (sa.usage.take_soft()) expire(sa, false);
  if (sa.usage.take_hard()) expire(sa, true);
}

void Outbound::flush(TimePoint now) {
  seal_pending(now);
  outgoing_.clear();
  for (const Train& train : trains_) outgoing_.push_back(outgoing(train));
  if (!outgoing_.empty()) {
    const Sender::Report& report = sender_.send(outgoing_);
    if (report.failed != 0) add_relaxed(context_.drops.send_failed, report.failed);
    for (const std::size_t index : report.too_big)
      if (OutboundSa* sa = trains_[index].sa) mtu_changed_ |= context_.database.refresh_mtu(*sa);
  }
  trains_.clear();
  used_ = 0;
}

void Outbound::expire(OutboundSa& sa, bool hard) {
  context_.notices.push(Expire{sa.pair, Direction::out, hard});
}

OuterSocket* Outbound::socket_for(const OutboundSa& sa) const {
  const bool v4 = sa.remote.address.is_v4();
  if (sa.writes_ip_header()) return v4 ? sockets_.ip4 : sockets_.ip6;
  if (sa.udp_encap) return v4 ? sockets_.udp4 : sockets_.udp6;
  return v4 ? sockets_.raw4 : sockets_.raw6;
}

}  // namespace culvert::esp
