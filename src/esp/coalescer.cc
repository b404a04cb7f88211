// Receive coalescing under the rules that keep it invisible: same flow, contiguous sequence, same
// options, flags, TTL, DSCP and ECN, and every checksum verified before it is thrown away.
// Invariant: what a segmenter makes of a super-packet is what came in, but for IPv4 identifiers of
// packets that may not be fragmented (RFC 6864, 4.1).
#include "esp/coalescer.h"

#include "net/checksum.h"

namespace culvert::esp {
namespace {

constexpr std::size_t kTcpSequence = 4, kTcpAck = 8, kTcpOffset = 12, kTcpFlags = 13,
                      kTcpChecksum = 16, kUdpLength = 4, kUdpChecksum = 6;

bool l4_checksum_ok(ByteView packet, const IpPacket& parsed) {
  const ByteView l4 = packet.subspan(parsed.l4_offset);
  const std::uint64_t pseudo =
      pseudo_header_sum(parsed.source.bytes(), parsed.destination.bytes(), parsed.protocol,
                        static_cast<std::uint32_t>(l4.size()));
  return checksum_finish(checksum_add(pseudo, l4)) == 0;
}

// All of the IP header but length, identifier and checksum.
bool same_ip_header(ByteView a, ByteView b, Family family) {
  if (family == Family::v6)
    return equal(a.first(4), b.first(4)) && equal(a.subspan(6, 34), b.subspan(6, 34));
  return equal(a.first(2), b.first(2)) && equal(a.subspan(6, 4), b.subspan(6, 4)) &&
         equal(a.subspan(12, 8), b.subspan(12, 8));
}

bool identifier_follows(ByteView first, ByteView packet, std::size_t segments, bool dont_fragment) {
  const auto expected =
      static_cast<std::uint16_t>(load_be<std::uint16_t>(first.data() + 4) + segments);
  return dont_fragment || load_be<std::uint16_t>(packet.data() + 4) == expected;
}

}  // namespace

bool Coalescer::eligible(Candidate& candidate) const {
  const IpPacket& parsed = *candidate.parsed;
  const ByteView packet = candidate.packet;
  const bool v4 = parsed.family() == Family::v4;
  // Options and extension headers are rare; they go alone.
  if (parsed.fragment != Fragment::none ||
      parsed.l4_offset != (v4 ? ip::kIpv4Header : ip::kIpv6Header))
    return false;
  const std::size_t l4_size = packet.size() - parsed.l4_offset;
  const std::uint8_t* l4 = packet.data() + parsed.l4_offset;
  if (parsed.protocol == ip::kTcp) {
    if (!(v4 ? options_.tcp4 : options_.tcp6) || l4_size < ip::kTcpHeader) return false;
    const std::size_t header = (l4[kTcpOffset] >> 4) * 4u;
    // Only plain data: ACK, and perhaps PSH and ECE.
    const auto other = l4[kTcpFlags] & ~(ip::kPsh | ip::kEce);
    if (header < ip::kTcpHeader || header >= l4_size || other != ip::kAck) return false;
    candidate.headers = parsed.l4_offset + header;
    candidate.sequence = load_be<std::uint32_t>(l4 + kTcpSequence);
    candidate.last = (l4[kTcpFlags] & ip::kPsh) != 0;
  } else if (parsed.protocol == ip::kUdp) {
    if (!options_.udp || l4_size <= ip::kUdpHeader) return false;
    if (load_be<std::uint16_t>(l4 + kUdpLength) != l4_size) return false;
    if (load_be<std::uint16_t>(l4 + kUdpChecksum) == 0) return false;  // none to verify
    candidate.headers = parsed.l4_offset + ip::kUdpHeader;
    candidate.last = false;
  } else {
    return false;
  }
  candidate.payload = packet.size() - candidate.headers;
  return (!v4 || ipv4_checksum_ok(packet.first(ip::kIpv4Header))) && l4_checksum_ok(packet, parsed);
}

bool Coalescer::same_flow(const Flow& flow, const IpPacket& parsed) {
  return flow.used && flow.parsed.protocol == parsed.protocol &&
         flow.parsed.source_port == parsed.source_port &&
         flow.parsed.destination_port == parsed.destination_port &&
         flow.parsed.source == parsed.source && flow.parsed.destination == parsed.destination;
}

bool Coalescer::continues(const Flow& flow, const Candidate& candidate) {
  const ByteView first = flow.first, packet = candidate.packet;
  if (flow.closed || flow.segments == kMaxSegments || candidate.headers != flow.headers ||
      candidate.payload > flow.chunk || flow.length + candidate.payload > kMaxLength)
    return false;
  const Family family = flow.parsed.family();
  if (!same_ip_header(first, packet, family)) return false;
  if (family == Family::v4 &&
      !identifier_follows(first, packet, flow.segments, flow.parsed.dont_fragment))
    return false;
  if (flow.parsed.protocol == ip::kUdp) return true;
  const std::size_t l4 = flow.parsed.l4_offset;
  const std::uint8_t flags = first[l4 + kTcpFlags] & static_cast<std::uint8_t>(~ip::kPsh);
  return candidate.sequence == flow.next_sequence &&
         (packet[l4 + kTcpFlags] & ~ip::kPsh) == flags &&
         // Acknowledgement, then window to the end of the options without the checksum.
         equal(first.subspan(l4 + kTcpAck, 5), packet.subspan(l4 + kTcpAck, 5)) &&
         equal(first.subspan(l4 + 14, 2), packet.subspan(l4 + 14, 2)) &&
         equal(first.subspan(l4 + 18, flow.headers - l4 - 18),
               packet.subspan(l4 + 18, flow.headers - l4 - 18));
}

void Coalescer::begin(Flow& flow, const Candidate& candidate) {
  flow.used = true;
  flow.parsed = *candidate.parsed;
  flow.first = candidate.packet;
  flow.headers = candidate.headers;
  flow.chunk = candidate.payload;
  flow.length = candidate.packet.size();
  flow.segments = 1;
  flow.next_sequence = candidate.sequence + static_cast<std::uint32_t>(candidate.payload);
  flow.flags = 0;
  flow.closed = candidate.last;
  flow.pieces[1] = {candidate.packet.data(), candidate.packet.size()};
}

void Coalescer::extend(Flow& flow, const Candidate& candidate) {
  ++flow.segments;
  flow.length += candidate.payload;
  flow.next_sequence += static_cast<std::uint32_t>(candidate.payload);
  flow.closed = candidate.last || candidate.payload < flow.chunk;
  if (candidate.last) flow.flags = ip::kPsh;
  flow.pieces[flow.segments] = {candidate.packet.data() + candidate.headers, candidate.payload};
}

void Coalescer::add(MutableBytes packet, const IpPacket& parsed) {
  Flow* flow = nullptr;
  for (Flow& held : flows_)
    if (same_flow(held, parsed)) flow = &held;
  Candidate candidate{packet, &parsed, 0, 0, 0, false};
  if (!eligible(candidate)) {
    if (flow) write(*flow);
    return write_alone(packet);
  }
  if (flow && continues(*flow, candidate)) return extend(*flow, candidate);
  if (flow) write(*flow);
  for (Flow& held : flows_)
    if (!flow && !held.used) flow = &held;
  if (!flow) {
    flow = &flows_[next_victim_++ % kFlows];
    write(*flow);
  }
  begin(*flow, candidate);
}

void Coalescer::flush() {
  for (Flow& flow : flows_)
    if (flow.used) write(flow);
}

void Coalescer::write_alone(MutableBytes packet) {
  VirtioHeader header;
  const iovec pieces[] = {{&header, sizeof header}, {packet.data(), packet.size()}};
  sink_.write(pieces);
}

void Coalescer::write(Flow& flow) {
  flow.used = false;
  if (flow.segments == 1) return write_alone(flow.first);
  const std::size_t l4 = flow.parsed.l4_offset;
  const bool v4 = flow.parsed.family() == Family::v4, tcp = flow.parsed.protocol == ip::kTcp;
  std::uint8_t* at = flow.first.data();
  if (v4) {
    store_be(at + 2, static_cast<std::uint16_t>(flow.length));
    write_ipv4_checksum(flow.first.first(ip::kIpv4Header));
  } else {
    store_be(at + 4, static_cast<std::uint16_t>(flow.length - ip::kIpv6Header));
  }
  VirtioHeader header;
  header.flags = virtio::kNeedsChecksum;
  header.gso_type = !tcp ? virtio::kGsoUdp : v4 ? virtio::kGsoTcp4 : virtio::kGsoTcp6;
  header.header_length = static_cast<std::uint16_t>(flow.headers);
  header.gso_size = static_cast<std::uint16_t>(flow.chunk);
  header.checksum_start = static_cast<std::uint16_t>(l4);
  header.checksum_offset = tcp ? kTcpChecksum : kUdpChecksum;
  if (tcp)
    at[l4 + kTcpFlags] |= flow.flags;
  else
    store_be(at + l4 + kUdpLength, static_cast<std::uint16_t>(flow.length - l4));
  // NEEDS_CSUM: the field holds the pseudo header's sum, not inverted.
  store_checksum(at + l4 + header.checksum_offset,
                 checksum_fold(pseudo_header_sum(
                     flow.parsed.source.bytes(), flow.parsed.destination.bytes(),
                     flow.parsed.protocol, static_cast<std::uint32_t>(flow.length - l4))));
  flow.pieces[0] = {&header, sizeof header};
  sink_.write(std::span(flow.pieces).first(flow.segments + 1));
}

}  // namespace culvert::esp
