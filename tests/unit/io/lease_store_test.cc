// Leases on disk: what was written is there, what is broken is set aside.
#include "io/lease_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace culvert::io {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

LeaseRecord record(const char* address, std::string identity, std::uint64_t sequence) {
  return {*IpAddress::parse(address), std::move(identity), sequence};
}

class LeaseStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = ::testing::TempDir() + "leases." + std::to_string(getpid());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directory(directory_);
    path_ = directory_ + "/leases.db";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<LeaseStore> open() {
    return std::make_unique<LeaseStore>(
        path_, [this](const std::string& sentence) { complaints_.push_back(sentence); });
  }
  std::vector<LeaseRecord> records() { return open()->take_records(); }

  std::string directory_, path_;
  std::vector<std::string> complaints_;
};

TEST_F(LeaseStoreTest, KeepsTheLatestOfEachAddress) {
  const std::string odd("a\0'\"\xff", 5);
  {
    const auto store = open();
    EXPECT_THAT(store->take_records(), IsEmpty());
    store->write({record("10.0.0.1", "alice", 1), record("fd00::1", odd, 2)});
    store->write({record("10.0.0.1", "bob", 3)});
  }
  EXPECT_THAT(records(), ElementsAre(record("10.0.0.1", "bob", 3), record("fd00::1", odd, 2)));
  open()->write({record("10.0.0.2", "carol", 4)});
  EXPECT_EQ(records().size(), 3u);
  EXPECT_THAT(complaints_, IsEmpty());
}

TEST_F(LeaseStoreTest, WhatIsNoDatabaseIsSetAside) {
  std::ofstream(path_) << "leases: none of SQLite's, but long enough to look at";
  EXPECT_THAT(records(), IsEmpty());
  ASSERT_EQ(complaints_.size(), 1u);
  EXPECT_THAT(complaints_[0], HasSubstr("leases.db.broken"));
  EXPECT_TRUE(std::filesystem::exists(path_ + ".broken"));
  open()->write({record("10.0.0.1", "alice", 1)});
  EXPECT_EQ(records().size(), 1u);
  EXPECT_EQ(complaints_.size(), 1u);
}

TEST_F(LeaseStoreTest, SoIsOneThatIsDamaged) {
  {
    const auto store = open();
    std::vector<LeaseRecord> many;
    for (unsigned i = 0; i < 5'000; ++i)
      many.push_back({IpAddress::v4(0x0a00'0000 + i), "user " + std::to_string(i), i});
    store->write(many);
  }
  ASSERT_EQ(records().size(), 5'000u);
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4'096);
  file << std::string(40'000, '\x5a');
  file.close();
  EXPECT_THAT(records(), IsEmpty());
  EXPECT_EQ(complaints_.size(), 1u);
}

TEST_F(LeaseStoreTest, WhereNothingCanBeKeptItSaysSo) {
  path_ = directory_ + "/missing/leases.db";
  const auto store = open();
  ASSERT_EQ(complaints_.size(), 1u);
  EXPECT_THAT(complaints_[0], HasSubstr("not kept over a restart"));
  store->write({record("10.0.0.1", "alice", 1)});
}

}  // namespace
}  // namespace culvert::io
