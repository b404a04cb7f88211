#include "net/ip.h"

#include <gtest/gtest.h>

#include "net/checksum.h"
#include "net/icmp.h"

namespace culvert {
namespace {

Bytes v4_packet(std::uint8_t protocol, std::size_t payload, std::uint16_t fragment = 0x4000) {
  Bytes packet(20 + payload);
  packet[0] = 0x45;
  store_be(packet.data() + 2, static_cast<std::uint16_t>(packet.size()));
  store_be(packet.data() + 6, fragment);
  packet[8] = 64;
  packet[9] = protocol;
  store_be(packet.data() + 12, std::uint32_t{0x0a000001});
  store_be(packet.data() + 16, std::uint32_t{0x0a000002});
  if (payload >= 4) {
    store_be(packet.data() + 20, std::uint16_t{1'234});
    store_be(packet.data() + 22, std::uint16_t{80});
  }
  write_ipv4_checksum(MutableBytes(packet).first(20));
  return packet;
}

Bytes v6_packet(std::uint8_t next, ByteView body) {
  Bytes packet(40);
  packet[0] = 0x60;
  store_be(packet.data() + 4, static_cast<std::uint16_t>(body.size()));
  packet[6] = next;
  packet[7] = 64;
  packet[8] = 0x20;
  packet[24] = 0x20;
  packet[39] = 2;
  append(packet, body);
  return packet;
}

TEST(ParseIp, V4WithPorts) {
  const auto parsed = parse_ip(v4_packet(ip::kTcp, 20));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->source.to_string(), "10.0.0.1");
  EXPECT_EQ(parsed->destination.to_string(), "10.0.0.2");
  EXPECT_EQ(parsed->protocol, ip::kTcp);
  EXPECT_EQ(parsed->l4_offset, 20);
  EXPECT_TRUE(parsed->has_ports);
  EXPECT_EQ(parsed->source_port, 1'234);
  EXPECT_EQ(parsed->destination_port, 80);
  EXPECT_TRUE(parsed->dont_fragment);
  EXPECT_EQ(parsed->fragment, Fragment::none);
}

TEST(ParseIp, FragmentsHavePortsOnlyInTheFirst) {
  const auto first = parse_ip(v4_packet(ip::kUdp, 8, 0x2000));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->fragment, Fragment::first);
  EXPECT_TRUE(first->has_ports);
  const auto later = parse_ip(v4_packet(ip::kUdp, 8, 0x0001));
  ASSERT_TRUE(later);
  EXPECT_EQ(later->fragment, Fragment::later);
  EXPECT_FALSE(later->has_ports);
}

TEST(ParseIp, IcmpTypeAndCodeStandInBothPorts) {
  Bytes packet = v4_packet(ip::kIcmp, 8);
  packet[20] = 8;
  packet[21] = 1;
  const auto parsed = parse_ip(packet);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->source_port, 8 * 256 + 1);
  EXPECT_EQ(parsed->destination_port, 8 * 256 + 1);
}

TEST(ParseIp, RefusesLiesAboutLength) {
  Bytes packet = v4_packet(ip::kTcp, 20);
  EXPECT_FALSE(parse_ip(ByteView(packet).first(39)));
  EXPECT_TRUE(parse_ip(packet));
  packet.push_back(0);  // padding is fine
  EXPECT_TRUE(parse_ip(packet));
  packet[0] = 0x44;
  EXPECT_FALSE(parse_ip(packet));
  packet[0] = 0x4f;  // 60 octets of header in a packet of 40
  EXPECT_FALSE(parse_ip(packet));
  packet[0] = 0x55;
  EXPECT_EQ(parse_ip(packet).error().reason, Reason::bad_value);
  EXPECT_FALSE(parse_ip({}));
}

TEST(ParseIp, WalksV6Extensions) {
  Bytes body = {43, 0, 0, 0, 0, 0, 0, 0};              // hop-by-hop, next: routing
  append(body, Bytes{44, 0, 0, 0, 0, 0, 0, 0});        // routing, next: fragment
  append(body, Bytes{17, 0, 0x00, 0x01, 0, 0, 0, 9});  // first fragment, next: UDP
  append(body, Bytes{0x04, 0xd2, 0, 80, 0, 8, 0, 0});
  const auto parsed = parse_ip(v6_packet(0, body));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->protocol, ip::kUdp);
  EXPECT_EQ(parsed->l4_offset, 64);
  EXPECT_EQ(parsed->fragment, Fragment::first);
  EXPECT_EQ(parsed->source_port, 1'234);
  body[18] = 0x05;  // offset not zero
  const auto later = parse_ip(v6_packet(0, body));
  ASSERT_TRUE(later);
  EXPECT_EQ(later->fragment, Fragment::later);
  EXPECT_EQ(later->protocol, ip::kUdp);
  EXPECT_FALSE(later->has_ports);
}

TEST(ParseIp, BoundsTheWalk) {
  Bytes body;
  for (int i = 0; i < 20; ++i) append(body, Bytes{60, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(parse_ip(v6_packet(60, body)).error().reason, Reason::too_large);
  EXPECT_FALSE(parse_ip(v6_packet(60, Bytes{17, 9, 0, 0, 0, 0, 0, 0})));  // runs past the end
  EXPECT_FALSE(parse_ip(v6_packet(60, Bytes{17, 0, 0})));
}

TEST(Ecn, DecapsulationTable) {  // RFC 6040, figure 4
  constexpr int kDrop = -1;
  //                   outer: Not-ECT ECT1 ECT0 CE
  constexpr int kTable[4][4] = {
      {0, 0, 0, kDrop},  // inner Not-ECT
      {1, 1, 1, 3},      // ECT(1)
      {2, 1, 2, 3},      // ECT(0)
      {3, 3, 3, 3},      // CE
  };
  for (std::uint8_t inner = 0; inner < 4; ++inner)
    for (std::uint8_t outer = 0; outer < 4; ++outer) {
      const auto result = ecn_decapsulate(inner, outer);
      EXPECT_EQ(result ? *result : kDrop, kTable[inner][outer]) << +inner << " in " << +outer;
    }
}

TEST(Ecn, SettingKeepsTheChecksumAndTheRest) {
  Bytes packet = v4_packet(ip::kTcp, 20);
  packet[1] = 0xb8 | 2;
  write_ipv4_checksum(MutableBytes(packet).first(20));
  set_ecn(packet, ip::kEcnCe);
  EXPECT_EQ(packet[1], 0xb8 | 3);
  EXPECT_TRUE(ipv4_checksum_ok(ByteView(packet).first(20)));
  Bytes six = v6_packet(59, {});
  six[0] = 0x6b;
  six[1] = 0x8f;
  set_ecn(six, ip::kEcnCe);
  EXPECT_EQ(six[0], 0x6b);
  EXPECT_EQ(six[1], 0xbf);
  EXPECT_EQ(parse_ip(six)->traffic_class, 0xbb);
}

TEST(Icmp, TooBigV4) {
  const Bytes packet = v4_packet(ip::kTcp, 1'480);
  const auto parsed = *parse_ip(packet);
  const Bytes error = make_icmp_error(IcmpError::too_big, packet, parsed, 1'400);
  ASSERT_EQ(error.size(), 576u);
  const auto answer = parse_ip(error);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->source, parsed.destination);
  EXPECT_EQ(answer->destination, parsed.source);
  EXPECT_TRUE(ipv4_checksum_ok(ByteView(error).first(20)));
  EXPECT_EQ(checksum_finish(checksum_add(0, ByteView(error).subspan(20))), 0);
  EXPECT_EQ(error[20], 3);
  EXPECT_EQ(error[21], 4);
  EXPECT_EQ(load_be<std::uint16_t>(error.data() + 26), 1'400);
  EXPECT_TRUE(equal(ByteView(error).subspan(28), ByteView(packet).first(548)));
}

TEST(Icmp, TooBigV6) {
  Bytes body(1'460);
  const Bytes packet = v6_packet(ip::kUdp, body);
  const auto parsed = *parse_ip(packet);
  const Bytes error = make_icmp_error(IcmpError::too_big, packet, parsed, 1'380);
  ASSERT_EQ(error.size(), 1'280u);
  const auto answer = parse_ip(error);
  ASSERT_TRUE(answer);
  EXPECT_EQ(error[40], 2);
  EXPECT_EQ(load_be<std::uint32_t>(error.data() + 44), 1'380u);
  const auto sum =
      pseudo_header_sum(answer->source.bytes(), answer->destination.bytes(), ip::kIcmpv6, 1'240);
  EXPECT_EQ(checksum_finish(checksum_add(sum, ByteView(error).subspan(40))), 0);
}

TEST(Icmp, NeverAboutErrorsFragmentsOrMulticast) {
  Bytes error = v4_packet(ip::kIcmp, 36);
  error[20] = 3;
  EXPECT_TRUE(make_icmp_error(IcmpError::too_big, error, *parse_ip(error), 1'400).empty());
  error[20] = 8;
  EXPECT_FALSE(make_icmp_error(IcmpError::too_big, error, *parse_ip(error), 1'400).empty());
  const Bytes later = v4_packet(ip::kUdp, 36, 0x4001);
  EXPECT_TRUE(make_icmp_error(IcmpError::too_big, later, *parse_ip(later), 1'400).empty());
  Bytes group = v4_packet(ip::kUdp, 36);
  group[16] = 224;
  EXPECT_TRUE(
      make_icmp_error(IcmpError::administratively_denied, group, *parse_ip(group), 0).empty());
}

}  // namespace
}  // namespace culvert
