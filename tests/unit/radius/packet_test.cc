#include "radius/packet.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "tests/unit/radius/fake_server.h"

namespace culvert::radius {
namespace {

Bytes packet_with(ByteView attributes) {
  Bytes out = {1, 7, 0, 0};
  out.resize(kHeaderSize);
  append(out, attributes);
  store_be(out.data() + 2, static_cast<std::uint16_t>(out.size()));
  return out;
}

TEST(Packet, HoldsWhatWasWritten) {
  Bytes attributes;
  AttributeWriter writer(attributes);
  writer.add(Type::user_name, "nemo");
  writer.add(Type::nas_port, 3u);
  writer.add(Type::nas_ip_address, Type::nas_ipv6_address, *IpAddress::parse("2001:db8::1"));
  writer.add(Type::nas_ip_address, Type::nas_ipv6_address, IpAddress());
  writer.add(Type::filter_id, "");
  writer.add_vendor(Vendor::microsoft, 16, as_bytes("key"));
  const auto packet = Packet::decode(packet_with(attributes));
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->code(), Code::access_request);
  EXPECT_EQ(packet->identifier(), 7);
  EXPECT_EQ(packet->count(), 4u);
  EXPECT_EQ(as_text(*packet->find(Type::user_name)), "nemo");
  EXPECT_EQ(packet->find_u32(Type::nas_port), 3u);
  EXPECT_EQ(packet->find_u32(Type::user_name), 0x6e656d6fu);  // four octets, too
  EXPECT_EQ(packet->find(Type::nas_ipv6_address)->size(), 16u);
  EXPECT_FALSE(packet->find(Type::nas_ip_address));
  EXPECT_FALSE(packet->find(Type::filter_id));
  const auto vendor = packet->vendor_attributes();
  ASSERT_EQ(vendor.size(), 1u);
  EXPECT_EQ(vendor[0].vendor, Vendor::microsoft);
  EXPECT_EQ(vendor[0].type, 16);
  EXPECT_EQ(as_text(vendor[0].value), "key");
}

TEST(Packet, SplitsAndJoinsEapMessages) {
  for (const std::size_t size : {1u, 252u, 253u, 254u, 506u, 507u, 1'500u}) {
    Bytes eap(size);
    for (std::size_t i = 0; i < size; ++i) eap[i] = static_cast<std::uint8_t>(i * 7);
    Bytes attributes;
    AttributeWriter(attributes).add_eap(eap);
    const auto packet = Packet::decode(packet_with(attributes));
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->count(), (size + 252) / 253);
    EXPECT_EQ(packet->joined(Type::eap_message), eap);
  }
}

TEST(Packet, IgnoresPaddingAfterItsLength) {
  Bytes octets = packet_with(Bytes{1, 3, 'x'});
  octets.push_back(99);
  const auto packet = Packet::decode(octets);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->octets().size(), octets.size() - 1);
}

TEST(Packet, RefusesWhatIsMalformed) {
  const Bytes good = packet_with(Bytes{1, 3, 'x', 4, 6, 1, 2, 3, 4});
  ASSERT_TRUE(Packet::decode(good));
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(Packet::decode(ByteView(good).first(size))) << size;
  for (const Bytes& attributes :
       {Bytes{1}, Bytes{1, 0}, Bytes{1, 1}, Bytes{1, 4, 'x'}, Bytes{1, 3, 'x', 2}})
    EXPECT_FALSE(Packet::decode(packet_with(attributes)));
  Bytes attributes;
  while (attributes.size() < limits::kMaxRadiusPacket - kHeaderSize)
    AttributeWriter(attributes).add(Type::class_, Bytes(6));
  EXPECT_FALSE(Packet::decode(packet_with(attributes)));  // 4 octets too many
  attributes.resize(limits::kMaxRadiusPacket - kHeaderSize - 4);
  EXPECT_TRUE(Packet::decode(packet_with(attributes)));
}

TEST(Packet, LeavesOutMalformedVendorAttributes) {
  for (const Bytes& value : {Bytes{0, 0, 1}, Bytes{0, 0, 1, 55, 16}, Bytes{0, 0, 1, 55, 16, 0},
                             Bytes{0, 0, 1, 55, 16, 1}, Bytes{0, 0, 1, 55, 16, 4, 1}}) {
    Bytes attributes;
    AttributeWriter(attributes).add(Type::vendor_specific, value);
    const auto packet = Packet::decode(packet_with(attributes));
    ASSERT_TRUE(packet);
    EXPECT_TRUE(packet->vendor_attributes().empty());
  }
  // Two in one attribute (RFC 2865, 5.26).
  Bytes attributes;
  AttributeWriter(attributes).add(Type::vendor_specific, Bytes{0, 0, 1, 55, 16, 3, 1, 17, 3, 2});
  EXPECT_EQ(Packet::decode(packet_with(attributes))->vendor_attributes().size(), 2u);
}

}  // namespace
}  // namespace culvert::radius
