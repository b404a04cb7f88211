// Sequence numbers of SIM subscribers over restarts, crashes in the middle of a line included.
#include "daemon/sequence_numbers.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace culvert {
namespace {

class SequenceNumbersTest : public ::testing::Test {
 protected:
  SequenceNumbersTest() { std::filesystem::create_directory(directory_); }
  ~SequenceNumbersTest() override { std::filesystem::remove_all(directory_); }

  SequenceNumbers open() const {
    auto opened = SequenceNumbers::open(directory_);
    EXPECT_TRUE(opened) << opened.error();
    return std::move(*opened);
  }
  std::string file() const { return directory_ + "/sim-sequence-numbers"; }
  std::size_t lines() const {
    std::ifstream input(file());
    std::size_t count = 0;
    for (std::string line; std::getline(input, line);) ++count;
    return count;
  }

  std::string directory_ = ::testing::TempDir() + "/sequence-numbers-" + std::to_string(getpid());
};

TEST_F(SequenceNumbersTest, TheLastOneOfEachIsKept) {
  const std::string odd("a\nb\0c 7", 7);
  {
    SequenceNumbers numbers = open();
    EXPECT_EQ(numbers.of("232010000000000"), 0u);
    numbers.use("232010000000000", 7);
    numbers.use(odd, 9);
    numbers.use("232010000000000", (std::uint64_t{1} << 48) - 1);
  }
  const SequenceNumbers numbers = open();
  EXPECT_EQ(numbers.of("232010000000000"), (std::uint64_t{1} << 48) - 1);
  EXPECT_EQ(numbers.of(odd), 9u);
  EXPECT_EQ(lines(), 2u);
}

TEST_F(SequenceNumbersTest, WhatACrashLeavesDoesNotCount) {
  open().use("alice", 5);
  std::ofstream(file(), std::ios::app) << "garbage\n12 zz\n9 \n77 616c6963";
  const SequenceNumbers numbers = open();
  EXPECT_EQ(numbers.of("alice"), 5u);
}

TEST_F(SequenceNumbersTest, TheFileStaysShort) {
  SequenceNumbers numbers = open();
  for (std::uint64_t i = 1; i <= 20'000; ++i) numbers.use("alice", i);
  EXPECT_LT(lines(), 5'000u);
  EXPECT_EQ(open().of("alice"), 20'000u);
}

TEST_F(SequenceNumbersTest, ADirectoryThatCannotBeWrittenIsNamed) {
  const auto opened = SequenceNumbers::open(directory_ + "/missing");
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().find("missing"), std::string::npos);
}

}  // namespace
}  // namespace culvert
