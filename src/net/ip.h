// What a gateway needs to know about one IP packet: addresses, protocol, ports, lengths.
#pragma once

#include "net/address.h"

namespace culvert {

namespace ip {
inline constexpr std::uint8_t kIcmp = 1, kIpip = 4, kTcp = 6, kUdp = 17, kIpv6 = 41, kEsp = 50,
                              kAh = 51, kIcmpv6 = 58, kNoNextHeader = 59, kIpComp = 108;
// IPv6's extension headers.
inline constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44,
                              kDestinationOptions = 60;
inline constexpr std::size_t kIpv4Header = 20, kIpv6Header = 40, kUdpHeader = 8, kTcpHeader = 20;
// TCP flags in the header's octet 13.
inline constexpr std::uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10,
                              kUrg = 0x20, kEce = 0x40, kCwr = 0x80;
// ECN field (RFC 3168) of the TOS or traffic class.
inline constexpr std::uint8_t kEcnMask = 3, kEcnEct1 = 1, kEcnEct0 = 2, kEcnCe = 3,
                              kDscpMask = 0xfc;
}  // namespace ip

enum class Fragment : std::uint8_t { none, first, later };

struct IpPacket {
  IpAddress source, destination;
  std::uint32_t length = 0;     // octets of the whole packet, by its own header
  std::uint16_t l4_offset = 0;  // where the upper-layer header starts
  std::uint8_t protocol = 0;    // upper layer; extension headers are skipped
  std::uint8_t traffic_class = 0;
  Fragment fragment = Fragment::none;
  bool dont_fragment = false;  // IPv6: always
  // Ports, or ICMP type and code as type * 256 + code in both (RFC 4301, 4.4.1.1); without ports
  // (later fragments, other protocols) has_ports is false.
  bool has_ports = false;
  std::uint16_t source_port = 0, destination_port = 0;

  Family family() const { return source.family(); }
};

// Parses the packet at the start of `bytes`, which may be longer than the packet (padding).
// Errors: truncated, bad_length, bad_value (version); offset says where.
Result<IpPacket> parse_ip(ByteView bytes);

// Replaces the TOS or traffic class of the packet at `packet`, keeping IPv4's checksum right.
void set_traffic_class(MutableBytes packet, std::uint8_t traffic_class);
// The same for its ECN field alone.
void set_ecn(MutableBytes packet, std::uint8_t ecn);
// Writes IPv4's header checksum; `header` is the whole header.
void write_ipv4_checksum(MutableBytes header);
// True when IPv4's header checksum is right.
bool ipv4_checksum_ok(ByteView header);

// RFC 6040, 4.2: the inner ECN field after decapsulation; nullopt: drop (CE outside, Not-ECT in).
std::optional<std::uint8_t> ecn_decapsulate(std::uint8_t inner, std::uint8_t outer);

}  // namespace culvert
