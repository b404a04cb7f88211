// The octets of DER values, against X.690's own examples and hand-made ones.
#include "pki/der_values.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace culvert {
namespace {

std::string hex(ByteView octets) { return fmt::format("{:02x}", fmt::join(octets, "")); }

std::chrono::sys_seconds at(int year, unsigned month, unsigned day, int seconds = 0) {
  using namespace std::chrono;
  return sys_days(std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day)) +
         std::chrono::seconds(seconds);
}

TEST(DerValues, IntegersAreShortestAndNotNegative) {
  EXPECT_EQ(hex(der::integer(std::uint64_t{0})), "020100");
  EXPECT_EQ(hex(der::integer(std::uint64_t{127})), "02017f");
  EXPECT_EQ(hex(der::integer(std::uint64_t{128})), "02020080");
  EXPECT_EQ(hex(der::integer(std::uint64_t{0x100})), "02020100");
  EXPECT_EQ(hex(der::integer(UINT64_MAX)), "020900ffffffffffffffff");
  EXPECT_EQ(hex(der::integer(ByteView(Bytes{0, 0, 0x80}))), "02020080");
}

TEST(DerValues, NamedBitsLoseTrailingZeros) {
  EXPECT_EQ(hex(der::named_bits(0)), "030100");
  EXPECT_EQ(hex(der::named_bits(1)), "03020780");                // digitalSignature
  EXPECT_EQ(hex(der::named_bits(1 << 5 | 1 << 6)), "03020106");  // keyCertSign, cRLSign
  EXPECT_EQ(hex(der::named_bits(1 << 8)), "0303070080");         // decipherOnly
}

TEST(DerValues, TimesChangeTheirFormAfter2049) {
  EXPECT_EQ(hex(der::time(at(2049, 12, 31, 86'399))), "170d" + hex(as_bytes("491231235959Z")));
  EXPECT_EQ(hex(der::time(at(2050, 1, 1))), "180f" + hex(as_bytes("20500101000000Z")));
  EXPECT_EQ(hex(der::time(at(1949, 12, 31))), "180f" + hex(as_bytes("19491231000000Z")));
  EXPECT_EQ(hex(der::time(at(1950, 1, 1))), "170d" + hex(as_bytes("500101000000Z")));
  EXPECT_EQ(hex(der::time(at(20'000, 1, 1))), "180f" + hex(as_bytes("99991231235959Z")));
}

TEST(DerValues, ObjectIdentifiersFromText) {
  const auto text = [](std::string_view dotted) {
    const auto oid = der::oid_from_text(dotted);
    return oid ? hex(*oid) : "none";
  };
  EXPECT_EQ(text("1.2.840.113549"), "06062a864886f70d");
  EXPECT_EQ(text("2.999.3"), "0603883703");  // X.690, 8.19.5
  EXPECT_EQ(text("2.5.29.32.0"), "0604551d2000");
  for (const char* bad : {"", "1", "1.", ".1", "3.1", "1.40", "1.2.x", "1.2.4294967296", "1 2"})
    EXPECT_EQ(text(bad), "none") << bad;
  std::string long_one = "1.2";
  for (int i = 0; i < 70; ++i) long_one += ".1";
  EXPECT_EQ(text(long_one), "none");
}

}  // namespace
}  // namespace culvert
