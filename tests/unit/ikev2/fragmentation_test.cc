// Reassembly by itself: completeness, bounds, and that the pool always knows what is held.
#include "ikev2/fragmentation.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace culvert::ikev2 {
namespace {

wire::Fragment fragment(std::uint16_t number, std::uint16_t total, std::size_t size) {
  wire::Fragment one;
  one.number = number;
  one.total = total;
  one.inner = number == 1 ? wire::PayloadType::notify : wire::PayloadType::none;
  one.plaintext.assign(size, static_cast<std::uint8_t>(number));
  return one;
}

TEST(Reassembly, JoinsInTheOrderOfNumbers) {
  FragmentPool pool;
  {
    Reassembly message(pool, {}, 3, {});
    for (const std::uint16_t number : {3, 1, 2}) {
      EXPECT_FALSE(message.is_complete());
      EXPECT_FALSE(message.has(number));
      EXPECT_TRUE(message.add(fragment(number, 3, 2), 80));
      EXPECT_TRUE(message.has(number));
    }
    ASSERT_TRUE(message.is_complete());
    const wire::Opened whole = message.take();
    EXPECT_EQ(whole.inner, wire::PayloadType::notify);
    EXPECT_EQ(whole.plaintext, (Bytes{1, 1, 2, 2, 3, 3}));
    EXPECT_EQ(message.datagram_octets(), 240u);
    EXPECT_GT(pool.octets, 6u);
  }
  EXPECT_EQ(pool.octets, 0u);
}

TEST(Reassembly, RefusesMoreThanAMessageMayHold) {
  FragmentPool pool;
  Reassembly message(pool, {}, 100, {});
  std::uint16_t number = 1;
  while (message.add(fragment(number, 100, 10'000), 10'060)) ++number;
  EXPECT_EQ(number, 7u);
  EXPECT_LE(pool.octets, limits::kMaxMessageSize + 1'000);
}

// What many fragments of one octet cost is counted too.
TEST(Reassembly, CountsWhatSmallFragmentsCost) {
  FragmentPool pool;
  Reassembly message(pool, {}, limits::kMaxFragments, {});
  for (std::uint16_t number = 1; number <= limits::kMaxFragments; ++number)
    message.add(fragment(number, limits::kMaxFragments, 1), 70);
  EXPECT_GE(pool.octets, 32 * limits::kMaxFragments);
}

TEST(Messages, AreCutByTheirLengths) {
  Bytes two;
  for (const std::size_t size : {std::size_t{28}, std::size_t{40}}) {
    Writer writer(two);
    wire::Header header;
    header.spi_i = 1;
    header.length = static_cast<std::uint32_t>(size);
    wire::encode_header(header, writer);
    writer.zeros(size - wire::kHeaderSize);
  }
  std::vector<std::size_t> sizes;
  for_each_message(two, [&](ByteView one) { sizes.push_back(one.size()); });
  EXPECT_EQ(sizes, (std::vector<std::size_t>{28, 40}));
}

}  // namespace
}  // namespace culvert::ikev2
