#include "esp/replay_window.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace culvert::esp {
namespace {

TEST(ReplayWindow, RefusesZeroRepeatsAndTheTooOld) {
  ReplayWindow window(64);
  EXPECT_FALSE(window.check(0));
  EXPECT_TRUE(window.update(1));
  EXPECT_FALSE(window.check(1));
  EXPECT_FALSE(window.update(1));
  EXPECT_TRUE(window.update(window.size() + 1));
  EXPECT_FALSE(window.check(1));  // just outside now
  EXPECT_TRUE(window.check(2));   // the oldest inside
  EXPECT_TRUE(window.update(2));
  EXPECT_FALSE(window.update(2));
}

TEST(ReplayWindow, IsAtLeastAsLargeAsAsked) {
  for (const std::uint32_t size : {1u, 32u, 63u, 64u, 65u, 1'000u, 4'096u})
    EXPECT_GE(ReplayWindow(size).size(), size);
}

TEST(ReplayWindow, ZeroSwitchesItOff) {
  ReplayWindow window(0);
  EXPECT_TRUE(window.update(5));
  EXPECT_TRUE(window.update(5));
  EXPECT_TRUE(window.update(1));
  EXPECT_FALSE(window.update(0));
}

TEST(ReplayWindow, JumpsOfEverySizeForgetTheOldBits) {
  for (std::uint64_t jump = 1; jump < 2'000; ++jump) {
    ReplayWindow window(256);
    for (std::uint64_t i = 1; i <= 700; ++i) ASSERT_TRUE(window.update(i));
    ASSERT_TRUE(window.update(700 + jump));
    // All numbers between the old top and the new one are still acceptable, if in the window.
    for (std::uint64_t i = 701; i < 700 + jump; ++i)
      ASSERT_EQ(window.check(i), 700 + jump - i < window.size()) << jump << ' ' << i;
    for (std::uint64_t i = 1; i <= 700; ++i) ASSERT_FALSE(window.check(i)) << jump << ' ' << i;
  }
}

TEST(ReplayWindow, AgreesWithASetOnRandomInput) {
  std::mt19937_64 random(3);
  ReplayWindow window(512);
  std::set<std::uint64_t> seen;
  std::uint64_t top = 0, centre = 1'000;
  for (int i = 0; i < 200'000; ++i) {
    if (random() % 5'000 == 0) centre += random() % 100'000;
    centre += random() % 3;
    const std::uint64_t sequence = centre - random() % 900;
    const bool fresh =
        (sequence > top || top - sequence < window.size()) && !seen.contains(sequence);
    ASSERT_EQ(window.check(sequence), fresh);
    ASSERT_EQ(window.update(sequence), fresh);
    if (fresh) {
      seen.insert(sequence);
      top = std::max(top, sequence);
    }
  }
}

TEST(ReplayWindow, InfersTheHighHalfAcrossTheBoundary) {
  ReplayWindow window(128);
  const std::uint64_t start = (std::uint64_t{1} << 32) - 300;
  ASSERT_TRUE(window.update(start));
  for (std::uint64_t sequence = start + 1; sequence < start + 1'000; ++sequence) {
    ASSERT_EQ(window.infer_esn(static_cast<std::uint32_t>(sequence)), sequence);
    // A late packet from before the boundary belongs to the earlier subspace.
    const std::uint64_t late = sequence - 50;
    ASSERT_EQ(window.infer_esn(static_cast<std::uint32_t>(late)), late);
    ASSERT_TRUE(window.update(sequence));
  }
}

TEST(ReplayWindow, InfersWithinTheFirstSubspace) {
  ReplayWindow window(128);
  EXPECT_EQ(window.infer_esn(1), 1u);
  EXPECT_EQ(window.infer_esn(0xffff'fff0), 0xffff'fff0u);  // no subspace before the first
  ASSERT_TRUE(window.update(1'000'000));
  EXPECT_EQ(window.infer_esn(999'990), 999'990u);
  EXPECT_EQ(window.infer_esn(5), (std::uint64_t{1} << 32) + 5);
}

}  // namespace
}  // namespace culvert::esp
