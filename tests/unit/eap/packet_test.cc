// EAP packets: what is encoded decodes to the same, and nothing else is taken for a packet.
#include "eap/packet.h"

#include <gtest/gtest.h>

namespace culvert::eap {
namespace {

Bytes encode_nak(const Packet& request, const std::vector<Type>& wanted) {
  return encode({Code::response, request.identifier, request.expanded, kNak, {}, {}},
                nak_data(request.expanded, wanted));
}

TEST(EapPacketTest, ARequestAsOctets) {
  const Packet head{Code::request, 7, false, kMd5, {}, {}};
  const Bytes octets = encode(head, Bytes{0xaa, 0xbb});
  EXPECT_EQ(octets, (Bytes{1, 7, 0, 7, 4, 0xaa, 0xbb}));
  const auto packet = decode(octets);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->code, Code::request);
  EXPECT_EQ(packet->identifier, 7);
  EXPECT_EQ(packet->type, kMd5);
  EXPECT_FALSE(packet->expanded);
  EXPECT_EQ(to_bytes(packet->data), (Bytes{0xaa, 0xbb}));
}

TEST(EapPacketTest, ExpandedTypes) {
  const Packet head{Code::response, 9, false, {311, 7}, {}, {}};
  const Bytes octets = encode(head, Bytes{1});
  EXPECT_EQ(octets, (Bytes{2, 9, 0, 13, 254, 0, 1, 0x37, 0, 0, 0, 7, 1}));
  const auto packet = decode(octets);
  ASSERT_TRUE(packet);
  EXPECT_TRUE(packet->expanded);
  EXPECT_EQ(packet->type, (Type{311, 7}));
  // RFC 3748, 5.7: a type of vendor 0 is the same method in either encoding.
  const auto same = decode(Bytes{1, 1, 0, 12, 254, 0, 0, 0, 0, 0, 0, 4});
  ASSERT_TRUE(same);
  EXPECT_EQ(same->type, kMd5);
  EXPECT_TRUE(same->expanded);
  EXPECT_EQ(encode(*same, {}).size(), 12u);
}

TEST(EapPacketTest, PaddingIsIgnored) {
  const Bytes octets{1, 7, 0, 6, 1, 'x', 0, 0, 0};
  const auto packet = decode(octets);
  ASSERT_TRUE(packet);
  EXPECT_EQ(as_text(packet->data), "x");
  EXPECT_EQ(packet->whole.size(), 6u);
}

TEST(EapPacketTest, WhatIsNoPacket) {
  const Bytes good = encode({Code::request, 1, true, {9, 9}, {}, {}}, Bytes{1, 2, 3});
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(decode(ByteView(good).first(size))) << size;
  EXPECT_FALSE(decode(Bytes{0, 1, 0, 5, 1}));       // code 0
  EXPECT_FALSE(decode(Bytes{5, 1, 0, 5, 1}));       // Initiate of RFC 6696
  EXPECT_FALSE(decode(Bytes{1, 1, 0, 4}));          // a request of no type
  EXPECT_FALSE(decode(Bytes{1, 1, 0, 3, 1}));       // shorter than its header
  EXPECT_FALSE(decode(Bytes{1, 1, 0, 6, 254, 0}));  // half an expanded type
  EXPECT_FALSE(decode(Bytes{3, 1, 0, 5, 1}));       // a success with data
  EXPECT_TRUE(decode(encode({Code::failure, 1, false, {}, {}, {}})));
}

TEST(EapPacketTest, Naks) {
  const Packet request{Code::request, 3, false, kMd5, {}, {}};
  EXPECT_EQ(encode_nak(request, {kMschapv2, kTls}), (Bytes{2, 3, 0, 7, 3, 26, 13}));
  EXPECT_EQ(encode_nak(request, {}), (Bytes{2, 3, 0, 6, 3, 0}));
  EXPECT_EQ(encode_nak(request, {{311, 1}}), (Bytes{2, 3, 0, 6, 3, 254}));

  const Bytes legacy = encode_nak(request, {kTtls, {311, 1}});
  auto nak = decode_nak(*decode(legacy));
  ASSERT_TRUE(nak);
  EXPECT_EQ(nak->wanted, std::vector{kTtls});
  EXPECT_TRUE(nak->expanded_wanted);

  const Packet expanded{Code::request, 3, true, {311, 2}, {}, {}};
  const Bytes octets = encode_nak(expanded, {kTls, {311, 1}});
  ASSERT_EQ(octets.size(), 4u + 3 * 8);
  nak = decode_nak(*decode(octets));
  ASSERT_TRUE(nak);
  EXPECT_EQ(nak->wanted, (std::vector<Type>{kTls, {311, 1}}));
  EXPECT_TRUE(decode_nak(*decode(encode_nak(expanded, {})))->wanted.empty());
  for (std::size_t cut = 1; cut < 8; ++cut) {
    Bytes shorter(octets.begin(), octets.end() - static_cast<std::ptrdiff_t>(cut));
    store_be(shorter.data() + 2, static_cast<std::uint16_t>(shorter.size()));
    EXPECT_FALSE(decode_nak(*decode(shorter))) << cut;
  }
}

TEST(EapPacketTest, Names) {
  EXPECT_EQ(to_string(kAkaPrime), "EAP-AKA'");
  EXPECT_EQ(to_string({0, 99}), "EAP type 99");
  EXPECT_EQ(to_string({311, 7}), "EAP type 7-311");
  EXPECT_EQ(parse_type("mschapv2"), kMschapv2);
  EXPECT_EQ(parse_type("52"), (Type{0, 52}));
  EXPECT_EQ(parse_type("7-311"), (Type{311, 7}));
  for (const char* bad :
       {"", "identity", "nak", "3", "254", "7-", "-7", "7-0", "7-16777216", "tls "})
    EXPECT_FALSE(parse_type(bad)) << bad;
  EXPECT_TRUE(properties_of(kTls).safe_alone());
  EXPECT_FALSE(properties_of(kMd5).safe_alone());
  EXPECT_FALSE(properties_of(kMschapv2).safe_alone());
  EXPECT_FALSE(properties_of({311, 7}).safe_alone());
}

TEST(EapPacketTest, PrintableText) {
  EXPECT_EQ(printable("alice@example.org"), "alice@example.org");
  EXPECT_EQ(printable(std::string_view("a\0\n\"\\\xff", 6)), "a\\x00\\x0a\\x22\\x5c\\xff");
  EXPECT_LE(printable(std::string(100'000, '\xff')).size(), 600u);
}

}  // namespace
}  // namespace culvert::eap
