// [sim.IMSI]: the keys of SIMs, or answers of theirs.
#include "config/sim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/load.h"

namespace culvert::config {
namespace {

using ::testing::HasSubstr;

constexpr const char* kK = "k = \"465b5ce8b199b49faa5f0a2ee238a6bc\"\n";

std::expected<Loaded, std::vector<Diagnostic>> of(const std::string& lines) {
  return load_text("[sim.232010000000000]\n" + lines, "test.toml");
}
std::string error_of(const std::string& lines) {
  const auto result = of(lines);
  return result ? std::string() : result.error().front().to_string();
}

// 3GPP TS 35.208, test set 1.
TEST(Sim, OpcIsGivenOrComesOfOp) {
  for (const char* key : {"opc = \"cd63cb71954a9f4e48a5994e37a02baf\"",
                          "op = \"cdc202d5123e20f62b6d676ac72cb318\""}) {
    const auto result = of(kK + std::string(key) + "\nsqn = 12\n");
    ASSERT_TRUE(result) << result.error().front().to_string();
    const eap::Subscriber& subscriber = result->subscribers.front();
    EXPECT_EQ(subscriber.identity, "232010000000000");
    EXPECT_EQ(subscriber.sqn, 12u);
    ASSERT_TRUE(subscriber.keys);
    EXPECT_EQ(subscriber.keys->opc.view().front(), 0xcd);
    EXPECT_EQ(subscriber.keys->opc.view().back(), 0xaf);
  }
}

TEST(Sim, TripletsAreThoseOfTheSubscriber) {
  const std::string path = ::testing::TempDir() + "/triplets-" + std::to_string(getpid());
  std::ofstream(path) << "# IMSI, RAND, SRES, Kc\n"
                         "232010000000000, 30000000000000000000000000000000,30112233,"
                         "305566778899AABB\r\n"
                         "999010000000000,zz\n"
                         "232010000000000,31000000000000000000000000000000,31112233,"
                         "315566778899AABB";
  const auto result = of("triplets = \"" + path + "\"\n");
  ASSERT_TRUE(result) << result.error().front().to_string();
  ASSERT_EQ(result->subscribers.front().triplets.size(), 2u);
  EXPECT_EQ(result->subscribers.front().triplets[1].kc.front(), 0x31);
  std::ofstream(path, std::ios::app) << "\n232010000000000,30,31,32\n";
  EXPECT_THAT(error_of("triplets = \"" + path + "\"\n"), HasSubstr("line 5"));
  std::ofstream(path) << "\n";
  EXPECT_THAT(error_of("triplets = \"" + path + "\"\n"), HasSubstr("has no triplets of"));
  std::filesystem::remove(path);
}

TEST(Sim, MistakesAreExplained) {
  EXPECT_THAT(error_of(""), HasSubstr("neither 'k' nor 'triplets'"));
  EXPECT_THAT(error_of(kK), HasSubstr("no 'opc'"));
  EXPECT_THAT(error_of("k = \"465b\"\nopc = \"465b\"\n"), HasSubstr("32 hexadecimal digits"));
  EXPECT_THAT(error_of(kK + std::string("opc = \"cd63cb71954a9f4e48a5994e37a02bag\"\n")),
              HasSubstr("32 hexadecimal digits"));
}

}  // namespace
}  // namespace culvert::config
