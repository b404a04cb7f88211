// Invariant: only packets that verified, were never seen before and match their SA's selectors
// reach the device.
#include "esp/inbound.h"

namespace culvert::esp {
namespace {

constexpr std::size_t kNonEspMarker = 4;   // RFC 3948, 2.2
constexpr std::uint8_t kKeepalive = 0xff;  // RFC 3948, 2.3

}  // namespace

Inbound::Inbound(WorkerContext context, const TunOffloads& offloads, const IkeSink& ike_sink,
                 std::uint16_t nat_t_port)
    : context_(context),
      ike_sink_(ike_sink),
      nat_t_port_(nat_t_port),
      coalescer_(*this, {offloads.tso4, offloads.tso6, offloads.uso}) {
  ops_.reserve(kMaxBurst);
}

void Inbound::received(OuterSocket::Kind kind, const Received& buffer, TimePoint now) {
  if (kind == OuterSocket::Kind::raw_esp)
    return esp({nullptr, buffer.remote, false, buffer.traffic_class}, buffer.data, now);
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
  esp({nullptr, buffer.remote, true, buffer.traffic_class}, octets, now);
}

InboundSa* Inbound::find(std::uint32_t spi) {
  const std::uint64_t generation = context_.database.generation();
  if (cached_generation_ == generation && cached_ && cached_->spi == spi) return cached_;
  cached_generation_ = generation;
  cached_ = context_.database.inbound(spi);
  return cached_;
}

void Inbound::esp(const Run& from, MutableBytes packet, TimePoint now) {
  if (packet.size() < kEspHeader) return add_relaxed(context_.drops.malformed);
  InboundSa* sa = find(load_be<std::uint32_t>(packet.data()));
  if (!sa) return add_relaxed(context_.drops.unknown_spi);
  if (sa->usage.exhausted()) return add_relaxed(context_.drops.no_sa);
  const bool same = run_.sa == sa && run_.udp == from.udp && run_.remote == from.remote &&
                    run_.traffic_class == from.traffic_class;
  if (!same || ops_.size() == kMaxBurst) finish_run(now);
  run_ = from;
  run_.sa = sa;
  CryptoOp op;
  switch (sa->opener.examine(packet, op)) {
    case Opener::Verdict::ok:
      ops_.push_back(op);
      return;
    case Opener::Verdict::replayed:
      add_relaxed(sa->statistics->replayed);
      return add_relaxed(context_.drops.replayed);
    default:
      return add_relaxed(context_.drops.malformed);
  }
}

void Inbound::finish_run(TimePoint now) {
  if (ops_.empty()) return;
  InboundSa& sa = *run_.sa;
  sa.opener.open(ops_);
  bool authentic = false;
  for (const CryptoOp& op : ops_) authentic |= accept(sa, op);
  ops_.clear();
  if (!authentic) return;
  sa.usage.publish(sa.statistics->in, now);
  if (now >= sa.next_activity) {
    sa.next_activity = now + std::chrono::seconds(1);
    context_.notices.push(Activity{sa.pair});
  }
  if (sa.usage.take_soft()) context_.notices.push(Expire{sa.pair, Direction::in, false});
  if (sa.usage.take_hard()) context_.notices.push(Expire{sa.pair, Direction::in, true});
}

bool Inbound::accept(InboundSa& sa, const CryptoOp& op) {
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
  if (opened.newest && run_.udp) report_source(sa);
  deliver(sa, opened.next_header, opened.payload);
  return true;
}

void Inbound::report_source(InboundSa& sa) {
  if (run_.remote == sa.remote) {
    sa.reported = {};
    return;
  }
  if (run_.remote == sa.reported) return;
  sa.reported = run_.remote;
  context_.notices.push(MappingChange{sa.pair, run_.remote});
}

void Inbound::deliver(InboundSa& sa, std::uint8_t next_header, MutableBytes payload) {
  if (next_header == ip::kNoNextHeader) return;  // RFC 4303, 2.6: a dummy packet
  const bool v4 = next_header == ip::kIpip;
  if (!v4 && next_header != ip::kIpv6) return add_relaxed(context_.drops.malformed);
  const auto parsed = parse_ip(payload);
  if (!parsed || (parsed->family() == Family::v4) != v4)
    return add_relaxed(context_.drops.malformed);
  // RFC 4301, 5.2, step 4
  if (!sa.remote_ts.matches(source_side(*parsed)) ||
      !sa.local_ts.matches(destination_side(*parsed))) {
    add_relaxed(sa.statistics->selector_mismatch);
    return add_relaxed(context_.drops.selector_mismatch);
  }
  const MutableBytes packet = payload.first(parsed->length);  // RFC 4303, 2.7: TFC padding goes
  const auto ecn = ecn_decapsulate(parsed->traffic_class, run_.traffic_class);
  if (!ecn) return add_relaxed(context_.drops.ecn);
  if (*ecn != (parsed->traffic_class & ip::kEcnMask)) set_ecn(packet, *ecn);
  sa.usage.count(packet.size());
  coalescer_.add(packet, *parsed);
}

void Inbound::flush(TimePoint now) {
  finish_run(now);
  run_ = {};
  coalescer_.flush();
}

void Inbound::write(std::span<const iovec> pieces) {
  if (!context_.device.write(pieces)) add_relaxed(context_.drops.tun_refused);
}

}  // namespace culvert::esp
