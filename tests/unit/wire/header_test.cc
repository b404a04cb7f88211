// The IKE header: fields and flags, lengths, versions.
#include "wire/header.h"

#include <gtest/gtest.h>

#include "tests/unit/wire/bytes_of.h"

namespace culvert::wire {
namespace {

using testing::hex;

constexpr std::uint16_t kInvalidMajorVersion = 5;

Bytes with_version(std::uint8_t version) {
  Bytes datagram = hex("0102030405060708 1112131415161718 00 20 22 08 00000001 0000001c");
  datagram[17] = version;
  return datagram;
}

TEST(Header, ReadsEveryField) {
  const Bytes datagram = hex("0102030405060708 1112131415161718 21 23 24 28 01020304 0000001c");
  const auto header = decode_header(datagram);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->spi_i, 0x0102030405060708u);
  EXPECT_EQ(header->spi_r, 0x1112131415161718u);
  EXPECT_EQ(header->next_payload, PayloadType::sa);
  EXPECT_EQ(header->major, 2);
  EXPECT_EQ(header->minor, 3);  // ignored, but kept
  EXPECT_EQ(header->exchange, ExchangeType::create_child_sa);
  EXPECT_TRUE(header->initiator);
  EXPECT_TRUE(header->response);
  EXPECT_FALSE(header->higher_version);
  EXPECT_EQ(header->message_id, 0x01020304u);
  EXPECT_EQ(header->length, 28u);
  Bytes again;
  Writer writer(again);
  encode_header(*header, writer);
  EXPECT_EQ(again, datagram);
}

TEST(Header, IgnoresReservedFlags) {
  Bytes datagram = with_version(0x20);
  datagram[19] = 0xd7;  // all but R and I
  const auto header = decode_header(datagram);
  ASSERT_TRUE(header);
  EXPECT_FALSE(header->initiator);
  EXPECT_FALSE(header->response);
  EXPECT_TRUE(header->higher_version);
  Bytes again;
  Writer writer(again);
  encode_header(*header, writer);
  EXPECT_EQ(again[19], 0x10);
}

TEST(Header, RecognisesIkev1) {
  const Bytes datagram = hex("0102030405060708 1112131415161718 08 10 20 03 a1b2c3d4 0000001c");
  const auto header = decode_header(datagram);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->major, 1);
  EXPECT_EQ(header->exchange, ExchangeType::quick_mode);
  EXPECT_EQ(header->raw_flags, 3);
  EXPECT_FALSE(header->initiator);
  Bytes again;
  Writer writer(again);
  encode_header(*header, writer);
  EXPECT_EQ(again, datagram);
}

TEST(Header, AnswersHigherMajorVersionOnly) {
  const auto higher = decode_header(with_version(0x30));
  ASSERT_FALSE(higher);
  EXPECT_EQ(higher.error().reason, Reason::unsupported_version);
  EXPECT_EQ(higher.error().notify, kInvalidMajorVersion);
  const auto peeked = peek_header(with_version(0x30));
  ASSERT_TRUE(peeked);
  EXPECT_EQ(peeked->major, 3);
  EXPECT_EQ(peeked->message_id, 1u);

  const auto lower = decode_header(with_version(0x01));
  ASSERT_FALSE(lower);
  EXPECT_EQ(lower.error().reason, Reason::unsupported_version);
  EXPECT_EQ(lower.error().notify, 0);
}

TEST(Header, LengthMustBeTheDatagrams) {
  Bytes longer = with_version(0x20);
  longer.push_back(0);
  Bytes lying = with_version(0x20);
  lying[27] = 27;
  for (const Bytes& datagram : {longer, lying}) {
    const auto header = decode_header(datagram);
    ASSERT_FALSE(header);
    EXPECT_EQ(header.error().reason, Reason::bad_length);
    EXPECT_EQ(header.error().offset, 24u);
  }
  Bytes shorter = with_version(0x20);
  shorter.pop_back();
  EXPECT_EQ(decode_header(shorter).error().reason, Reason::truncated);
  EXPECT_FALSE(peek_header(shorter));
}

TEST(Header, InitiatorSpiIsZeroOnlyInInformational) {
  Bytes datagram = with_version(0x20);
  std::fill_n(datagram.begin(), 8, std::uint8_t{0});
  EXPECT_EQ(decode_header(datagram).error().reason, Reason::bad_value);
  datagram[18] = static_cast<std::uint8_t>(ExchangeType::informational);
  EXPECT_TRUE(decode_header(datagram));
}

}  // namespace
}  // namespace culvert::wire
