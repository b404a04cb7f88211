// IP headers around IPsec: where transport mode cuts a packet, how headers are made or rewritten
// for what follows them, and the fragments of packets that are written whole.
#pragma once

#include "net/ip.h"

namespace culvert {

// Octets of `packet` (which parse_ip() took) that stay in front of an IPsec header in transport
// mode: the IPv4 header with its options; the IPv6 header with hop-by-hop options, the routing
// header and destination options before that one (RFC 4303, 3.1.1).
std::size_t transport_headers(ByteView packet);
// The protocol that `headers` (as transport_headers() cuts them) announce for what follows.
std::uint8_t announced_protocol(ByteView headers);
// Makes `headers` announce `payload` octets of `protocol`, checksum of IPv4 included.
void announce(MutableBytes headers, std::uint8_t protocol, std::size_t payload);

struct OuterHeader {
  IpAddress source, destination;
  std::uint8_t protocol = 0;
  std::uint8_t traffic_class = 0;
  bool dont_fragment = true;  // IPv4
  std::uint16_t id = 0;       // IPv4
};
// Writes an IP header without options and returns its size.
std::size_t write_ip_header(const OuterHeader& header, std::size_t payload, std::uint8_t* to);

// Writes the checksum of a TCP, UDP or ICMPv6 message anew, for addresses that a NAT has changed
// (RFC 3948, 3.1.2). Fragments, and UDP over IPv4 without a checksum, stay as they are.
void rewrite_l4_checksum(MutableBytes packet, const IpPacket& parsed);

// How a packet is cut so that no fragment exceeds an MTU.
struct FragmentPlan {
  std::size_t headers = 0;  // octets of the packet that every fragment repeats
  std::size_t chunk = 0;    // octets of payload in all fragments but the last
  std::size_t each = 0;     // octets of all fragments but the last
  std::size_t total = 0;    // octets of all fragments together
};
// For the `length` octets of a packet with `headers` octets as transport_headers() says; nullopt
// where the MTU has no room for any payload.
std::optional<FragmentPlan> plan_fragments(Family family, std::size_t headers, std::size_t length,
                                           std::size_t mtu);
// Writes the fragments one behind the other; `id` counts for IPv6 (RFC 791, 2.3; RFC 8200, 4.5).
void write_fragments(ByteView packet, const FragmentPlan& plan, std::uint32_t id, std::uint8_t* to);

}  // namespace culvert
