// Whole runs: none has a violation, the same seed gives the same trace, and whatever is broken on
// purpose is noticed.
#include "sim/scenario.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <random>

namespace culvert::sim {
namespace {

constexpr std::uint64_t kFixedSeeds = 200;

std::string told(const RunResult& result) {
  std::string text;
  for (const Violation& violation : result.violations)
    text += violation.check + ": " + violation.text + "\n";
  return text;
}

TEST(Scenario, FixedSeedsFindNothing) {
  std::size_t kept_up = 0, delivered = 0;
  for (std::uint64_t seed = 1; seed <= kFixedSeeds; ++seed) {
    const RunResult result = run({.seed = seed});
    EXPECT_TRUE(result.violations.empty()) << "seed " << seed << "\n" << told(result);
    kept_up += result.kept_up;
    delivered += result.delivered;
  }
  // The runs are not empty ones.
  EXPECT_GT(kept_up, kFixedSeeds);
  EXPECT_GT(delivered, 10 * kFixedSeeds);
}

TEST(Scenario, ATunnelOutlivesLossDuplicationAndReordering) {
  std::size_t kept_up = 0;
  for (std::uint64_t seed = 1; seed <= kFixedSeeds; ++seed) {
    const RunResult result = run({.seed = seed, .lifetime = true});
    EXPECT_TRUE(result.violations.empty()) << "seed " << seed << "\n" << told(result);
    kept_up += result.kept_up;
  }
  EXPECT_GE(kept_up, kFixedSeeds);
}

TEST(Scenario, EachEndHasWhatItsActionsSay) {
  for (std::uint64_t seed = 1; seed <= kFixedSeeds; ++seed) {
    const RunResult result = run({.seed = seed, .endings = true});
    EXPECT_TRUE(result.violations.empty()) << "seed " << seed << "\n" << told(result);
  }
}

TEST(Scenario, AFreshSeedFindsNothing) {
  const std::uint64_t seed = std::random_device{}();
  std::cout << "fresh seed " << seed << " (replay: ./dev sim " << seed << ")\n";
  const RunResult result = run({.seed = seed});
  EXPECT_TRUE(result.violations.empty()) << told(result);
}

// Each showed a fault that a change to the worlds may hide again; they cost nothing.
TEST(Scenario, SeedsThatOnceFoundSomething) {
  for (const std::uint64_t seed : {5698, 6572, 6800}) EXPECT_EQ(told(run({.seed = seed})), "");
  EXPECT_EQ(told(run({.seed = 9316, .lifetime = true})), "");
  EXPECT_EQ(told(run({.seed = 277, .endings = true})), "");
}

TEST(Scenario, TheSameSeedGivesTheSameTrace) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const RunResult once = run({.seed = seed});
    EXPECT_EQ(once.trace_hash, run({.seed = seed}).trace_hash) << seed;
    EXPECT_NE(once.trace_hash, run({.seed = seed + 1}).trace_hash) << seed;
    // Looking on changes nothing.
    const RunResult watched = run({.seed = seed, .ladder = true});
    EXPECT_EQ(once.trace_hash, watched.trace_hash) << seed;
    EXPECT_FALSE(watched.ladder.empty());
  }
}

class DeliberateFault : public testing::TestWithParam<NamedFault> {};

TEST_P(DeliberateFault, IsNoticedByItsChecker) {
  const NamedFault& fault = GetParam();
  for (std::uint64_t seed = 1; seed <= 200; ++seed)
    for (const bool endings : {false, true}) {
      const RunOptions options{.seed = seed, .sabotage = fault.sabotage, .endings = endings};
      for (const Violation& violation : run(options).violations)
        if (violation.check == fault.caught_by) return;
    }
  FAIL() << "no run noticed " << fault.name;
}

INSTANTIATE_TEST_SUITE_P(All, DeliberateFault, testing::ValuesIn(deliberate_faults()),
                         [](const auto& suite) {
                           std::string name(suite.param.name);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace culvert::sim
