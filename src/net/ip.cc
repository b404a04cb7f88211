// Parsing of IP packets, down to the ports. Invariant: nothing outside the given octets is read,
// and the walk over IPv6's extension headers is bounded.
#include "net/ip.h"

#include "net/checksum.h"

namespace culvert {
namespace {

constexpr int kMaxExtensionHeaders = 8;
constexpr std::uint8_t kDccp = 33, kSctp = 132, kUdpLite = 136;

std::unexpected<Error> bad(Reason reason, std::size_t offset) {
  return fail(Fault::peer_misbehaved, reason, 0, static_cast<std::uint32_t>(offset));
}

void read_ports(IpPacket& packet, ByteView bytes) {
  if (packet.fragment == Fragment::later) return;
  const std::size_t available = packet.length - packet.l4_offset;
  const std::uint8_t* l4 = bytes.data() + packet.l4_offset;
  switch (packet.protocol) {
    case ip::kTcp:
    case ip::kUdp:
    case kDccp:
    case kSctp:
    case kUdpLite:
      if (available < 4) return;
      packet.source_port = load_be<std::uint16_t>(l4);
      packet.destination_port = load_be<std::uint16_t>(l4 + 2);
      packet.has_ports = true;
      return;
    case ip::kIcmp:
    case ip::kIcmpv6:
      if (available < 2) return;
      packet.source_port = packet.destination_port = load_be<std::uint16_t>(l4);
      packet.has_ports = true;
      return;
    default:
      return;
  }
}

Result<IpPacket> parse_v4(ByteView bytes) {
  if (bytes.size() < ip::kIpv4Header) return bad(Reason::truncated, bytes.size());
  const std::uint8_t* at = bytes.data();
  const std::size_t header = (at[0] & 0x0f) * 4u;
  IpPacket packet;
  packet.length = load_be<std::uint16_t>(at + 2);
  if (header < ip::kIpv4Header || packet.length < header) return bad(Reason::bad_length, 0);
  if (packet.length > bytes.size()) return bad(Reason::truncated, 2);
  packet.l4_offset = static_cast<std::uint16_t>(header);
  packet.traffic_class = at[1];
  packet.protocol = at[9];
  const auto fragment = load_be<std::uint16_t>(at + 6);
  packet.dont_fragment = (fragment & 0x4000) != 0;
  if ((fragment & 0x1fff) != 0)
    packet.fragment = Fragment::later;
  else if ((fragment & 0x2000) != 0)
    packet.fragment = Fragment::first;
  packet.source = IpAddress::from_bytes(bytes.subspan(12, 4));
  packet.destination = IpAddress::from_bytes(bytes.subspan(16, 4));
  read_ports(packet, bytes);
  return packet;
}

// Skips extension headers; sets protocol, l4_offset and fragment.
Result<> walk_extensions(IpPacket& packet, ByteView bytes, std::uint8_t next) {
  std::size_t offset = ip::kIpv6Header;
  for (int i = 0; i < kMaxExtensionHeaders; ++i) {
    const bool options =
        next == ip::kHopByHop || next == ip::kRouting || next == ip::kDestinationOptions;
    if (!options && next != ip::kFragment && next != ip::kAh) {
      packet.protocol = next;
      packet.l4_offset = static_cast<std::uint16_t>(offset);
      return {};
    }
    if (packet.length - offset < 8) return bad(Reason::truncated, offset);
    const std::uint8_t* at = bytes.data() + offset;
    std::size_t size = 8;
    if (options) size = (at[1] + 1u) * 8;
    if (next == ip::kAh) size = (at[1] + 2u) * 4;
    if (packet.length - offset < size) return bad(Reason::bad_length, offset);
    if (next == ip::kFragment) {
      const auto field = load_be<std::uint16_t>(at + 2);
      if ((field & 0xfff8) != 0) {
        packet.fragment = Fragment::later;
        packet.protocol = at[0];
        packet.l4_offset = static_cast<std::uint16_t>(offset + size);
        return {};
      }
      if ((field & 1) != 0) packet.fragment = Fragment::first;
    }
    next = at[0];
    offset += size;
  }
  return bad(Reason::too_large, offset);
}

Result<IpPacket> parse_v6(ByteView bytes) {
  if (bytes.size() < ip::kIpv6Header) return bad(Reason::truncated, bytes.size());
  const std::uint8_t* at = bytes.data();
  IpPacket packet;
  packet.length = std::uint32_t{ip::kIpv6Header} + load_be<std::uint16_t>(at + 4);
  if (packet.length > bytes.size()) return bad(Reason::truncated, 4);
  packet.traffic_class = static_cast<std::uint8_t>(load_be<std::uint16_t>(at) >> 4);
  packet.dont_fragment = true;
  packet.source = IpAddress::from_bytes(bytes.subspan(8, 16));
  packet.destination = IpAddress::from_bytes(bytes.subspan(24, 16));
  CHECK_OK(walk_extensions(packet, bytes, at[6]));
  read_ports(packet, bytes);
  return packet;
}

}  // namespace

Result<IpPacket> parse_ip(ByteView bytes) {
  if (bytes.empty()) return bad(Reason::truncated, 0);
  switch (bytes[0] >> 4) {
    case 4:
      return parse_v4(bytes);
    case 6:
      return parse_v6(bytes);
    default:
      return bad(Reason::bad_value, 0);
  }
}

void set_traffic_class(MutableBytes packet, std::uint8_t traffic_class) {
  if (packet[0] >> 4 == 6) {  // it straddles the first two octets
    packet[0] = static_cast<std::uint8_t>((packet[0] & 0xf0) | traffic_class >> 4);
    packet[1] = static_cast<std::uint8_t>((packet[1] & 0x0f) | traffic_class << 4);
    return;
  }
  std::uint16_t before, after;
  std::memcpy(&before, packet.data(), sizeof before);
  packet[1] = traffic_class;
  std::memcpy(&after, packet.data(), sizeof after);
  update_checksum(packet.data() + 10, before, after);
}

void set_ecn(MutableBytes packet, std::uint8_t ecn) {
  const bool v6 = packet[0] >> 4 == 6;
  const auto old =
      v6 ? static_cast<std::uint8_t>(load_be<std::uint16_t>(packet.data()) >> 4) : packet[1];
  set_traffic_class(packet, static_cast<std::uint8_t>((old & ip::kDscpMask) | ecn));
}

void write_ipv4_checksum(MutableBytes header) {
  store_checksum(header.data() + 10, 0);
  store_checksum(header.data() + 10, checksum_finish(checksum_add(0, header)));
}

bool ipv4_checksum_ok(ByteView header) { return checksum_finish(checksum_add(0, header)) == 0; }

std::optional<std::uint8_t> ecn_decapsulate(std::uint8_t inner, std::uint8_t outer) {
  inner &= ip::kEcnMask;
  outer &= ip::kEcnMask;
  if (outer == ip::kEcnCe) {
    if (inner == 0) return std::nullopt;
    return ip::kEcnCe;
  }
  if (outer == ip::kEcnEct1 && inner == ip::kEcnEct0) return ip::kEcnEct1;
  return inner;
}

}  // namespace culvert
