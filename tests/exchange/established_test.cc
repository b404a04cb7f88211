// Life after IKE_AUTH: further CHILD SAs, deletes, liveness, the message window, hostile messages.
#include <gmock/gmock.h>

#include "tests/exchange/pair.h"
#include "wire/v2/message.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;

void load_two(Pair& pair, const std::string& esp_a, const std::string& esp_b) {
  load_site(pair);
  pair.a.load(site_with_lab(true, esp_a), pair.now);
  pair.b.load(site_with_lab(false, esp_b), pair.now);
}

TEST(Children, ASecondOneWithoutPfs) {
  Pair pair;
  load_two(pair, "aes128gcm16", "aes128gcm16");
  initiate(pair);
  initiate(pair, "lab", 2);
  ASSERT_TRUE(pair.a.done(2));
  EXPECT_TRUE(pair.a.done(2)->success) << pair.a.done(2)->explanation;
  EXPECT_EQ(pair.sent.size(), 6u);
  EXPECT_EQ(pair.a.sad.size(), 4u);
  EXPECT_TRUE(sads_agree(pair));
}

TEST(Children, ASecondOneWithPfs) {
  Pair pair;
  load_two(pair, "aes256gcm16-x25519", "aes256gcm16-x25519");
  initiate(pair);
  initiate(pair, "lab", 2);
  EXPECT_TRUE(pair.a.done(2)->success);
  EXPECT_TRUE(sads_agree(pair));
  bool ke_seen = false;
  for (const trace::Event& event : pair.b.events)
    ke_seen |= trace::sentence_of(event).starts_with("received CREATE_CHILD_SA request") &&
               trace::sentence_of(event).find("KE") != std::string::npos;
  EXPECT_TRUE(ke_seen);
}

TEST(Children, PfsWithAnotherMethodFirst) {
  Pair pair;
  load_two(pair, "aes256gcm16-x25519-ecp256", "aes256gcm16-ecp256");
  initiate(pair);
  initiate(pair, "lab", 2);
  ASSERT_TRUE(pair.a.done(2));
  EXPECT_TRUE(pair.a.done(2)->success) << pair.a.done(2)->explanation;
  EXPECT_TRUE(pair.a.event<trace::RetryWithKe>());
  EXPECT_TRUE(sads_agree(pair));
}

TEST(Children, AllOfAConnectionAtOnce) {
  Pair pair;
  load_two(pair, "aes128gcm16", "aes128gcm16");
  initiate(pair, "", 3);
  ASSERT_TRUE(pair.a.done(3));
  EXPECT_TRUE(pair.a.done(3)->success);
  EXPECT_EQ(pair.a.sad.size(), 4u);
}

TEST(Children, EitherSideMayAskForMore) {
  Pair pair;
  load_two(pair, "aes128gcm16", "aes128gcm16");
  initiate(pair);
  pair.b.shard->command(Initiate{{7}, "site", "lab"}, pair.now);
  pair.run();
  ASSERT_TRUE(pair.b.done(7));
  EXPECT_TRUE(pair.b.done(7)->success);
  EXPECT_TRUE(sads_agree(pair));
  EXPECT_EQ(pair.b.shard->list_sas(pair.now).size(), 1u);
}

TEST(Children, WithoutAnyTheIkeSaStandsAlone) {
  Pair pair;
  ConnectionConfig bare_a = site(true), bare_b = site(false);
  bare_a.children.clear();
  bare_b.children.clear();
  load_site(pair);
  pair.a.load(bare_a, pair.now);
  pair.b.load(bare_b, pair.now);
  initiate(pair, "", 4);
  ASSERT_TRUE(pair.a.done(4));
  EXPECT_TRUE(pair.a.done(4)->success);
  EXPECT_TRUE(pair.a.sad.empty());
}

void expect_nothing_left(const Pair& pair) {
  for (const Gateway* gateway : {&pair.a, &pair.b}) {
    EXPECT_TRUE(gateway->sad.empty());
    EXPECT_TRUE(gateway->policies.empty());
    EXPECT_EQ(gateway->shard->statistics().ike_sas, 0u);
    EXPECT_EQ(gateway->shard->statistics().child_sas, 0u);
  }
}

TEST(Delete, OfAChildByEitherSide) {
  for (const bool by_a : {true, false}) {
    Pair pair;
    load_site(pair);
    initiate(pair);
    Gateway& side = by_a ? pair.a : pair.b;
    side.shard->command(Terminate{.id = {5}, .child = "net"}, pair.now);
    pair.run();
    ASSERT_TRUE(side.done(5));
    EXPECT_TRUE(side.done(5)->success);
    EXPECT_TRUE(pair.a.sad.empty());
    EXPECT_TRUE(pair.b.sad.empty());
    EXPECT_EQ(pair.a.shard->statistics().ike_sas, 1u);
  }
}

TEST(Delete, OfTheIkeSaByEitherSide) {
  for (const bool by_a : {true, false}) {
    Pair pair;
    load_site(pair);
    initiate(pair);
    Gateway& side = by_a ? pair.a : pair.b;
    side.shard->command(Terminate{.id = {5}, .connection = "site"}, pair.now);
    pair.run();
    EXPECT_TRUE(side.done(5)->success);
    expect_nothing_left(pair);
  }
}

TEST(Delete, OfBothSidesAtOnce) {
  Pair pair;
  load_site(pair);
  initiate(pair);
  pair.a.shard->command(Terminate{.id = {5}, .child = "net"}, pair.now);
  pair.b.shard->command(Terminate{.id = {5}, .child = "net"}, pair.now);
  pair.run();
  EXPECT_TRUE(pair.a.done(5)->success);
  EXPECT_TRUE(pair.b.done(5)->success);
  EXPECT_TRUE(pair.a.sad.empty());
  EXPECT_TRUE(pair.b.sad.empty());
}

TEST(Delete, ForcedWhenThePeerIsGone) {
  Pair pair;
  load_site(pair);
  initiate(pair);
  pair.wire = [](InTransit) { return std::vector<InTransit>{}; };
  pair.a.shard->command(Terminate{.id = {5}, .connection = "site", .force = true}, pair.now);
  pair.run();
  ASSERT_TRUE(pair.a.done(5));
  EXPECT_TRUE(pair.a.sad.empty());
}

TEST(Shutdown, TellsThePeerAndLeavesNothing) {
  Pair pair;
  load_site(pair);
  initiate(pair);
  pair.a.shard->command(Shutdown{{6}, pair.now + 2s}, pair.now);
  pair.run();
  EXPECT_TRUE(pair.a.done(6)->success);
  expect_nothing_left(pair);
}

TEST(Shutdown, EndsAtItsDeadlineWithoutThePeer) {
  Pair pair;
  load_site(pair);
  initiate(pair);
  pair.wire = [](InTransit) { return std::vector<InTransit>{}; };
  pair.a.shard->command(Shutdown{{6}, pair.now + 2s}, pair.now);
  pair.pass(2s);
  ASSERT_TRUE(pair.a.done(6));
  EXPECT_TRUE(pair.a.sad.empty());
}

void load_with_dpd(Pair& pair) {
  load_site(pair);
  ConnectionConfig watchful = site(true);
  watchful.dpd_delay = 30s;
  pair.a.load(watchful, pair.now);
}

TEST(Liveness, IsAskedForInSilenceAndSparedByTraffic) {
  Pair pair;
  load_with_dpd(pair);
  initiate(pair);
  const SaPairId sa = pair.a.sad.begin()->first.first;
  pair.pass(20s);
  pair.a.shard->notice(Activity{sa}, pair.now);
  pair.pass(20s);
  EXPECT_FALSE(pair.a.event<trace::LivenessCheck>());
  pair.pass(20s);
  EXPECT_TRUE(pair.a.event<trace::LivenessCheck>());
  EXPECT_EQ(pair.a.shard->statistics().ike_sas, 1u);
}

TEST(Liveness, ADeadPeerLosesItsTunnel) {
  Pair pair;
  load_with_dpd(pair);
  initiate(pair);
  pair.wire = [](InTransit) { return std::vector<InTransit>{}; };
  pair.pass(300s);
  EXPECT_TRUE(pair.a.event<trace::NoAnswer>());
  EXPECT_TRUE(pair.a.sad.empty());
  EXPECT_EQ(pair.a.shard->statistics().ike_sas, 0u);
}

TEST(Keep, UpMeansAgainAfterFailures) {
  Pair pair;
  load_site(pair);
  bool dark = true;
  pair.wire = [&](InTransit one) {
    return dark ? std::vector<InTransit>{} : std::vector<InTransit>{std::move(one)};
  };
  ConnectionConfig kept = site(true);
  kept.keep_up = true;
  pair.a.load(kept, pair.now);
  pair.pass(400s);
  EXPECT_TRUE(pair.a.sad.empty());
  dark = false;
  pair.pass(120s);
  EXPECT_EQ(pair.a.sad.size(), 2u);
  pair.b.shard->command(Terminate{.id = {1}, .connection = "site"}, pair.now);
  pair.pass(20s);
  EXPECT_EQ(pair.a.sad.size(), 2u);
  EXPECT_TRUE(sads_agree(pair));
}

TEST(Trap, TrafficBringsTheTunnelUp) {
  Pair pair;
  load_site(pair);
  ConnectionConfig on_demand = site(true);
  on_demand.children[0].start_action = StartAction::trap;
  pair.a.load(on_demand, pair.now);
  pair.run();
  ASSERT_EQ(pair.a.policies.size(), 1u);
  EXPECT_FALSE(pair.a.policies.begin()->second.pair);
  pair.a.shard->notice(Acquire{pair.a.policies.begin()->first, {}, {}}, pair.now);
  pair.run();
  EXPECT_EQ(pair.a.sad.size(), 2u);
  EXPECT_EQ(pair.a.policies.size(), 2u);
}

TEST(InitialContact, ReplacesWhatARestartedPeerLeft) {
  Pair pair;
  load_site(pair);
  initiate(pair);
  pair.a.shard = std::make_unique<Shard>(ShardOptions{}, *pair.a.provider);
  pair.a.sad.clear();
  pair.a.policies.clear();
  pair.a.load(site(true), pair.now);
  pair.a.load_psk("psk", "a very long secret", {}, pair.now);
  initiate(pair, "net", 8);
  EXPECT_TRUE(pair.a.done(8)->success);
  EXPECT_EQ(pair.b.sad.size(), 2u);
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, 1u);
  EXPECT_TRUE(sads_agree(pair));
}

// ---- hostile wire ----

TEST(Hostile, OldMessagesChangeNothing) {
  Pair pair;
  load_two(pair, "aes128gcm16", "aes128gcm16");
  initiate(pair);
  initiate(pair, "lab", 2);
  const auto recorded = pair.sent;
  for (const InTransit& one : recorded) {
    Gateway& target = one.to.address == pair.a.address ? pair.a : pair.b;
    target.shard->receive({one.to, one.from, one.payload}, pair.now);
    pair.run();
  }
  EXPECT_EQ(pair.a.sad.size(), 4u);
  EXPECT_TRUE(sads_agree(pair));
}

TEST(Hostile, EveryTruncationAndBitFlipIsSurvived) {
  Pair recording;
  load_site(recording);
  initiate(recording);
  for (std::size_t which = 0; which < recording.sent.size(); ++which)
    for (std::size_t at = 0; at < recording.sent[which].payload.size(); at += 3) {
      Pair pair;
      load_site(pair);
      std::size_t count = 0;
      pair.wire = [&](InTransit one) {
        if (count++ != which) return std::vector<InTransit>{std::move(one)};
        InTransit cut = one, flipped = one;
        cut.payload.resize(at);
        flipped.payload[at] ^= 0x41;
        return std::vector<InTransit>{cut, flipped, one};
      };
      initiate(pair);
      pair.wire = [](InTransit one) { return std::vector<InTransit>{std::move(one)}; };
      pair.pass(200s);
      ASSERT_TRUE(pair.a.done(1)) << which << " " << at;
      if (pair.a.done(1)->success) {
        EXPECT_TRUE(sads_agree(pair)) << which << " " << at;
      }
      pair.b.shard->command(Shutdown{{6}, pair.now + 2s}, pair.now);
      pair.pass(3s);
      EXPECT_EQ(pair.b.shard->statistics().ike_sas, 0u) << which << " " << at;
    }
}

TEST(Hostile, StrangersFillOnlyTheirShare) {
  ShardOptions small;
  small.cookie_threshold = 8;
  Pair pair({}, small);
  load_site(pair);
  ConnectionConfig open = site(false);
  open.remote_addrs.clear();
  pair.b.load(open, pair.now);
  pair.a.shard->command(Initiate{{1}, "site", "net"}, pair.now);
  Bytes first;
  pair.wire = [&](InTransit one) {
    if (first.empty()) first = one.payload;
    return std::vector<InTransit>{std::move(one)};
  };
  pair.run();
  ASSERT_TRUE(pair.a.done(1)->success);
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    Bytes forged = first;
    store_be(forged.data(), 0x4141414100000000u + i);
    pair.b.shard->receive({{pair.b.address, 500}, {IpAddress::v4(0x0a000000 + i), 500}, forged},
                          pair.now);
  }
  EXPECT_LE(pair.b.shard->statistics().half_open, 8u);
  pair.a.shard->command(Terminate{.id = {2}, .connection = "site"}, pair.now);
  pair.run();
  initiate(pair, "net", 3);
  EXPECT_TRUE(pair.a.done(3)->success);
  pair.pass(31s);
  EXPECT_EQ(pair.b.shard->statistics().half_open, 0u);
}

}  // namespace
}  // namespace culvert::exchange_test
