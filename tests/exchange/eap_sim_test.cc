// EAP-SIM, EAP-AKA and EAP-AKA' inside IKE_AUTH: the server with its subscribers, the client with
// its card, and the sequence numbers that both keep.
#include <gmock/gmock.h>

#include "tests/exchange/pair.h"
#include "trace/render.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr const char* kImsi = "232010000000000";

class EapSimTest : public ::testing::Test {
 protected:
  EapSimTest() {
    for (Gateway* gateway : {&pair.a, &pair.b}) {
      gateway->load_psk("x", "the server's key", {}, pair.now);
      gateway->shard->command(SetDate{std::chrono::sys_days(std::chrono::year(2026) / 11 / 23)},
                              pair.now);
    }
  }
  static eap::Subscriber subscriber(std::uint64_t sqn, std::uint8_t key = 7) {
    eap::Subscriber made;
    made.identity = kImsi;
    made.sqn = sqn;
    made.keys.emplace();
    made.keys->k.assign(Bytes(16, key));
    made.keys->opc.assign(Bytes(16, 9));
    return made;
  }
  void know(Gateway& gateway, eap::Subscriber&& one) {
    gateway.shard->command(LoadSubscriber{std::move(one)}, pair.now);
  }
  void configure(const std::string& method, const std::string& user) {
    ConnectionConfig client = site(true), server = site(false);
    client.local.kind = server.remote.kind = AuthKind::eap;
    client.local.eap_id = Identity{wire::IdType::key_id, to_bytes(as_bytes(user))};
    client.local.eap_methods = server.remote.eap_methods = {method};
    server.remote.eap_id = Identity{};
    pair.a.load(client, pair.now);
    pair.b.load(server, pair.now);
  }
  bool comes_up() {
    initiate(pair, "net", ++id_);
    pair.pass(1s);
    const bool up = pair.a.sad.size() == 2 && pair.b.sad.size() == 2 && sads_agree(pair);
    pair.a.shard->command(Terminate{{1'000 + id_}, "site"}, pair.now);
    pair.pass(1s);
    return up;
  }
  static std::string why(const Gateway& gateway) {
    const auto* failed = gateway.event<trace::EapFailed>();
    return failed ? failed->explanation : std::string();
  }

  Pair pair;
  std::uint64_t id_ = 0;
};

TEST_F(EapSimTest, BringsATunnelUpWithEveryMethod) {
  know(pair.a, subscriber(0));
  know(pair.b, subscriber(0));
  for (const auto& [method, digit] :
       {std::pair("sim", "1"), std::pair("aka", "0"), std::pair("aka-prime", "6")}) {
    configure(method, digit + std::string(kImsi) + "@wlan.example.org");
    EXPECT_TRUE(comes_up()) << method << ": " << why(pair.b);
    const auto* succeeded = pair.b.event<trace::EapSucceeded>();
    ASSERT_TRUE(succeeded);
    EXPECT_EQ(succeeded->user, kImsi);
  }
}

TEST_F(EapSimTest, TripletsAreEnoughForEapSim) {
  for (Gateway* gateway : {&pair.a, &pair.b}) {
    eap::Subscriber one;
    one.identity = kImsi;
    for (std::uint8_t i = 0; i < 3; ++i)
      one.triplets.push_back({Bytes(eap::kRandSize, i), Bytes(eap::kSresSize, std::uint8_t(i + 50)),
                              Bytes(eap::kKcSize, std::uint8_t(i + 90))});
    know(*gateway, std::move(one));
  }
  configure("sim", "1" + std::string(kImsi));
  EXPECT_TRUE(comes_up());
}

// What has been used is told, so that it can be kept over a restart.
TEST_F(EapSimTest, SequenceNumbersAreTold) {
  know(pair.a, subscriber(5));
  know(pair.b, subscriber(10));
  configure("aka", "0" + std::string(kImsi));
  EXPECT_TRUE(comes_up());
  for (const Gateway* gateway : {&pair.a, &pair.b}) {
    ASSERT_EQ(gateway->numbers_used.size(), 1u);
    EXPECT_EQ(gateway->numbers_used.front().subscriber, kImsi);
    EXPECT_EQ(gateway->numbers_used.front().sqn, 11u);
  }
}

// The server has lost what it knew: the card tells it where it is.
TEST_F(EapSimTest, AServerBehindItsCardIsResynchronised) {
  know(pair.a, subscriber(500));
  know(pair.b, subscriber(3));
  configure("aka", "0" + std::string(kImsi));
  EXPECT_TRUE(comes_up());
  ASSERT_FALSE(pair.b.numbers_used.empty());
  EXPECT_EQ(pair.b.numbers_used.back().sqn, 501u);
}

// A reload must not take a card or a server back to numbers that were used.
TEST_F(EapSimTest, ReloadingASubscriberKeepsItsNumber) {
  know(pair.a, subscriber(0));
  know(pair.b, subscriber(0));
  configure("aka", "0" + std::string(kImsi));
  EXPECT_TRUE(comes_up());
  know(pair.a, subscriber(0));
  know(pair.b, subscriber(0));
  EXPECT_TRUE(comes_up());
  EXPECT_EQ(pair.a.numbers_used.back().sqn, 2u);
}

TEST_F(EapSimTest, AWrongKeyIsExplained) {
  know(pair.a, subscriber(0, 8));
  know(pair.b, subscriber(0, 7));
  for (const auto& [method, digit] : {std::pair("aka", "0"), std::pair("aka-prime", "6")}) {
    configure(method, digit + std::string(kImsi));
    EXPECT_FALSE(comes_up());
    EXPECT_THAT(why(pair.a), HasSubstr("does not prove that it knows the credential"));
  }
}

TEST_F(EapSimTest, AnUnknownSubscriberIsExplained) {
  know(pair.a, subscriber(0));
  configure("aka", "0" + std::string(kImsi));
  EXPECT_FALSE(comes_up());
  EXPECT_THAT(why(pair.b), HasSubstr("there is no such user"));
}

TEST_F(EapSimTest, WithoutASimTheClientSaysSo) {
  know(pair.b, subscriber(0));
  configure("aka", "0" + std::string(kImsi));
  EXPECT_FALSE(comes_up());
  EXPECT_TRUE(pair.a.event<trace::NoSimCard>());
}

}  // namespace
}  // namespace culvert::exchange_test
