// Authenticating again before the old IKE SA goes, the ends of lifetimes, and the rehearsal of a
// rekey that shows a PFS mismatch at once.
#include <gmock/gmock.h>

#include "tests/exchange/pair.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

// Both sides' connection, the first with a change of its own.
void load_with(
    Pair& pair, const std::function<void(ConnectionConfig&)>& change_a,
    const std::function<void(ConnectionConfig&)>& change_b = [](ConnectionConfig&) {}) {
  load_site(pair);
  for (const bool first : {true, false}) {
    ConnectionConfig connection = site_with_lab(first);
    (first ? change_a : change_b)(connection);
    (first ? pair.a : pair.b).load(connection, pair.now);
  }
}

std::size_t count_up(const Gateway& gateway) {
  std::size_t live = 0;
  for (const auto& [id, policy] : gateway.policies) live += policy.pair ? 1 : 0;
  return live;
}

TEST(Reauthentication, MakesTheNewSaBeforeItBreaksTheOld) {
  Pair pair;
  load_with(pair, [](ConnectionConfig& connection) {
    connection.rekey_time = {};
    connection.reauth_time = 1h;
  });
  initiate(pair, "");
  ASSERT_TRUE(pair.a.done(1)->success);
  const auto before = pair.a.shard->list_sas(pair.now).at(0).unique_id;
  std::size_t least = count_up(pair.a);
  EXPECT_EQ(least, 2u);
  pair.wire = [&](InTransit one) {
    least = std::min({least, count_up(pair.a), count_up(pair.b)});
    return std::vector{std::move(one)};
  };
  pair.pass(61min);
  EXPECT_TRUE(pair.a.event<trace::Reauthenticating>());
  EXPECT_GE(least, 2u) << "each child had an SA all the time";
  const auto sas = pair.a.shard->list_sas(pair.now);
  ASSERT_EQ(sas.size(), 1u);
  EXPECT_NE(sas[0].unique_id, before);
  EXPECT_EQ(sas[0].children.size(), 2u);
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, 1u);
  EXPECT_TRUE(sads_agree(pair));
}

TEST(Reauthentication, ARekeyOfTheOldSaDoesNotKeepItAlive) {
  Pair pair;
  load_with(pair, [](ConnectionConfig& connection) {
    connection.rekey_time = 7s;
    connection.reauth_time = 31s;
    connection.over_time = 60s;
  });
  initiate(pair, "");
  for (int minute = 0; minute < 10; ++minute) {
    pair.pass(60s);
    Rekey ike{{0}, "site", {}};  // the responder's rekeys meet every phase of a reauthentication
    pair.b.shard->command(std::move(ike), pair.now);
  }
  pair.pass(5s);
  EXPECT_FALSE(pair.a.event<trace::LifetimeOver>());
  EXPECT_LE(pair.a.shard->statistics().ike_sas, 4u);  // some are just going
  EXPECT_GE(count_up(pair.a), 2u);
}

TEST(Reauthentication, PacketsOnTheOldSasAreReceivedForAWhile) {
  Pair pair;
  load_with(pair, [](ConnectionConfig&) {});
  initiate(pair, "");
  std::set<std::pair<SaPairId, Direction>> old;
  for (const auto& [key, sa] : pair.b.sad) old.insert(key);
  Rekey command{{4}, "site", {}};
  command.reauthenticate = true;
  pair.a.shard->command(std::move(command), pair.now);
  pair.pass(2s);
  ASSERT_EQ(pair.b.shard->statistics().ike_sas, 1u);
  for (const auto& key : old) EXPECT_EQ(pair.b.sad.contains(key), key.second == Direction::in);
  pair.pass(20s);
  for (const auto& key : old) EXPECT_FALSE(pair.b.sad.contains(key));
  EXPECT_TRUE(sads_agree(pair));
}

// The pair that the gateway sends on: of its policies, which have the same selectors, the first in
// the order of decision.
SaPairId sending(const Gateway& gateway) {
  const InstallPolicy* best = nullptr;
  for (const auto& [id, policy] : gateway.policies)
    if (!best || policy.priority <= best->priority) best = &policy;
  return best ? best->pair : SaPairId{};
}

// What the responder sends on when its answer with the new SAs leaves, and later.
struct Succession {
  SaPairId before, while_answering, now;
};
Succession reauthenticate(Pair& pair, bool silent_afterwards, Duration time) {
  Succession succession;
  succession.before = sending(pair.b);
  bool answered = false;
  pair.wire = [&](InTransit one) {
    if (answered && silent_afterwards) return std::vector<InTransit>{};
    if (pair.b.sad.size() == 4 && !answered) {
      answered = true;
      succession.while_answering = sending(pair.b);
    }
    return std::vector{std::move(one)};
  };
  Rekey command{{4}, "site", {}};
  command.reauthenticate = true;
  pair.a.shard->command(std::move(command), pair.now);
  pair.pass(time);
  pair.wire = [](InTransit one) { return std::vector{std::move(one)}; };
  succession.now = sending(pair.b);
  return succession;
}

TEST(Reauthentication, TheResponderSendsOnTheNewSasWhenTheOldAreDeleted) {
  Pair pair;
  load_site(pair);
  initiate(pair);
  const auto old = pair.a.shard->list_sas(pair.now).at(0).unique_id;
  const Succession succession = reauthenticate(pair, false, 500ms);
  EXPECT_EQ(succession.while_answering, succession.before);
  EXPECT_EQ(succession.now, succession.before);
  Terminate command{{5}, {}, {}};
  command.ike_unique_id = old;
  pair.a.shard->command(std::move(command), pair.now);
  pair.pass(100ms);
  EXPECT_NE(sending(pair.b), succession.before);
  EXPECT_TRUE(pair.b.sad.contains({sending(pair.b), Direction::out}));
}

TEST(Reauthentication, ASuccessorSendsWhenThePredecessorThatWaitedGoes) {
  Pair pair;
  load_site(pair);
  initiate(pair);
  reauthenticate(pair, false, 500ms);
  pair.a.shard->command(Rekey{{5}, "site", "net"}, pair.now);
  pair.pass(5s);
  EXPECT_EQ(pair.b.policies.size(), 1u);
  EXPECT_TRUE(pair.b.sad.contains({sending(pair.b), Direction::out}));
}

TEST(Reauthentication, TheResponderDoesNotWaitForeverForTheDelete) {
  Pair pair;
  load_site(pair);
  initiate(pair);
  const Succession succession = reauthenticate(pair, true, 1500ms);
  EXPECT_EQ(succession.while_answering, succession.before);
  EXPECT_NE(succession.now, succession.before);
}

TEST(Reauthentication, AResponderSaysHowLongItBelieves) {
  Pair pair;
  load_with(
      pair, [](ConnectionConfig&) {},
      [](ConnectionConfig& connection) { connection.reauth_time = 30min; });
  initiate(pair, "");
  ASSERT_TRUE(pair.a.event<trace::AuthLifetime>());
  EXPECT_EQ(pair.a.event<trace::AuthLifetime>()->seconds, 1'800u);
  pair.pass(29min);
  EXPECT_TRUE(pair.a.event<trace::Reauthenticating>());
  EXPECT_FALSE(pair.b.event<trace::Reauthenticating>());
  EXPECT_EQ(pair.a.shard->statistics().ike_sas, 1u);
  EXPECT_EQ(pair.a.sad.size(), 4u);
}

TEST(Reauthentication, TheOldSaGoesOnWhenThePeerIsSilentAndEndsInTime) {
  Pair pair;
  load_with(pair, [](ConnectionConfig& connection) {
    connection.rekey_time = {};
    connection.reauth_time = 1h;
    connection.over_time = 10min;
  });
  initiate(pair, "");
  std::set<std::uint64_t> known;
  pair.wire = [&](InTransit one) {  // whatever belongs to a new IKE SA is lost
    const auto spi = load_be<std::uint64_t>(one.payload.data());
    if (pair.now < TimePoint{} + 1'010s) known.insert(spi);
    return known.contains(spi) ? std::vector{std::move(one)} : std::vector<InTransit>{};
  };
  pair.a.shard->command(Initiate{{2}, "site", "net"}, pair.now);
  pair.b.shard->command(Rekey{{3}, "site", "net"}, pair.now);  // so that its SPI is known
  pair.pass(65min);
  EXPECT_TRUE(pair.a.event<trace::NoAnswer>());
  EXPECT_EQ(count_up(pair.a), 2u);
  EXPECT_FALSE(pair.a.event<trace::LifetimeOver>());
  pair.pass(6min);
  EXPECT_TRUE(pair.a.event<trace::LifetimeOver>());
  EXPECT_TRUE(pair.b.sad.empty());
}

TEST(Reauthentication, ByBothSidesAtOnceDoesNotDoubleTheSas) {
  Pair pair;
  const auto often = [](ConnectionConfig& connection) {
    connection.rekey_time = {};
    connection.reauth_time = 10min;
  };
  load_with(pair, often, often);
  initiate(pair, "");
  for (int round = 0; round < 6; ++round) {
    for (Gateway* gateway : {&pair.a, &pair.b}) {
      Rekey command{{0}, "site", {}};
      command.reauthenticate = true;
      gateway->shard->command(std::move(command), pair.now);
    }
    pair.pass(1s);
  }
  pair.pass(2h);
  // One of them may just be taking the place of another.
  const auto settled = [&] {
    const auto count = pair.a.shard->statistics().ike_sas;
    return count <= 2 && count == pair.b.shard->statistics().ike_sas && sads_agree(pair);
  };
  for (int second = 0; second < 120 && !settled(); ++second) pair.pass(1s);
  EXPECT_LE(pair.a.shard->statistics().ike_sas, 2u);
  EXPECT_EQ(pair.a.shard->statistics().ike_sas, pair.b.shard->statistics().ike_sas);
  EXPECT_TRUE(sads_agree(pair));
}

TEST(Reauthentication, AnOperatorMayAskForIt) {
  Pair pair;
  load_with(pair, [](ConnectionConfig&) {});
  initiate(pair, "");
  const auto before = pair.a.shard->list_sas(pair.now).at(0).spi_i;
  Rekey command{{4}, "site", {}};
  command.reauthenticate = true;
  pair.a.shard->command(std::move(command), pair.now);
  pair.pass(20s);
  EXPECT_NE(pair.a.shard->list_sas(pair.now).at(0).spi_i, before);
  EXPECT_EQ(pair.a.shard->statistics().ike_sas, 1u);
  EXPECT_EQ(pair.b.sad.size(), 4u);
}

// ---- PFS ----

void load_pfs(Pair& pair, const std::string& esp_a, const std::string& esp_b) {
  load_site(pair);
  for (const bool first : {true, false}) {
    ConnectionConfig connection =
        site(first, "aes128gcm16-prfsha256-x25519", first ? esp_a : esp_b);
    connection.children[0].lifetime = {.rekey_time = 1h, .life_time = 66min, .rand_time = {}};
    (first ? pair.a : pair.b).load(connection, pair.now);
  }
}

struct PfsCase {
  const char *esp_a, *esp_b;
};
class PfsMismatch : public ::testing::TestWithParam<PfsCase> {};

TEST_P(PfsMismatch, IsExplainedWhenTheTunnelComesUp) {
  ShardOptions checking;
  checking.check_pfs = true;
  for (const bool initiator_checks : {true, false}) {
    Pair pair(initiator_checks ? checking : ShardOptions{},
              initiator_checks ? ShardOptions{} : checking);
    load_pfs(pair, GetParam().esp_a, GetParam().esp_b);
    initiate(pair);
    EXPECT_TRUE(pair.a.done(1)->success);
    pair.pass(20s);
    Gateway& checker = initiator_checks ? pair.a : pair.b;
    ASSERT_TRUE(checker.event<trace::PfsMismatch>()) << initiator_checks;
    // Traffic goes on, and the question is not asked again and again.
    EXPECT_EQ(pair.a.sad.size(), 2u);
    EXPECT_TRUE(sads_agree(pair));
    const std::size_t sent = pair.sent.size();
    pair.pass(50min);
    EXPECT_EQ(pair.sent.size(), sent);
  }
}
INSTANTIATE_TEST_SUITE_P(Pfs, PfsMismatch,
                         ::testing::Values(PfsCase{"aes128gcm16-x25519", "aes128gcm16"},
                                           PfsCase{"aes128gcm16", "aes128gcm16-x25519"},
                                           PfsCase{"aes128gcm16-x25519", "aes128gcm16-ecp256"}));

TEST(PfsAgreement, IsSeenOnceAndNotAskedForAgain) {
  ShardOptions checking;
  checking.check_pfs = true;
  Pair pair(checking, checking);
  load_pfs(pair, "aes128gcm16-x25519", "aes128gcm16-x25519");
  initiate(pair);
  pair.pass(20s);
  EXPECT_TRUE(pair.a.event<trace::ChildRekeyed>());
  EXPECT_FALSE(pair.a.event<trace::PfsMismatch>());
  EXPECT_EQ(pair.sent.size(), 8u) << "four messages, then a rekey and a delete";
  pair.a.shard->command(Terminate{{5}, "site"}, pair.now);
  pair.run();
  const std::size_t sent = pair.sent.size();
  initiate(pair, "net", 6);
  pair.pass(20s);
  EXPECT_EQ(pair.sent.size(), sent + 4);
}

}  // namespace
}  // namespace culvert::exchange_test
