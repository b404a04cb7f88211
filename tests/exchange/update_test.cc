// New settings for SAs that exist, what those who watch SAs are told, and policies without SAs.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/exchange/pair.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Update : testing::Test {
  Pair pair;
  ConnectionConfig config = site(true);

  void SetUp() override {
    load_site(pair);
    initiate(pair);
  }
  void update(std::vector<std::string> renew = {}) {
    pair.a.shard->command(
        UpdateConnection{std::make_shared<const ConnectionConfig>(config), std::move(renew)},
        pair.now);
    pair.run();
  }
  IkeSaStatus sa() {
    const auto all = pair.a.shard->list_sas(pair.now);
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? IkeSaStatus{} : all[0];
  }
};

TEST_F(Update, TakesTimesOverWithoutANegotiation) {
  const auto before = sa();
  config.dpd_delay = 5s;
  config.rekey_time = 30min;
  config.rand_time = 0s;
  config.children[0].lifetime = {.rekey_time = 600s, .life_time = 660s};
  pair.sent.clear();
  update();
  const auto after = sa();
  EXPECT_THAT(pair.sent, IsEmpty());
  EXPECT_EQ(after.spi_i, before.spi_i);
  EXPECT_EQ(after.children.at(0).spi_in, before.children.at(0).spi_in);
  EXPECT_EQ(after.rekey_at, after.established + 30min);
  EXPECT_EQ(after.children.at(0).rekey_at, after.children.at(0).installed + 600s);
  EXPECT_EQ(after.children.at(0).expires_at, after.children.at(0).installed + 660s);
  pair.pass(12s);
  EXPECT_GE(pair.sent.size(), 4u) << "liveness checks every five seconds";
}

TEST_F(Update, RekeysWhatTheNewTimesWouldHaveEnded) {
  pair.pass(30min);
  const auto before = sa().children.at(0).spi_in;
  config.children[0].lifetime = {.rekey_time = 60s, .life_time = 70s};
  update();
  pair.pass(20s);
  ASSERT_THAT(sa().children, SizeIs(1));
  EXPECT_NE(sa().children[0].spi_in, before);
  EXPECT_TRUE(pair.a.event<trace::ChildRekeyed>());
  EXPECT_TRUE(sads_agree(pair));
}

TEST_F(Update, ALongerLifeIsNotEndedAtTheOldTime) {
  config.rekey_time = 30min;
  config.over_time = 3min;
  config.rand_time = 0s;
  pair.a.shard->command(LoadConnection{std::make_shared<const ConnectionConfig>(config)}, pair.now);
  pair.a.shard->command(Terminate{.connection = "site"}, pair.now);
  pair.pass(1s);
  initiate(pair, "net", 2);
  const auto before = sa();
  config.rekey_time = 8h;
  update();
  pair.pass(40min);
  EXPECT_EQ(sa().spi_i, before.spi_i);
  ASSERT_THAT(sa().children, SizeIs(1));
}

TEST_F(Update, NegotiatesAChildAnewAlone) {
  const auto before = sa();
  config.children[0].local = {*parse_selector("10.1.7.0/24")};
  config.children[0].start_action = StartAction::start;
  update({"net"});
  pair.pass(10s);
  const auto after = sa();
  EXPECT_EQ(after.spi_i, before.spi_i);
  ASSERT_THAT(after.children, SizeIs(1));
  EXPECT_NE(after.children[0].spi_in, before.children[0].spi_in);
  EXPECT_EQ(to_string(after.children[0].local_ts), "10.1.7.0/24");
  EXPECT_TRUE(sads_agree(pair));
}

TEST_F(Update, DeletesTheChildrenThatAreGone) {
  config.children[0].name = "other";
  update();
  pair.pass(10s);
  EXPECT_THAT(sa().children, IsEmpty());
  EXPECT_THAT(pair.b.sad, IsEmpty());
}

TEST_F(Update, LoadingAgainLeavesSasAlone) {
  const auto before = sa();
  config.children[0].local = {*parse_selector("10.1.7.0/24")};
  pair.a.shard->command(LoadConnection{std::make_shared<const ConnectionConfig>(config)}, pair.now);
  pair.pass(1s);
  EXPECT_EQ(sa().children.at(0).spi_in, before.children.at(0).spi_in);
}

TEST_F(Update, NumbersIkeAndChildSasEachFromOne) {
  EXPECT_EQ(sa().unique_id, 1u);
  EXPECT_EQ(sa().children.at(0).unique_id, 1u);
  pair.a.shard->command(Rekey{.connection = "site", .child = "net"}, pair.now);
  pair.pass(20s);
  EXPECT_EQ(sa().unique_id, 1u);
  EXPECT_EQ(sa().children.at(0).unique_id, 2u);
}

TEST_F(Update, TellsOfRekeysOnBothSides) {
  pair.a.shard->command(Rekey{.connection = "site", .child = "net"}, pair.now);
  pair.pass(10s);
  pair.a.shard->command(Rekey{.connection = "site"}, pair.now);
  pair.pass(10s);
  for (Gateway* gateway : {&pair.a, &pair.b}) {
    ASSERT_THAT(gateway->news, SizeIs(2));
    const auto& child = std::get<ChildSaRekeyed>(gateway->news[0]);
    ASSERT_THAT(child.sa.children, SizeIs(2));
    EXPECT_EQ(child.sa.children[0].state, "REKEYED");
    EXPECT_EQ(child.sa.children[1].state, "INSTALLED");
    EXPECT_EQ(child.sa.children[0].reqid, child.sa.children[1].reqid);
    const auto& ike = std::get<IkeSaRekeyed>(gateway->news[1]);
    EXPECT_EQ(ike.old.unique_id, 1u);
    EXPECT_EQ(ike.successor.unique_id, 2u);
    EXPECT_EQ(ike.successor.initiator, gateway == &pair.a);
  }
}

struct Policies : testing::Test {
  Pair pair;
  void load(Mode mode, StartAction action) {
    ConnectionConfig config;
    config.name = "policies";
    ChildConfig child;
    child.name = "one";
    child.mode = mode;
    child.start_action = action;
    child.local = {*parse_selector("dynamic")};
    child.remote = {*parse_selector("10.9.0.0/16")};
    config.local_addrs = {*parse_address_pattern("192.0.2.1")};
    config.children.push_back(child);
    pair.a.shard->command(LoadConnection{std::make_shared<const ConnectionConfig>(config)},
                          pair.now);
    pair.run();
  }
};

TEST_F(Policies, ShuntsAreInstalledWhenTheConfigurationSaysSo) {
  load(Mode::drop, StartAction::none);
  EXPECT_THAT(pair.a.policies, IsEmpty());
  load(Mode::drop, StartAction::trap);
  ASSERT_THAT(pair.a.policies, SizeIs(1));
  EXPECT_EQ(pair.a.policies.begin()->second.mode, Mode::drop);
  const auto listed = pair.a.shard->list_policies();
  ASSERT_THAT(listed, SizeIs(1));
  EXPECT_EQ(to_string(listed[0].local_ts), "192.0.2.1/32");
}

TEST_F(Policies, NobodyCanSetUpAShunt) {
  load(Mode::pass, StartAction::trap);
  pair.a.shard->command(Initiate{.id = {1}, .connection = "policies", .child = "one"}, pair.now);
  pair.a.shard->command(Initiate{.id = {2}, .connection = "policies"}, pair.now);
  pair.run();
  for (const std::uint64_t id : {1, 2}) {
    ASSERT_NE(pair.a.done(id), nullptr);
    EXPECT_FALSE(pair.a.done(id)->success);
  }
  EXPECT_THAT(pair.sent, IsEmpty());
}

}  // namespace
}  // namespace culvert::exchange_test
