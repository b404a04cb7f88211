// Addresses by the configuration payload: pools, leases, and what `dynamic` stands for.
#include <gmock/gmock.h>

#include "tests/exchange/pair.h"
#include "wire/v2/message.h"

namespace culvert::exchange_test {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

IpAddress address(const std::string& text) { return *IpAddress::parse(text); }

std::vector<std::string> texts(const std::vector<TrafficSelector>& selectors) {
  std::vector<std::string> all;
  for (const TrafficSelector& one : selectors) all.push_back(to_string(one));
  return all;
}

PoolConfig pool(const std::vector<std::string>& ranges) {
  PoolConfig config;
  config.name = "road";
  for (const std::string& range : ranges) config.ranges.push_back(*parse_address_range(range));
  config.settings.dns = {address("10.2.0.53"), address("fd02::53")};
  config.settings.domains = {"corp.example.org"};
  return config;
}

// b gives addresses of the pool; a asks for some.
struct Road : Pair {
  explicit Road(std::vector<std::string> ranges = {"10.9.0.0/29"},
                std::vector<std::string> vips = {"0.0.0.0"}) {
    EXPECT_TRUE(b.leases.load(std::make_shared<const PoolConfig>(pool(ranges))));
    client = site(true);
    client.children[0].local = {*parse_selector("dynamic")};
    for (const std::string& vip : vips) client.vips.push_back(address(vip));
    server = site(false);
    server.children[0].remote = {*parse_selector("dynamic")};
    server.pools = {"road"};
    load();
    a.load_psk("psk", "a very long secret", {}, now);
    b.load_psk("psk", "a very long secret", {}, now);
  }
  void load() {
    a.load(client, now);
    b.load(server, now);
  }
  void connect(std::uint64_t id = 1) { initiate(*this, "net", id); }
  std::uint64_t online() const { return b.leases.pools().at(0).online; }
  std::vector<IpAddress> on_machine() const {  // of a
    std::vector<IpAddress> all;
    for (const auto& [holder, one] : a.assigned)
      all.insert(all.end(), one.addresses.begin(), one.addresses.end());
    return all;
  }

  ConnectionConfig client, server;
};

TEST(Addresses, AreLeasedAndStandForDynamic) {
  Road road;
  road.connect();
  const auto here = road.a.shard->list_sas(road.now), there = road.b.shard->list_sas(road.now);
  ASSERT_EQ(here.size(), 1u);
  ASSERT_EQ(there.size(), 1u);
  EXPECT_THAT(here[0].local_vips, ElementsAre(address("10.9.0.1")));
  EXPECT_THAT(there[0].remote_vips, ElementsAre(address("10.9.0.1")));
  ASSERT_EQ(here[0].children.size(), 1u);
  EXPECT_THAT(texts(here[0].children[0].local_ts), ElementsAre("10.9.0.1/32"));
  EXPECT_THAT(texts(there[0].children[0].remote_ts), ElementsAre("10.9.0.1/32"));
  EXPECT_TRUE(sads_agree(road));
  EXPECT_THAT(road.on_machine(), ElementsAre(address("10.9.0.1")));
  const AssignAddresses& own = road.a.assigned.begin()->second;
  // Only what was asked for: no IPv6 servers.
  EXPECT_THAT(own.settings.dns, ElementsAre(address("10.2.0.53")));
  EXPECT_THAT(own.settings.domains, ElementsAre("corp.example.org"));
}

TEST(Addresses, OfBothFamilies) {
  Road road({"10.9.0.0/29", "fd09::/112"}, {"0.0.0.0", "::"});
  road.connect();
  EXPECT_THAT(road.on_machine(), ElementsAre(address("10.9.0.1"), address("fd09::1")));
  EXPECT_THAT(road.a.assigned.begin()->second.settings.dns,
              ElementsAre(address("10.2.0.53"), address("fd02::53")));
  const auto there = road.b.shard->list_sas(road.now);
  EXPECT_THAT(texts(there.at(0).children.at(0).remote_ts),
              ElementsAre("10.9.0.1/32", "fd09::1/128"));
}

TEST(Addresses, AreReleasedInTheEnd) {
  Road road;
  road.connect();
  EXPECT_EQ(road.online(), 1u);
  road.a.shard->command(Terminate{{2}, "site"}, road.now);
  road.run();
  EXPECT_EQ(road.online(), 0u);
  EXPECT_THAT(road.on_machine(), IsEmpty());
}

TEST(Addresses, StayOverARekeyOfTheIkeSa) {
  Road road;
  road.connect();
  for (Gateway* gateway : {&road.a, &road.b}) {
    gateway->shard->command(Rekey{{7}, "site"}, road.now);
    road.run();
    EXPECT_EQ(road.online(), 1u);
    EXPECT_THAT(road.on_machine(), ElementsAre(address("10.9.0.1")));
  }
  road.pass(seconds(300));
  EXPECT_EQ(road.online(), 1u);
  road.b.shard->command(Terminate{{8}, "site"}, road.now);
  road.run();
  EXPECT_EQ(road.online(), 0u);
  EXPECT_THAT(road.on_machine(), IsEmpty());
}

TEST(Addresses, StayOverAReauthentication) {
  Road road;
  road.connect();
  Rekey anew{{7}, "site"};
  anew.reauthenticate = true;
  road.a.shard->command(std::move(anew), road.now);
  road.run();
  EXPECT_THAT(road.a.shard->list_sas(road.now).back().local_vips, ElementsAre(address("10.9.0.1")));
  road.pass(seconds(30));
  ASSERT_EQ(road.a.shard->list_sas(road.now).size(), 1u);
  EXPECT_EQ(road.online(), 1u);
  EXPECT_THAT(road.on_machine(), ElementsAre(address("10.9.0.1")));
}

TEST(Addresses, ComeAgainToThePeerThatHadThem) {
  Road road;
  road.server.unique = Unique::replace;
  road.load();
  road.connect();
  // The client restarts: it says INITIAL_CONTACT, or not.
  road.a.shard = std::make_unique<Shard>(ShardOptions{}, *road.a.provider);
  road.a.assigned.clear();
  road.a.load(road.client, road.now);
  road.a.load_psk("psk", "a very long secret", {}, road.now);
  road.connect(2);
  EXPECT_THAT(road.on_machine(), ElementsAre(address("10.9.0.1")));
  road.pass(seconds(60));
  EXPECT_EQ(road.online(), 1u);
}

TEST(Addresses, ExhaustedPoolsAreExplained) {
  Road road({"10.9.0.7"});
  ASSERT_TRUE(road.b.leases.lease({{"road"}, "somebody", {address("0.0.0.0")}}).refusal.empty());
  road.connect();
  const auto* event = road.b.event<trace::PoolExhausted>();
  ASSERT_NE(event, nullptr);
  EXPECT_THAT(event->why, HasSubstr("all 1 addresses of pool road are in use"));
  const auto* here = road.a.event<trace::NoAddressAssigned>();
  ASSERT_NE(here, nullptr);
  EXPECT_FALSE(road.a.done(1)->success);
  EXPECT_TRUE(road.a.shard->list_sas(road.now).empty());
  EXPECT_TRUE(road.b.shard->list_sas(road.now).empty());
  EXPECT_TRUE(road.a.sad.empty());
}

TEST(Addresses, MustBeAskedForWhereThereIsAPool) {
  Road road({"10.9.0.0/29"}, {});
  road.connect();
  EXPECT_NE(road.b.event<trace::AddressNotRequested>(), nullptr);
  // RFC 7296, 1.2: the IKE SA comes up all the same.
  EXPECT_EQ(road.b.shard->list_sas(road.now).size(), 1u);
  EXPECT_TRUE(road.b.sad.empty());
  ASSERT_NE(road.a.event<trace::PeerRefused>(), nullptr);
  EXPECT_EQ(road.a.event<trace::PeerRefused>()->notify, wire::NotifyType::failed_cp_required);
  // Nor is there another way to a tunnel.
  road.connect(2);
  EXPECT_TRUE(road.b.sad.empty());
}

TEST(Addresses, AreNotGivenWithoutAPool) {
  Road road;
  road.server.pools.clear();
  road.load();
  road.connect();
  EXPECT_NE(road.a.event<trace::NoAddressAssigned>(), nullptr);
  EXPECT_FALSE(road.a.done(1)->success);
  EXPECT_TRUE(road.a.sad.empty());
  EXPECT_TRUE(road.b.sad.empty());
}

TEST(Addresses, ThatComeTooLateGoBack) {
  Road road;
  road.b.answer_leases = false;
  road.connect();
  ASSERT_EQ(road.b.leases_wanted.size(), 1u);
  const LeaseAddresses late = road.b.leases_wanted.front();
  road.b.leases_wanted.clear();
  road.pass(seconds(300));
  EXPECT_TRUE(road.b.shard->list_sas(road.now).empty());
  road.b.shard->complete(late.job, road.b.leases.lease(late.request), road.now);
  road.run();
  EXPECT_EQ(road.online(), 0u);
}

TEST(Addresses, OnesThatThePeerNamesAreFirst) {
  Road road({"10.9.0.0/24"}, {"10.9.0.77"});
  road.connect();
  EXPECT_THAT(road.on_machine(), ElementsAre(address("10.9.0.77")));
}

}  // namespace
}  // namespace culvert::exchange_test
