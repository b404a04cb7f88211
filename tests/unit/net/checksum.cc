#include "net/checksum.h"

#include <gtest/gtest.h>

#include <random>

namespace culvert {
namespace {

// RFC 1071, 4.1, octet by octet, in network order.
std::uint16_t reference(ByteView bytes) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) sum += bytes[i] << (i % 2 == 0 ? 8 : 0);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

std::uint16_t in_network_order(std::uint16_t value) {
  std::uint8_t octets[2];
  store_checksum(octets, value);
  return load_be<std::uint16_t>(octets);
}

TEST(Checksum, AgreesWithTheReferenceAtEveryLengthAndAlignment) {
  std::mt19937 random(1);
  Bytes buffer(400), copy(400);
  for (auto& octet : buffer) octet = static_cast<std::uint8_t>(random());
  for (std::size_t offset = 0; offset < 4; ++offset)
    for (std::size_t size = 0; size + offset <= 300; ++size) {
      const ByteView part = ByteView(buffer).subspan(offset, size);
      ASSERT_EQ(in_network_order(checksum_finish(checksum_add(0, part))), reference(part)) << size;
      std::fill(copy.begin(), copy.end(), 0);
      const auto sum = checksum_copy(0, copy.data(), part);
      ASSERT_EQ(in_network_order(checksum_finish(sum)), reference(part)) << size;
      ASSERT_TRUE(equal(ByteView(copy).first(size), part));
      ASSERT_EQ(copy[size], 0);
    }
}

TEST(Checksum, LargeBuffersOfOnesDoNotOverflow) {
  const Bytes ones(65'535, 0xff);
  EXPECT_EQ(in_network_order(checksum_finish(checksum_add(0, ones))), reference(ones));
}

// The worked example of RFC 1071, 3: 0001 f203 f4f5 f6f7 sums to ddf2.
TEST(Checksum, WorkedExample) {
  const Bytes data = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(in_network_order(checksum_fold(checksum_add(0, data))), 0xddf2);
}

TEST(Checksum, UpdateEqualsRecomputation) {
  std::mt19937 random(2);
  for (int round = 0; round < 1'000; ++round) {
    Bytes header(20);
    for (auto& octet : header) octet = static_cast<std::uint8_t>(random());
    store_checksum(header.data() + 10, 0);
    store_checksum(header.data() + 10, checksum_finish(checksum_add(0, header)));
    std::uint16_t before, after;
    std::memcpy(&before, header.data() + 4, 2);
    header[4] = static_cast<std::uint8_t>(random());
    header[5] = static_cast<std::uint8_t>(random());
    std::memcpy(&after, header.data() + 4, 2);
    update_checksum(header.data() + 10, before, after);
    ASSERT_EQ(checksum_finish(checksum_add(0, header)), 0);
  }
}

}  // namespace
}  // namespace culvert
