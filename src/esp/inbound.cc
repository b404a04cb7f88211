// Invariant: only packets that verified, were never seen before and match their SA's selectors
// reach the device.
#include "esp/inbound.h"

#include <algorithm>

#include "net/encapsulation.h"

namespace culvert::esp {
namespace {

constexpr std::uint8_t kKeepalive = 0xff;  // RFC 3948, 2.3
constexpr std::uint8_t kHopLimit = 64;     // where the received one is not known
constexpr std::size_t kScratch = 1'024 * 1'024;
constexpr std::size_t kMaxHeaders = 512;  // in front of a payload that is expanded
constexpr Duration kMappingInterval = std::chrono::seconds(1);

}  // namespace

Inbound::Inbound(WorkerContext context, const TunOffloads& offloads, const IkeSink& ike_sink,
                 std::uint16_t nat_t_port)
    : context_(context),
      ike_sink_(ike_sink),
      nat_t_port_(nat_t_port),
      coalescer_(*this, {offloads.tso4, offloads.tso6, offloads.uso}) {
  ops_.reserve(kMaxBurst);
  headers_.reserve(kMaxBurst);
}

void Inbound::received(OuterSocket::Kind kind, const Received& buffer, TimePoint now) {
  if (kind != OuterSocket::Kind::udp) {
    const bool ah = kind == OuterSocket::Kind::raw_ah;
    return packet(ah ? IpsecProtocol::ah : IpsecProtocol::esp,
                  {buffer.remote, buffer.local.address, false, buffer.traffic_class},
                  buffer.headers, buffer.data, now);
  }
  MutableBytes rest = buffer.data;
  while (!rest.empty()) {
    const std::size_t size = std::min(buffer.segment, rest.size());
    datagram(buffer, rest.first(size), now);
    rest = rest.subspan(size);
  }
}

void Inbound::datagram(const Received& buffer, MutableBytes octets, TimePoint now) {
  if (buffer.local.port != nat_t_port_)
    return ike_sink_(Datagram{buffer.local, buffer.remote, octets});
  if (octets.size() == 1 && octets[0] == kKeepalive) return;
  if (octets.size() < kNonEspMarker) return add_relaxed(context_.drops.malformed);
  if (load_be<std::uint32_t>(octets.data()) == 0)
    return ike_sink_(Datagram{buffer.local, buffer.remote, octets.subspan(kNonEspMarker)});
  packet(IpsecProtocol::esp, {buffer.remote, buffer.local.address, true, buffer.traffic_class}, {},
         octets, now);
}

InboundSa* Inbound::find(std::uint32_t spi) {
  const std::uint64_t generation = context_.database.generation();
  if (cached_generation_ == generation && cached_ && cached_->spi == spi) return cached_;
  cached_generation_ = generation;
  cached_ = context_.database.inbound(spi);
  return cached_;
}

// AH is opened in a copy, because its ICV covers headers that the kernel keeps apart. One batch of
// buffers always fits.
MutableBytes Inbound::copy_for_ah(ByteView headers, ByteView octets) {
  if (!ah_scratch_) ah_scratch_.reset(new std::uint8_t[ReceiveBatch::kMessages * kAhSlot]);
  if (headers.size() > kMaxPrefix || octets.size() > kMaxPacket ||
      ah_used_ + kAhSlot > ReceiveBatch::kMessages * kAhSlot)
    return {};
  const MutableBytes copy(ah_scratch_.get() + ah_used_, headers.size() + octets.size());
  std::ranges::copy(headers, copy.begin());
  std::ranges::copy(octets, copy.begin() + static_cast<std::ptrdiff_t>(headers.size()));
  ah_used_ += copy.size() + kMaxIcv;
  return copy;
}

void Inbound::packet(IpsecProtocol protocol, const Origin& from, ByteView headers,
                     MutableBytes octets, TimePoint now) {
  const bool ah = protocol == IpsecProtocol::ah;
  if (octets.size() < (ah ? kAhHeader : kEspHeader)) return add_relaxed(context_.drops.malformed);
  const auto spi = load_be<std::uint32_t>(octets.data() + (ah ? 4 : 0));
  InboundSa* sa = find(spi);
  if (!sa) early_.keep(protocol, spi, from, headers, octets, now);
  if (!sa || sa->protocol != protocol) return add_relaxed(context_.drops.unknown_spi);
  if (sa->usage.exhausted()) return add_relaxed(context_.drops.no_sa);
  const Run run{sa, from};
  if (run_ != run || ops_.size() == kMaxBurst) finish_run(now);
  run_ = run;
  if (ah) octets = copy_for_ah(headers, octets);
  if (octets.empty()) return add_relaxed(context_.drops.malformed);
  CryptoOp op;
  switch (sa->opener.examine(octets, op, ah ? headers.size() : 0)) {
    case Opener::Verdict::ok:
      ops_.push_back(op);
      headers_.push_back(headers);
      return;
    case Opener::Verdict::replayed:
      add_relaxed(sa->statistics->replayed);
      return add_relaxed(context_.drops.replayed);
    default:
      return add_relaxed(context_.drops.malformed);
  }
}

void Inbound::release_early(IpsecProtocol protocol, std::uint32_t spi, TimePoint now) {
  early_.release(protocol, spi, now, [&](EarlyPacket& early) {
    context_.drops.unknown_spi.fetch_sub(1, std::memory_order_relaxed);
    packet(protocol, early.from, early.headers, early.octets, now);
  });
  flush(now);
}

void Inbound::finish_run(TimePoint now) {
  if (ops_.empty()) return;
  InboundSa& sa = *run_.sa;
  sa.opener.open(ops_);
  bool authentic = false;
  for (std::size_t i = 0; i < ops_.size(); ++i) authentic |= accept(sa, ops_[i], headers_[i], now);
  ops_.clear();
  headers_.clear();
  if (!authentic) return;
  sa.usage.publish(sa.statistics->in, now);
  // RFC 4555, 3.12: what comes from elsewhere does not show that the peer knows where we are.
  const Origin& from = run_.from;
  const bool in_place =
      from.remote.address == sa.remote.address && (!from.udp || from.remote.port == sa.remote.port);
  if (in_place && now >= sa.next_activity) {
    sa.next_activity = now + std::chrono::seconds(1);
    context_.notices.push(Activity{sa.pair});
  }
  if (sa.usage.take_soft()) context_.notices.push(Expire{sa.pair, Direction::in, false});
  if (sa.usage.take_hard()) context_.notices.push(Expire{sa.pair, Direction::in, true});
}

bool Inbound::accept(InboundSa& sa, const CryptoOp& op, ByteView headers, TimePoint now) {
  const Opener::Opened opened = sa.opener.accept(op);
  switch (opened.verdict) {
    case Opener::Verdict::ok:
      break;
    case Opener::Verdict::bad_integrity:
      add_relaxed(sa.statistics->integrity_failed);
      add_relaxed(context_.drops.bad_integrity);
      return false;
    case Opener::Verdict::replayed:
      add_relaxed(sa.statistics->replayed);
      add_relaxed(context_.drops.replayed);
      return false;
    default:
      add_relaxed(context_.drops.malformed);
      return true;
  }
  // Only the newest packet tells where the peer is: an old one may have been held back.
  if (opened.newest && run_.from.udp && run_.from.remote != sa.remote) report_source(sa, now);
  deliver(sa, opened.next_header, opened.payload, headers);
  return true;
}

// Told again while the source stays another one, but not for every packet of a path that changes
// its mind.
void Inbound::report_source(InboundSa& sa, TimePoint now) {
  if (now < sa.next_mapping) return;
  sa.next_mapping = now + kMappingInterval;
  context_.notices.push(MappingChange{sa.pair, run_.from.remote});
}

MutableBytes Inbound::scratch(std::size_t size) {
  if (!scratch_) scratch_.reset(new std::uint8_t[kScratch]);
  if (scratch_used_ + size > kScratch) {
    coalescer_.flush();
    scratch_used_ = 0;
  }
  const MutableBytes room(scratch_.get() + scratch_used_, size);
  scratch_used_ += size;
  return room;
}

// RFC 3173, 2.1. What stands in front of the result in the scratch space is free for headers.
std::optional<MutableBytes> Inbound::expand(const InboundSa& sa, MutableBytes payload,
                                            std::uint8_t& next_header) {
  if (payload.size() < kIpCompHeader || sa.cpi == 0 ||
      load_be<std::uint16_t>(payload.data() + 2) != sa.cpi)
    return std::nullopt;
  next_header = payload[0];
  const MutableBytes room = scratch(kMaxHeaders + kMaxPacket);
  const auto size = decompressor_.expand(payload.subspan(kIpCompHeader), room.subspan(kMaxHeaders));
  scratch_used_ -= kMaxPacket - size.value_or(0);
  if (!size) return std::nullopt;
  return room.subspan(kMaxHeaders, *size);
}

// The packet as it was before transport mode took it apart (RFC 4303, 3.4.4.1): its own headers, or
// new ones where the kernel does not show them, in front of the payload.
MutableBytes Inbound::restore_headers(std::uint8_t next_header, MutableBytes payload,
                                      ByteView headers) {
  const bool v4 = run_.from.local.is_v4();
  const std::size_t fixed = v4 ? ip::kIpv4Header : ip::kIpv6Header;
  const std::size_t size = headers.empty() ? fixed : headers.size();
  if (size + payload.size() > kMaxPacket) return {};
  const bool expanded =
      scratch_ && payload.data() >= scratch_.get() && payload.data() < scratch_.get() + kScratch;
  MutableBytes packet(payload.data() - size, size + payload.size());
  if (!expanded) {
    packet = scratch(packet.size());
    std::ranges::copy(payload, packet.begin() + static_cast<std::ptrdiff_t>(size));
  }
  if (headers.empty()) {
    write_ip_header(
        {run_.from.remote.address, run_.from.local, next_header, run_.from.traffic_class},
        payload.size(), packet.data());
    return packet;
  }
  std::ranges::copy(headers, packet.begin());
  if (!v4) packet[7] = kHopLimit;
  announce(packet.first(size), next_header, payload.size());
  return packet;
}

// RFC 4301, 5.1.2 and RFC 6040, 4.2; false: the packet has to go.
bool Inbound::take_over_outer_header(const InboundSa& sa, MutableBytes packet,
                                     const IpPacket& parsed) {
  const std::uint8_t inner = parsed.traffic_class, outer = run_.from.traffic_class;
  std::uint8_t result = inner;
  if (sa.copy_ecn) {
    const auto ecn = ecn_decapsulate(inner, outer);
    if (!ecn) return false;
    result = static_cast<std::uint8_t>((result & ip::kDscpMask) | *ecn);
  }
  if (sa.copy_dscp == CopyDscp::in || sa.copy_dscp == CopyDscp::yes)
    result = static_cast<std::uint8_t>((result & ip::kEcnMask) | (outer & ip::kDscpMask));
  if (result != inner) set_traffic_class(packet, result);
  return true;
}

void Inbound::deliver(InboundSa& sa, std::uint8_t next_header, MutableBytes payload,
                      ByteView headers) {
  if (next_header == ip::kNoNextHeader) return;  // RFC 4303, 2.6: a dummy packet
  if (next_header == ip::kIpComp) {
    const auto expanded = expand(sa, payload, next_header);
    if (!expanded) return add_relaxed(context_.drops.malformed);
    payload = *expanded;
  }
  const bool transport = sa.mode == Mode::transport;
  if (transport) {
    payload = restore_headers(next_header, payload, headers);
  } else if (next_header != ip::kIpip && next_header != ip::kIpv6) {
    return add_relaxed(context_.drops.malformed);
  }
  const auto parsed = parse_ip(payload);
  if (!parsed ||
      (!transport && parsed->family() != (next_header == ip::kIpip ? Family::v4 : Family::v6)))
    return add_relaxed(context_.drops.malformed);
  // RFC 4301, 5.2, step 4
  if (!sa.remote_ts.matches(source_side(*parsed)) ||
      !sa.local_ts.matches(destination_side(*parsed))) {
    add_relaxed(sa.statistics->selector_mismatch);
    return add_relaxed(context_.drops.selector_mismatch);
  }
  const MutableBytes packet = payload.first(parsed->length);  // RFC 4303, 2.7: TFC padding goes
  if (!transport && !take_over_outer_header(sa, packet, *parsed))
    return add_relaxed(context_.drops.ecn);
  if (transport && run_.from.udp) rewrite_l4_checksum(packet, *parsed);
  sa.usage.count(packet.size());
  coalescer_.add(packet, *parsed);
}

void Inbound::flush(TimePoint now) {
  finish_run(now);
  run_ = {};
  coalescer_.flush();
  scratch_used_ = ah_used_ = 0;
}

void Inbound::write(std::span<const iovec> pieces) {
  if (!context_.device.write(pieces)) add_relaxed(context_.drops.tun_refused);
}

}  // namespace culvert::esp
