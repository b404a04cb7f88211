// Sizes, ages and tables as people read them.
#include "cli/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace culvert::cli {
namespace {

TEST(Text, Octets) {
  EXPECT_EQ(octets_text(0), "0 B");
  EXPECT_EQ(octets_text(1023), "1023 B");
  EXPECT_EQ(octets_text(1024), "1.0 KiB");
  EXPECT_EQ(octets_text(1536), "1.5 KiB");
  EXPECT_EQ(octets_text(12 * 1024 * 1024), "12 MiB");
  EXPECT_EQ(octets_text(UINT64_MAX), "16 EiB");
}

TEST(Text, AgesHaveTwoUnits) {
  EXPECT_EQ(age_text(0), "0s");
  EXPECT_EQ(age_text(42), "42s");
  EXPECT_EQ(age_text(723), "12m3s");
  EXPECT_EQ(age_text(3600 * 3 + 60 * 12 + 59), "3h12m");
  EXPECT_EQ(age_text(86400 * 5 + 3600 * 4 + 59 * 60), "5d4h");
  EXPECT_EQ(age_text(UINT64_MAX), "3650d");
}

TEST(Text, CountsAreAllDigits) {
  EXPECT_EQ(parse_count("17"), 17u);
  for (const auto* bad : {"", "-1", "1x", " 1", "99999999999999999999"})
    EXPECT_EQ(parse_count(bad), std::nullopt) << bad;
}

TEST(Text, ControlCharactersDontReachTheTerminal) {
  EXPECT_EQ(printable("a\x1b[31mb\tc\x7f\nd"), "a?[31mb?c?\nd");
}

TEST(Text, ColoursOnlyWhereTheyAreOn) {
  EXPECT_EQ(coloured("x", Colour::red, false), "x");
  EXPECT_EQ(coloured("x", Colour::none, true), "x");
  EXPECT_EQ(coloured("x", Colour::red, true), "\x1b[31mx\x1b[0m");
}

TEST(Table, AlignsByCharactersAndLeavesNoTrailingSpaces) {
  EXPECT_EQ(table_text({"A", "LONG", "C"}, {{{"äöü"}, {"1"}, {"x"}}, {{"b"}, {"2"}, {""}}, {{"c"}}},
                       false),
            "A    LONG  C\n"
            "äöü  1     x\n"
            "b    2\n"
            "c\n");
}

TEST(Table, ColoursDontChangeTheWidths) {
  EXPECT_EQ(table_text({"A", "B"}, {{{"long", Colour::green}, {"1"}}}, true),
            "\x1b[1mA\x1b[0m     \x1b[1mB\x1b[0m\n"
            "\x1b[32mlong\x1b[0m  1\n");
}

}  // namespace
}  // namespace culvert::cli
