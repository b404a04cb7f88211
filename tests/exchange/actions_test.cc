// What happens when tunnels end, cannot begin, or begin twice: start_action, dpd_action,
// close_action, keyingtries, unique, and both ends initiating at once.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/exchange/order.h"
#include "tests/exchange/pair.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;

using Change = std::function<void(ConnectionConfig&)>;

void nothing(ConnectionConfig&) {}

void load_with(Pair& pair, const Change& change_a, const Change& change_b = nothing) {
  load_site(pair);
  for (const bool first : {true, false}) {
    ConnectionConfig connection = site(first);
    (first ? change_a : change_b)(connection);
    (first ? pair.a : pair.b).load(connection, pair.now);
  }
}

bool has_trap(const Gateway& gateway) {
  return std::ranges::any_of(gateway.policies, [](const auto& one) { return !one.second.pair; });
}

std::vector<InTransit> lose(InTransit) { return {}; }
std::vector<InTransit> pass_on(InTransit one) { return {std::move(one)}; }

template <class E>
std::size_t count(const Gateway& gateway) {
  return static_cast<std::size_t>(std::ranges::count_if(
      gateway.events, [](const auto& one) { return std::holds_alternative<E>(one.body); }));
}

// ---- the end of SAs ----

class DpdActions : public ::testing::TestWithParam<DpdAction> {};
INSTANTIATE_TEST_SUITE_P(Actions, DpdActions,
                         ::testing::Values(DpdAction::clear, DpdAction::trap, DpdAction::start));

TEST_P(DpdActions, WhenThePeerIsSilent) {
  Pair pair;
  load_with(pair, [](ConnectionConfig& connection) {
    connection.dpd_delay = 10s;
    connection.keyingtries = 0;
    connection.children[0].dpd_action = GetParam();
  });
  initiate(pair);
  pair.wire = lose;
  pair.pass(400s);
  EXPECT_TRUE(pair.a.event<trace::NoAnswer>());
  EXPECT_TRUE(pair.a.sad.empty());
  EXPECT_EQ(has_trap(pair.a), GetParam() == DpdAction::trap);
  pair.wire = pass_on;
  const std::size_t sent = pair.sent.size();
  pair.pass(200s);
  if (GetParam() == DpdAction::start) {
    EXPECT_EQ(pair.a.sad.size(), 2u);
    return;
  }
  EXPECT_TRUE(pair.a.sad.empty());
  EXPECT_EQ(pair.sent.size(), sent);
  if (GetParam() != DpdAction::trap) return;
  pair.a.shard->notice(Acquire{pair.a.policies.begin()->first, {}, {}}, pair.now);
  pair.run();
  EXPECT_EQ(pair.a.sad.size(), 2u);
}

// Whether there was a moment with neither an SA's policy nor a trap, from so many policies on.
bool was_clear(const Gateway& gateway, int policies) {
  return std::ranges::any_of(gateway.operations_log, [&](const SadOp& op) {
    policies += std::holds_alternative<InstallPolicy>(op);
    policies -= std::holds_alternative<DeletePolicy>(op);
    return policies == 0;
  });
}

class CloseActions : public ::testing::TestWithParam<std::tuple<CloseAction, bool>> {};
INSTANTIATE_TEST_SUITE_P(Actions, CloseActions,
                         ::testing::Combine(::testing::Values(CloseAction::none, CloseAction::trap,
                                                              CloseAction::start),
                                            ::testing::Bool()));

TEST_P(CloseActions, WhenThePeerDeletes) {
  const auto [action, whole] = GetParam();
  Pair pair;
  load_with(pair, [&](ConnectionConfig& connection) {
    connection.children[0].close_action = action;
    connection.children[0].dpd_action = DpdAction::start;  // has no part in it
  });
  initiate(pair);
  pair.a.operations_log.clear();
  pair.b.shard->command(Terminate{.id = {3}, .connection = "site", .child = whole ? "" : "net"},
                        pair.now);
  pair.run();
  EXPECT_TRUE(pair.b.done(3)->success);
  EXPECT_TRUE(pair.a.sad.empty());
  EXPECT_EQ(has_trap(pair.a), action == CloseAction::trap);
  EXPECT_EQ(was_clear(pair.a, 1), action != CloseAction::trap);
  pair.pass(5s);
  EXPECT_EQ(pair.a.sad.size(), action == CloseAction::start ? 2u : 0u);
  EXPECT_TRUE(sads_agree(pair));
}

TEST(CloseActions, OurOwnDeleteAndARekeyAreNotClosingByThePeer) {
  Pair pair;
  load_with(pair, [](ConnectionConfig& connection) {
    connection.children[0].close_action = CloseAction::start;
  });
  initiate(pair);
  pair.b.shard->command(Rekey{.id = {4}, .connection = "site", .child = "net"}, pair.now);
  pair.pass(20s);
  EXPECT_EQ(count<trace::ChildEstablished>(pair.a), 1u);
  EXPECT_EQ(pair.a.sad.size(), 2u);
  pair.a.shard->command(Terminate{.id = {5}, .connection = "site"}, pair.now);
  pair.pass(20s);
  EXPECT_TRUE(pair.a.sad.empty());
}

// The answer may be what was lost.
TEST(DpdActions, ADeleteOfOursWithoutAnAnswerIsNoDeadPeer) {
  for (const bool keep_up : {false, true}) {
    Pair pair;
    load_with(pair, [&](ConnectionConfig& connection) {
      connection.keep_up = keep_up;
      connection.children[0].dpd_action = DpdAction::start;
    });
    if (!keep_up) initiate(pair);
    pair.pass(1s);
    ASSERT_EQ(pair.a.sad.size(), 2u);
    pair.wire = lose;
    pair.a.shard->command(Terminate{.id = {7}, .connection = "site"}, pair.now);
    pair.pass(400s);
    EXPECT_TRUE(pair.a.event<trace::NoAnswer>());
    ASSERT_TRUE(pair.a.done(7));
    pair.wire = pass_on;
    pair.pass(400s);
    EXPECT_TRUE(pair.a.sad.empty()) << keep_up;
  }
}

// ---- start_action ----

class StartActions : public ::testing::TestWithParam<StartAction> {};
INSTANTIATE_TEST_SUITE_P(Actions, StartActions,
                         ::testing::Values(StartAction::none, StartAction::trap, StartAction::start,
                                           StartAction::trap_and_start));

TEST_P(StartActions, AreDoneOnLoadAndUndoneOnUnload) {
  const bool starts = GetParam() == StartAction::start || GetParam() == StartAction::trap_and_start;
  const bool traps = GetParam() == StartAction::trap || GetParam() == StartAction::trap_and_start;
  Pair pair;
  load_with(pair,
            [](ConnectionConfig& connection) { connection.children[0].start_action = GetParam(); });
  pair.pass(1s);
  EXPECT_EQ(pair.a.sad.size(), starts ? 2u : 0u);
  EXPECT_EQ(has_trap(pair.a), traps);
  if (!starts) initiate(pair);
  pair.a.shard->command(UnloadConnection{{6}, "site"}, pair.now);
  pair.pass(1s);
  EXPECT_TRUE(pair.a.done(6)->success);
  EXPECT_EQ(pair.a.sad.size(), starts ? 0u : 2u) << "what an operator brought up stays";
  EXPECT_FALSE(has_trap(pair.a));
  EXPECT_EQ(pair.b.sad.size(), pair.a.sad.size());
}

TEST(StartAction, AChangedConnectionStartsAnew) {
  Pair pair;
  const auto start = [](ConnectionConfig& connection) {
    connection.children[0].start_action = StartAction::start;
  };
  load_with(pair, start);
  pair.pass(1s);
  const auto before = pair.a.shard->list_sas(pair.now).at(0).unique_id;
  ConnectionConfig again = site(true);
  start(again);
  pair.a.load(again, pair.now);
  pair.pass(1s);
  EXPECT_EQ(pair.a.shard->list_sas(pair.now).at(0).unique_id, before) << "nothing has changed";
  again.children[0].replay_window = 64;
  pair.a.load(again, pair.now);
  pair.pass(1s);
  const auto sas = pair.a.shard->list_sas(pair.now);
  ASSERT_EQ(sas.size(), 1u);
  EXPECT_NE(sas[0].unique_id, before);
  EXPECT_EQ(pair.a.sad.size(), 2u);
  EXPECT_TRUE(sads_agree(pair));
}

// ---- keyingtries ----

class KeyingTries : public ::testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Actions, KeyingTries, ::testing::Values(1u, 3u, 0u));

TEST_P(KeyingTries, CountsSequencesOfRetransmissions) {
  Pair pair;
  load_with(pair, [](ConnectionConfig& connection) { connection.keyingtries = GetParam(); });
  pair.wire = lose;
  for (const std::uint64_t round : {1u, 2u}) {
    pair.a.events.clear();
    initiate(pair, "net", round);
    pair.pass(2'000s);
    if (GetParam() == 0) break;
    EXPECT_EQ(count<trace::NoAnswer>(pair.a), GetParam());
    ASSERT_TRUE(pair.a.done(round));
    EXPECT_FALSE(pair.a.done(round)->success);
    EXPECT_THAT(pair.a.done(round)->explanation, ::testing::HasSubstr("did not answer"));
  }
  if (GetParam() != 0) return;
  EXPECT_GT(count<trace::NoAnswer>(pair.a), 5u);
  EXPECT_FALSE(pair.a.done(1)) << "it goes on";
  pair.wire = pass_on;
  pair.pass(300s);
  ASSERT_TRUE(pair.a.done(1));
  EXPECT_TRUE(pair.a.done(1)->success);
  EXPECT_EQ(pair.a.sad.size(), 2u);
}

TEST(KeyingTries, EndWithTerminateUnloadAndShutdown) {
  for (const int way : {0, 1, 2}) {
    Pair pair;
    load_with(pair, [](ConnectionConfig& connection) { connection.keyingtries = 0; });
    pair.wire = lose;
    initiate(pair);
    // Between two sequences.
    for (int step = 0; step < 4'000 && pair.a.shard->statistics().ike_sas > 0; ++step)
      pair.pass(100ms);
    ASSERT_EQ(pair.a.shard->statistics().ike_sas, 0u);
    ASSERT_FALSE(pair.a.done(1));
    if (way == 0) pair.a.shard->command(Terminate{.id = {2}, .connection = "site"}, pair.now);
    if (way == 1) pair.a.shard->command(UnloadConnection{{2}, "site"}, pair.now);
    if (way == 2) pair.a.shard->command(Shutdown{{2}, pair.now + 5s}, pair.now);
    pair.run();
    ASSERT_TRUE(pair.a.done(1)) << way;
    EXPECT_FALSE(pair.a.done(1)->success) << way;
    ASSERT_TRUE(pair.a.done(2)) << way;
    EXPECT_TRUE(pair.a.done(2)->success) << way;
    const std::size_t sent = pair.sent.size();
    pair.pass(600s);
    EXPECT_EQ(pair.sent.size(), sent) << way;
  }
}

// ---- unique ----

// A second IKE SA of a peer that has forgotten the first, with or without INITIAL_CONTACT.
void come_again(Pair& pair, bool initial_contact) {
  pair.pass(1s);
  pair.a.shard = std::make_unique<Shard>(ShardOptions{}, *pair.a.provider);
  pair.a.sad.clear();
  pair.a.policies.clear();
  ConnectionConfig connection = site(true);
  if (!initial_contact) connection.unique = Unique::never;
  pair.a.load(connection, pair.now);
  pair.a.load_psk("psk", "a very long secret", {}, pair.now);
  initiate(pair, "net", 8);
  pair.pass(10s);
}

struct UniqueCase {
  Unique unique;
  bool initial_contact;
  bool accepted;
  std::size_t left;  // IKE SAs in the end
};
class UniqueValues : public ::testing::TestWithParam<UniqueCase> {};
INSTANTIATE_TEST_SUITE_P(Actions, UniqueValues,
                         ::testing::Values(UniqueCase{Unique::no, false, true, 2},
                                           UniqueCase{Unique::no, true, true, 1},
                                           UniqueCase{Unique::never, false, true, 2},
                                           UniqueCase{Unique::never, true, true, 2},
                                           UniqueCase{Unique::keep, false, false, 1},
                                           UniqueCase{Unique::keep, true, true, 1},
                                           UniqueCase{Unique::replace, false, true, 2},
                                           UniqueCase{Unique::replace, true, true, 1}));

TEST_P(UniqueValues, DecideAboutASecondSa) {
  const UniqueCase& row = GetParam();
  Pair pair;
  load_with(pair, nothing, [&](ConnectionConfig& connection) { connection.unique = row.unique; });
  initiate(pair);
  come_again(pair, row.initial_contact);
  ASSERT_TRUE(pair.a.done(8));
  EXPECT_EQ(pair.a.done(8)->success, row.accepted);
  EXPECT_EQ(pair.b.event<trace::SecondSaRefused>() != nullptr, !row.accepted);
  if (row.unique == Unique::replace && !row.initial_contact) pair.pass(400s);  // no answer
  const std::size_t left = row.unique == Unique::replace ? 1 : row.left;
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, left);
}

// ---- both ends at once ----

// Messages come in the given order, number `lost` not at all the first time.
void run_order(Pair& pair, Order& order, std::size_t lost) {
  std::vector<InTransit> from_a, from_b;
  std::size_t number = 0;
  pair.wire = [&](InTransit one) {
    if (number++ == lost) return std::vector<InTransit>{};
    (one.from.address == pair.a.address ? from_a : from_b).push_back(std::move(one));
    return std::vector<InTransit>{};
  };
  pair.run();
  for (std::size_t step = 0; !from_a.empty() || !from_b.empty(); ++step) {
    ASSERT_LT(step, 64u);
    const bool open = !from_a.empty() && !from_b.empty() && step < 10;
    if (order.choices.size() <= step) order.choices.push_back(false);
    order.was_open.push_back(open);
    auto& queue = open && order.choices[step] ? from_b : (from_a.empty() ? from_b : from_a);
    const InTransit one = queue.front();
    queue.erase(queue.begin());
    pair.now += 1ms;
    (one.to.address == pair.a.address ? pair.a : pair.b)
        .shard->receive({one.to, one.from, one.payload}, pair.now);
    pair.run();
  }
  pair.wire = pass_on;
}

TEST(BothAtOnce, OneIkeSaWithOneOfEachChildIsLeftInEveryOrder) {
  std::size_t runs = 0;
  for (const Unique unique : {Unique::no, Unique::keep, Unique::replace})
    for (const bool one_sided : {false, true})
      for (std::size_t lost = 0; lost < 9; ++lost) {
        Order order;
        do {
          Pair pair;
          load_site(pair);
          for (const bool first : {true, false}) {
            ConnectionConfig connection = site_with_lab(first);
            connection.unique = unique;
            connection.keep_up = first || !one_sided;
            for (ChildConfig& child : connection.children) child.start_action = StartAction::start;
            (first ? pair.a : pair.b).load(connection, pair.now);
          }
          run_order(pair, order, lost == 8 ? ~std::size_t{0} : lost);
          pair.pass(400s);
          ++runs;
          const std::string label = fmt::format("unique {}, one-sided {}, lost {}, run {}",
                                                static_cast<int>(unique), one_sided, lost, runs);
          ASSERT_EQ(pair.a.shard->statistics().ike_sas, 1u) << label;
          ASSERT_EQ(pair.b.shard->statistics().ike_sas, 1u) << label;
          ASSERT_EQ(pair.a.sad.size(), 4u) << label;
          ASSERT_TRUE(sads_agree(pair)) << label;
          // It stays so.
          const auto before = pair.a.shard->list_sas(pair.now).at(0).unique_id;
          pair.pass(400s);
          ASSERT_EQ(pair.a.shard->list_sas(pair.now).at(0).unique_id, before) << label;
        } while (order.advance());
      }
  std::printf("%zu interleavings\n", runs);
  EXPECT_GT(runs, 300u);
}

TEST(BothAtOnce, WhatThePeerBringsUpWhileItsNameIsLookedUpIsUsed) {
  Pair pair;
  load_site(pair);
  ConnectionConfig named = site(true);
  named.remote_addrs = {*parse_address_pattern("site.example.org")};
  pair.a.load(named, pair.now);
  initiate(pair);  // asks for the address
  EXPECT_TRUE(pair.sent.empty());
  pair.b.shard->command(Initiate{{1}, "site", "net"}, pair.now);
  pair.pass(1s);
  pair.a.shard->complete(JobId{1}, {pair.a.address, pair.b.address, {}}, pair.now);
  pair.pass(1s);
  EXPECT_EQ(pair.a.shard->statistics().ike_sas, 1u);
  EXPECT_EQ(pair.a.sad.size(), 2u);
  ASSERT_TRUE(pair.a.done(1));
  EXPECT_TRUE(pair.a.done(1)->success);
}

TEST(BothAtOnce, WhatOnlyTheEndedOneHadIsAskedOfTheOther) {
  for (int round = 0; round < 10; ++round) {  // the SPIs, which decide, are random
    Pair pair;
    load_site(pair);
    for (const bool first : {true, false})
      (first ? pair.a : pair.b).load(site_with_lab(first), pair.now);
    pair.a.shard->command(Initiate{{2}, "site", "net"}, pair.now);
    pair.b.shard->command(Initiate{{2}, "site", "lab"}, pair.now);
    pair.pass(60s);
    EXPECT_TRUE(pair.a.done(2)->success && pair.b.done(2)->success);
    EXPECT_EQ(pair.a.shard->statistics().ike_sas, 1u);
    EXPECT_EQ(pair.b.shard->statistics().ike_sas, 1u);
    EXPECT_EQ(pair.a.sad.size(), 4u);
    EXPECT_TRUE(sads_agree(pair));
  }
}

TEST(BothAtOnce, OneChildIsLeftWhenBothAskForIt) {
  for (std::size_t lost = 0; lost < 5; ++lost) {
    Order order;
    do {
      Pair pair;
      load_site(pair);
      for (const bool first : {true, false})
        (first ? pair.a : pair.b).load(site_with_lab(first), pair.now);
      initiate(pair);
      pair.a.shard->command(Initiate{{2}, "site", "lab"}, pair.now);
      pair.b.shard->command(Initiate{{2}, "site", "lab"}, pair.now);
      run_order(pair, order, lost == 4 ? ~std::size_t{0} : lost);
      pair.pass(200s);
      ASSERT_TRUE(sads_agree(pair)) << lost;
      ASSERT_TRUE(pair.a.done(2)->success);
      ASSERT_TRUE(pair.b.done(2)->success);
      ASSERT_GE(pair.a.sad.size(), 4u) << lost;
      // Where one request was answered before the other side had begun to ask, both remain.
      if (lost == 4) {
        ASSERT_EQ(pair.a.sad.size(), 4u);
      }
    } while (order.advance());
  }
}

TEST(BothAtOnce, TheChildThatIsNotNeededIsNotRekeyedBeforeItEnds) {
  for (int round = 0; round < 10; ++round) {  // the nonces, which decide, are random
    Pair pair;
    load_site(pair);
    for (const bool first : {true, false})
      (first ? pair.a : pair.b).load(site_with_lab(first), pair.now);
    initiate(pair);
    pair.b.shard->command(Initiate{{2}, "site", "lab"}, pair.now);
    bool late = false;
    pair.wire = [&](InTransit one) {
      if (!std::exchange(late, true)) return std::vector<InTransit>{};
      return pass_on(std::move(one));
    };
    pair.run();
    pair.a.shard->command(Initiate{{2}, "site", "lab"}, pair.now);
    pair.run();
    pair.b.shard->command(Rekey{{3}, "site", "lab"}, pair.now);  // waits for b's own request
    pair.pass(60s);
    EXPECT_EQ(pair.a.sad.size(), 4u);
    EXPECT_TRUE(sads_agree(pair));
  }
}

}  // namespace
}  // namespace culvert::exchange_test
