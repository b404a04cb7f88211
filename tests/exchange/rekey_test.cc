// Rekeying: by either side, by both at once, across deletes, in every order of delivery and with
// the loss of any one message. RFC 7296, 2.8 and 2.25.
#include <gmock/gmock.h>

#include "tests/exchange/order.h"
#include "tests/exchange/pair.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kPfs = "aes128gcm16-x25519";

void up(Pair& pair, const std::string& esp = "aes128gcm16") {
  load_site(pair, "aes128gcm16-prfsha256-x25519", esp);
  initiate(pair);
}

void rekey_child(Gateway& gateway, TimePoint now) {
  gateway.shard->command(Rekey{.id = {50}, .connection = "site", .child = "net"}, now);
}
void rekey_ike(Gateway& gateway, TimePoint now) {
  gateway.shard->command(Rekey{.id = {51}, .connection = "site"}, now);
}

// The pair that outbound traffic takes.
SaPairId active_pair(const Gateway& gateway) {
  EXPECT_EQ(gateway.policies.size(), 1u);
  return gateway.policies.empty() ? SaPairId{} : gateway.policies.begin()->second.pair;
}

void expect_one_tunnel(const Pair& pair, const std::string& label = {}) {
  EXPECT_EQ(pair.a.sad.size(), 2u) << label;
  EXPECT_TRUE(sads_agree(pair)) << label;
  EXPECT_EQ(pair.a.shard->statistics().ike_sas, 1u) << label;
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, 1u) << label;
  for (const Gateway* gateway : {&pair.a, &pair.b}) {
    ASSERT_EQ(gateway->policies.size(), 1u) << label;
    EXPECT_TRUE(gateway->sad.contains({active_pair(*gateway), Direction::out})) << label;
  }
}

class EitherSide : public ::testing::TestWithParam<std::tuple<bool, const char*>> {};
INSTANTIATE_TEST_SUITE_P(Rekey, EitherSide,
                         ::testing::Combine(::testing::Bool(),
                                            ::testing::Values("aes128gcm16", kPfs)));

TEST_P(EitherSide, ReplacesTheChild) {
  Pair pair;
  up(pair, std::get<1>(GetParam()));
  const SaPairId before = active_pair(pair.a);
  rekey_child(std::get<0>(GetParam()) ? pair.a : pair.b, pair.now);
  pair.run();
  EXPECT_EQ(pair.a.sad.size(), 3u) << "the old inbound SA lingers";
  pair.pass(20s);
  expect_one_tunnel(pair);
  EXPECT_NE(active_pair(pair.a), before);
  EXPECT_TRUE(pair.a.event<trace::ChildRekeyed>());
}

TEST_P(EitherSide, ATerminationMeansWhatTheRekeyUnderWayMakes) {
  Pair pair;
  up(pair, std::get<1>(GetParam()));
  Gateway& gateway = std::get<0>(GetParam()) ? pair.a : pair.b;
  rekey_child(gateway, pair.now);
  gateway.shard->command(Terminate{.id = {9}, .connection = "site", .child = "net"}, pair.now);
  pair.pass(20s);
  EXPECT_TRUE(pair.a.sad.empty() && pair.b.sad.empty());
  ASSERT_TRUE(gateway.done(9));
  EXPECT_TRUE(gateway.done(9)->success);
}

TEST_P(EitherSide, ReplacesTheIkeSaAndKeepsTheChild) {
  Pair pair;
  up(pair, std::get<1>(GetParam()));
  const SaPairId before = active_pair(pair.a);
  const auto spi = pair.a.shard->list_sas(pair.now).at(0).spi_i;
  rekey_ike(std::get<0>(GetParam()) ? pair.a : pair.b, pair.now);
  pair.pass(20s);
  expect_one_tunnel(pair);
  EXPECT_EQ(active_pair(pair.a), before);
  EXPECT_NE(pair.a.shard->list_sas(pair.now).at(0).spi_i, spi);
  rekey_child(pair.b, pair.now);
  pair.pass(20s);
  expect_one_tunnel(pair);
  pair.a.shard->command(Terminate{.id = {9}, .connection = "site"}, pair.now);
  pair.pass(1s);
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, 0u);
  EXPECT_TRUE(pair.b.sad.empty());
}

TEST(Rekey, HappensWhenItsTimeHasCome) {
  Pair pair;
  load_site(pair);
  ConnectionConfig timed = site(true);
  timed.rekey_time = 100s;
  timed.children[0].lifetime.rekey_time = 30s;
  timed.children[0].lifetime.rand_time = 5s;
  timed.children[0].lifetime.life_time = 40s;
  pair.a.load(timed, pair.now);
  initiate(pair);
  pair.pass(600s);
  // A rekey may just have happened: its old SA lingers for less than the time to the next one.
  for (int second = 0; second < 16 && pair.a.sad.size() + pair.b.sad.size() > 4; ++second)
    pair.pass(1s);
  expect_one_tunnel(pair);
  std::size_t children = 0, ikes = 0;
  for (const trace::Event& event : pair.b.events) {
    children += std::holds_alternative<trace::ChildRekeyed>(event.body);
    ikes += std::holds_alternative<trace::IkeRekeyed>(event.body);
  }
  EXPECT_GE(children, 19u);
  EXPECT_GE(ikes, 5u);
}

TEST(Rekey, ByPacketsAndBytes) {
  Pair pair;
  up(pair);
  const SaPairId before = active_pair(pair.b);
  pair.b.shard->notice(Expire{before, Direction::out, false}, pair.now);
  pair.pass(20s);
  expect_one_tunnel(pair);
  EXPECT_NE(active_pair(pair.b), before);
}

TEST(Rekey, ResponderUsesTheNewSaWhenThePeerDoes) {
  Pair pair;
  up(pair);
  const SaPairId before = active_pair(pair.b);
  bool hold_deletes = true;
  pair.wire = [&](InTransit one) {  // nothing after the CREATE_CHILD_SA response gets through
    const bool informational = one.payload.at(18) == 37;
    return informational && hold_deletes ? std::vector<InTransit>{} : std::vector<InTransit>{one};
  };
  rekey_child(pair.a, pair.now);
  pair.run();
  EXPECT_EQ(active_pair(pair.b), before);
  for (const auto& [key, sa] : pair.b.sad)
    if (key.first != before) pair.b.shard->notice(Activity{key.first}, pair.now);
  pair.run();
  EXPECT_NE(active_pair(pair.b), before);
  hold_deletes = false;
  pair.pass(20s);
  expect_one_tunnel(pair);
}

// ---- every interleaving ----

enum class Act { none, rekey_child, delete_child, rekey_ike, delete_ike, create_child, move };
constexpr Act kActs[] = {Act::rekey_child, Act::delete_child, Act::rekey_ike, Act::delete_ike,
                         Act::create_child};
const char* name_of(Act act) {
  constexpr const char* kNames[] = {"none",       "rekey child",  "delete child", "rekey IKE",
                                    "delete IKE", "create child", "move"};
  return kNames[static_cast<int>(act)];
}

void perform(Act act, Gateway& gateway, TimePoint now) {
  if (act == Act::rekey_child) rekey_child(gateway, now);
  if (act == Act::delete_child)
    gateway.shard->command(Terminate{.id = {52}, .connection = "site", .child = "net"}, now);
  if (act == Act::rekey_ike) rekey_ike(gateway, now);
  if (act == Act::delete_ike)
    gateway.shard->command(Terminate{.id = {53}, .connection = "site"}, now);
  if (act == Act::create_child) gateway.shard->command(Initiate{{54}, "site", "lab"}, now);
  if (act == Act::move) {  // what is under way to the old address is lost
    gateway.address = *IpAddress::parse("192.0.2.9");
    gateway.shard->command(NetworkChanged{{gateway.address}}, now);
  }
}

// Routing offers the one address there is.
void answer_path_questions(Pair& pair) {
  for (const FindPaths& question : std::exchange(pair.a.path_questions, {}))
    pair.a.shard->complete(question.job, FoundPaths{{pair.a.address, pair.b.address}}, pair.now);
}

void set_up(Pair& pair, bool a_moves) {
  load_site(pair);
  ConnectionConfig of_a = site_with_lab(true), of_b = site_with_lab(false);
  if (a_moves) {
    of_a.local_addrs.clear();
    of_b.remote_addrs.clear();
  }
  pair.a.load(of_a, pair.now);
  pair.b.load(of_b, pair.now);
  initiate(pair);
  if (!a_moves) return;
  pair.a.shard->command(NetworkChanged{{pair.a.address}}, pair.now);
  pair.a.shard->complete(JobId{1}, {pair.a.address, pair.b.address, {}}, pair.now);
  pair.run();
  answer_path_questions(pair);
  pair.run();
}

// Both act at once; messages are delivered in the given order, message number `lost` is lost once.
void run_order(Pair& pair, Act act_a, Act act_b, Order& order, std::size_t lost) {
  set_up(pair, act_a == Act::move);
  std::vector<InTransit> from_a, from_b;
  std::size_t count = 0;
  bool hold = true;
  pair.wire = [&](InTransit one) {
    if (!hold) return std::vector<InTransit>{std::move(one)};
    if (count++ == lost) return std::vector<InTransit>{};
    (one.from.address == pair.b.address ? from_b : from_a).push_back(std::move(one));
    return std::vector<InTransit>{};
  };
  perform(act_a, pair.a, pair.now);
  perform(act_b, pair.b, pair.now);
  pair.run();
  answer_path_questions(pair);
  pair.run();
  for (std::size_t step = 0; !from_a.empty() || !from_b.empty(); ++step) {
    ASSERT_LT(step, 64u);
    const bool open = !from_a.empty() && !from_b.empty();
    if (order.choices.size() <= step) order.choices.push_back(false);
    order.was_open.push_back(open);
    auto& queue =
        open ? (order.choices[step] ? from_b : from_a) : (from_a.empty() ? from_b : from_a);
    const InTransit one = queue.front();
    queue.erase(queue.begin());
    for (Gateway* gateway : {&pair.a, &pair.b})
      if (one.to.address == gateway->address)
        gateway->shard->receive({one.to, one.from, one.payload}, pair.now);
    pair.run();
    answer_path_questions(pair);
    pair.run();
  }
  hold = false;
  for (int step = 0; step < 40; ++step) {
    answer_path_questions(pair);
    pair.pass(10s);
  }
}

void check_end(const Pair& pair, Act act_a, Act act_b, const std::string& label) {
  ASSERT_TRUE(sads_agree(pair)) << label;
  const auto a = pair.a.shard->statistics(), b = pair.b.shard->statistics();
  ASSERT_EQ(a.ike_sas, b.ike_sas) << label;
  ASSERT_LE(a.ike_sas, 1u) << label;
  ASSERT_EQ(pair.a.policies.size(), pair.b.policies.size()) << label;
  ASSERT_EQ(pair.a.sad.size(), 2 * pair.a.policies.size()) << label;
  const bool net_deleted = act_a == Act::delete_child || act_b == Act::delete_child;
  const bool all_deleted = act_a == Act::delete_ike || act_b == Act::delete_ike;
  if (!net_deleted && !all_deleted) {
    ASSERT_GE(a.child_sas, 1u) << label;
  }
  if (act_a != Act::move || all_deleted) return;
  for (const IkeSaStatus& sa : pair.b.shard->list_sas(pair.now))
    ASSERT_EQ(sa.remote.address, pair.a.address) << label;
}

// Every order of delivery, with and without the loss of each message; how many there were.
std::size_t run_all(Act act_a, Act act_b) {
  constexpr std::size_t kMostMessages = 11;
  std::size_t runs = 0;
  for (std::size_t lost = 0; lost <= kMostMessages; ++lost) {
    Order order;
    do {
      Pair pair;
      run_order(pair, act_a, act_b, order, lost == kMostMessages ? ~std::size_t{0} : lost);
      ++runs;
      check_end(pair, act_a, act_b,
                std::string(name_of(act_a)) + " / " + name_of(act_b) + ", lost " +
                    std::to_string(lost) + ", run " + std::to_string(runs));
    } while (order.advance() && !::testing::Test::HasFatalFailure());
  }
  return runs;
}

TEST(Collisions, EveryOrderOfEveryPairOfActsWithTheLossOfAnyMessage) {
  std::size_t runs = 0;
  for (const Act act_a : kActs)
    for (const Act act_b : kActs)
      if (!HasFatalFailure()) runs += run_all(act_a, act_b);
  RecordProperty("interleavings", static_cast<int>(runs));
  std::printf("%zu interleavings\n", runs);
  EXPECT_GT(runs, 1'000u);
}

// RFC 4555, 3.5: the one who moves says so in an exchange like any other.
TEST(Collisions, AMoveAgainstEveryActWithTheLossOfAnyMessage) {
  std::size_t runs = 0;
  for (const Act act_b : kActs)
    if (!HasFatalFailure()) runs += run_all(Act::move, act_b);
  RecordProperty("interleavings", static_cast<int>(runs));
  std::printf("%zu interleavings\n", runs);
  EXPECT_GT(runs, 100u);
}

TEST(IkeRekey, ATerminationByForceEndsWhatThePeersRekeyMade) {
  for (int round = 0; round < 10; ++round) {
    Pair pair;
    load_site(pair);
    ConnectionConfig watchful = site(false);
    watchful.dpd_delay = 10s;
    pair.b.load(watchful, pair.now);
    initiate(pair);
    pair.wire = [&](InTransit one) {  // the answer to a's rekey is lost
      constexpr std::size_t kFlags = 19;
      const bool answer = (one.payload.at(kFlags) & 0x20) != 0;
      const bool lost = answer && one.from.address == pair.b.address;
      return lost ? std::vector<InTransit>{} : std::vector{std::move(one)};
    };
    rekey_ike(pair.a, pair.now);
    rekey_ike(pair.b, pair.now);
    pair.run();
    pair.a.shard->command(Terminate{.id = {3}, .connection = "site", .force = true}, pair.now);
    pair.run();
    EXPECT_EQ(pair.a.shard->statistics().ike_sas, 0u);
    EXPECT_TRUE(pair.a.done(3));
    pair.wire = [](InTransit one) { return std::vector{std::move(one)}; };
    pair.pass(400s);
    EXPECT_EQ(pair.b.shard->statistics().ike_sas, 0u);
    EXPECT_TRUE(pair.b.sad.empty());
  }
}

// What one side's policies send on, the other side has.
bool is_received(const Gateway& from, const Gateway& to) {
  return std::ranges::all_of(from.policies, [&](const auto& entry) {
    if (!entry.second.pair) return true;
    const std::uint32_t spi = from.sad.at({entry.second.pair, Direction::out}).spi;
    return std::ranges::any_of(to.sad, [&](const auto& sa) {
      return sa.first.second == Direction::in && sa.second.spi == spi;
    });
  });
}

// Each nonce is random, so that either side wins sometimes.
TEST(ChildRekey, InACollisionNobodySendsOnAnSaThatTheOtherMayLack) {
  for (int round = 0; round < 30; ++round) {
    Pair pair;
    load_site(pair);
    initiate(pair);
    const Gateway& silent = round % 2 ? pair.a : pair.b;
    pair.wire = [&](InTransit one) {  // its answers are lost
      constexpr std::size_t kFlags = 19;
      const bool answer = (one.payload.at(kFlags) & 0x20) != 0;
      const bool lost = answer && one.from.address == silent.address;
      return lost ? std::vector<InTransit>{} : std::vector{std::move(one)};
    };
    pair.a.shard->command(Rekey{{2}, "site", "net"}, pair.now);
    pair.b.shard->command(Rekey{{3}, "site", "net"}, pair.now);
    pair.run();
    EXPECT_TRUE(is_received(pair.a, pair.b));
    EXPECT_TRUE(is_received(pair.b, pair.a));
    pair.wire = [](InTransit one) { return std::vector{std::move(one)}; };
    pair.pass(40s);
    EXPECT_TRUE(sads_agree(pair));
  }
}

}  // namespace
}  // namespace culvert::exchange_test
