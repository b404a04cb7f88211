// Inner packets for the tests: well-formed, with right checksums.
#pragma once

#include "net/checksum.h"
#include "net/ip.h"

namespace culvert::esp::testing_packets {

struct Flow {
  IpAddress source = IpAddress::v4(0x0a010001), destination = IpAddress::v4(0x0a020001);
  std::uint16_t source_port = 40'000, destination_port = 5'201;
};

inline Flow v6_flow() {
  return {*IpAddress::parse("fd01::1"), *IpAddress::parse("fd02::1"), 40'000, 5'201};
}

// An IP header without options around `l4`, DF set.
inline Bytes ip_around(const Flow& flow, std::uint8_t protocol, ByteView l4,
                       std::uint8_t traffic_class = 0, std::uint16_t id = 0) {
  const bool v4 = flow.source.is_v4();
  Bytes packet(v4 ? 20 : 40);
  if (v4) {
    packet[0] = 0x45;
    packet[1] = traffic_class;
    store_be(packet.data() + 2, static_cast<std::uint16_t>(20 + l4.size()));
    store_be(packet.data() + 4, id);
    packet[6] = 0x40;
    packet[8] = 64;
    packet[9] = protocol;
    std::ranges::copy(flow.source.bytes(), packet.begin() + 12);
    std::ranges::copy(flow.destination.bytes(), packet.begin() + 16);
    write_ipv4_checksum(packet);
  } else {
    store_be(packet.data(), static_cast<std::uint16_t>(0x6000 | traffic_class << 4));
    store_be(packet.data() + 4, static_cast<std::uint16_t>(l4.size()));
    packet[6] = protocol;
    packet[7] = 64;
    std::ranges::copy(flow.source.bytes(), packet.begin() + 8);
    std::ranges::copy(flow.destination.bytes(), packet.begin() + 24);
  }
  append(packet, l4);
  return packet;
}

inline void finish_l4(const Flow& flow, std::uint8_t protocol, Bytes& l4, std::size_t field) {
  store_checksum(l4.data() + field, 0);
  const auto pseudo = pseudo_header_sum(flow.source.bytes(), flow.destination.bytes(), protocol,
                                        static_cast<std::uint32_t>(l4.size()));
  store_checksum(l4.data() + field, checksum_finish(checksum_add(pseudo, l4)));
}

struct Tcp {
  std::uint32_t sequence = 1'000, ack = 77;
  std::uint8_t flags = ip::kAck;
  std::uint16_t window = 512;
  Bytes options = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};  // timestamps
};

inline Bytes tcp_packet(const Flow& flow, const Tcp& tcp, ByteView payload,
                        std::uint8_t traffic_class = 0, std::uint16_t id = 0) {
  Bytes l4(20);
  store_be(l4.data(), flow.source_port);
  store_be(l4.data() + 2, flow.destination_port);
  store_be(l4.data() + 4, tcp.sequence);
  store_be(l4.data() + 8, tcp.ack);
  l4[12] = static_cast<std::uint8_t>((20 + tcp.options.size()) / 4 << 4);
  l4[13] = tcp.flags;
  store_be(l4.data() + 14, tcp.window);
  append(l4, tcp.options);
  append(l4, payload);
  finish_l4(flow, ip::kTcp, l4, 16);
  return ip_around(flow, ip::kTcp, l4, traffic_class, id);
}

inline Bytes udp_packet(const Flow& flow, ByteView payload, std::uint8_t traffic_class = 0) {
  Bytes l4(8);
  store_be(l4.data(), flow.source_port);
  store_be(l4.data() + 2, flow.destination_port);
  store_be(l4.data() + 4, static_cast<std::uint16_t>(8 + payload.size()));
  append(l4, payload);
  finish_l4(flow, ip::kUdp, l4, 6);
  return ip_around(flow, ip::kUdp, l4, traffic_class);
}

inline Bytes pattern(std::size_t size, std::uint8_t seed = 1) {
  Bytes bytes(size);
  for (auto& octet : bytes) octet = seed = static_cast<std::uint8_t>(seed * 13 + 7);
  return bytes;
}

// Whether all of a packet's checksums are right.
inline bool checksums_ok(ByteView packet) {
  const auto parsed = parse_ip(packet);
  if (!parsed || parsed->length != packet.size()) return false;
  const ByteView l4 = packet.subspan(parsed->l4_offset);
  const auto pseudo = pseudo_header_sum(parsed->source.bytes(), parsed->destination.bytes(),
                                        parsed->protocol, static_cast<std::uint32_t>(l4.size()));
  return (packet[0] >> 4 == 6 || ipv4_checksum_ok(packet.first(parsed->l4_offset))) &&
         checksum_finish(checksum_add(pseudo, l4)) == 0;
}

}  // namespace culvert::esp::testing_packets
