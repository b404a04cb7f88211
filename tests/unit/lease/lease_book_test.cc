// The leases of pools: who gets which address, and properties that hold whatever is done.
#include "lease/lease_book.h"

#include <gmock/gmock.h>

#include <random>
#include <set>

namespace culvert {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

IpAddress address(const std::string& text) { return *IpAddress::parse(text); }

PoolRef pool(const std::string& name, const std::vector<std::string>& ranges,
             std::map<std::string, std::vector<IpAddress>> fixed = {}) {
  auto config = std::make_shared<PoolConfig>();
  config->name = name;
  for (const std::string& range : ranges) config->ranges.push_back(*parse_address_range(range));
  config->fixed = std::move(fixed);
  return config;
}

std::string lease(LeaseBook& book, const std::string& identity,
                  const std::string& wanted = "0.0.0.0", std::vector<std::string> pools = {"p"}) {
  const LeaseGrant grant = book.lease({std::move(pools), identity, {address(wanted)}});
  return grant.addresses.empty() ? grant.refusal : grant.addresses[0].to_string();
}

TEST(AddressRange, LeavesOutTheEndsOfAPrefix) {
  EXPECT_EQ(parse_address_range("10.0.0.0/30")->size(), 2u);
  EXPECT_EQ(parse_address_range("10.0.0.0/31")->size(), 2u);
  EXPECT_EQ(parse_address_range("10.0.0.4-10.0.0.6")->size(), 3u);
  EXPECT_EQ(parse_address_range("10.0.0.4")->size(), 1u);
  EXPECT_EQ(parse_address_range("10.0.0.0/8")->size(), 16'777'214u);
  EXPECT_EQ(parse_address_range("fd00::/64")->size(), ~std::uint64_t{0} - 1);
  EXPECT_EQ(parse_address_range("fd00::/32")->size(), ~std::uint64_t{0});
  EXPECT_EQ(parse_address_range("fd00::ffff:ffff:ffff:fffe-fd00:0:0:1::1")->size(), 4u);
  for (const char* wrong : {"", "10.0.0.6-10.0.0.4", "10.0.0.1-fd00::1", "vpn", "10.0.0.0/33"})
    EXPECT_FALSE(parse_address_range(wrong)) << wrong;
}

TEST(Domain, IsPlainText) {
  for (const char* good : {"corp", "a.example.org", "_srv.x-y.org"}) EXPECT_TRUE(is_domain(good));
  for (const char* bad : {"", ".", "a..b", "a.", "-a", "a b", "a\n", "a'b", "ä"})
    EXPECT_FALSE(is_domain(bad)) << bad;
}

TEST(LeaseBook, GivesOneAddressToOne) {
  LeaseBook book;
  ASSERT_TRUE(book.load(pool("p", {"10.0.0.1-10.0.0.2"})));
  EXPECT_EQ(lease(book, "alice"), "10.0.0.1");
  EXPECT_EQ(lease(book, "bob"), "10.0.0.2");
  EXPECT_THAT(lease(book, "carol"), HasSubstr("all 2 addresses of pool p are in use"));
  book.release(address("10.0.0.1"));
  EXPECT_EQ(lease(book, "carol"), "10.0.0.1");
}

TEST(LeaseBook, RemembersWhoHadWhat) {
  LeaseBook book;
  ASSERT_TRUE(book.load(pool("p", {"10.0.0.1-10.0.0.9"})));
  lease(book, "alice");
  lease(book, "bob");
  book.release(address("10.0.0.1"));
  book.release(address("10.0.0.2"));
  EXPECT_EQ(lease(book, "bob"), "10.0.0.2");
  EXPECT_EQ(lease(book, "carol"), "10.0.0.3");
  EXPECT_EQ(lease(book, "alice"), "10.0.0.1");
  // A second session of the same user has an address of its own, whatever it asks for.
  EXPECT_EQ(lease(book, "alice", "10.0.0.1"), "10.0.0.4");
}

TEST(LeaseBook, TakesTheOneThatIsUnusedForLongest) {
  LeaseBook book;
  ASSERT_TRUE(book.load(pool("p", {"10.0.0.1-10.0.0.3"})));
  for (const char* name : {"alice", "bob", "carol"}) lease(book, name);
  for (const char* text : {"10.0.0.2", "10.0.0.3", "10.0.0.1"}) book.release(address(text));
  EXPECT_EQ(lease(book, "dave"), "10.0.0.2");
  EXPECT_EQ(lease(book, "erin"), "10.0.0.3");
  EXPECT_EQ(lease(book, "alice"), "10.0.0.1");
}

TEST(LeaseBook, NamedAddressesAreGivenWhereNobodyElseHasAClaim) {
  LeaseBook book;
  ASSERT_TRUE(book.load(pool("p", {"10.0.0.1-10.0.0.9"}, {{"root", {address("10.0.0.5")}}})));
  EXPECT_EQ(lease(book, "alice", "10.0.0.7"), "10.0.0.7");
  EXPECT_EQ(lease(book, "bob", "10.0.0.7"), "10.0.0.1");
  EXPECT_EQ(lease(book, "bob", "10.0.0.5"), "10.0.0.2");
  EXPECT_EQ(lease(book, "bob", "192.0.2.1"), "10.0.0.3");
  book.release(address("10.0.0.7"));
  EXPECT_EQ(lease(book, "bob", "10.0.0.7"), "10.0.0.4");
  EXPECT_EQ(lease(book, "root"), "10.0.0.5");
}

TEST(LeaseBook, FixedAddressesAreNobodyElses) {
  LeaseBook book;
  ASSERT_TRUE(book.load(pool("p", {"10.0.0.1-10.0.0.2"}, {{"root", {address("10.0.0.1")}}})));
  EXPECT_EQ(lease(book, "alice"), "10.0.0.2");
  EXPECT_THAT(lease(book, "bob"), HasSubstr("in use"));
  EXPECT_EQ(lease(book, "root"), "10.0.0.1");
  book.release(address("10.0.0.1"));
  EXPECT_THAT(lease(book, "bob"), HasSubstr("in use"));
  EXPECT_EQ(lease(book, "root"), "10.0.0.1");
}

TEST(LeaseBook, RenewsWhatAnotherIkeSaOfThePeerHas) {
  LeaseBook book;
  ASSERT_TRUE(book.load(pool("p", {"10.0.0.1-10.0.0.9"})));
  lease(book, "alice");
  LeaseRequest again{{"p"}, "alice", {address("0.0.0.0")}};
  again.renewable = {address("10.0.0.1")};
  EXPECT_THAT(book.lease(again).addresses, ElementsAre(address("10.0.0.2")));
  again.wanted = {address("10.0.0.1")};
  EXPECT_THAT(book.lease(again).addresses, ElementsAre(address("10.0.0.1")));
  again.wanted = {address("0.0.0.0")};
  again.replaces = true;
  EXPECT_THAT(book.lease(again).addresses, ElementsAre(address("10.0.0.1")));
  EXPECT_EQ(book.pools()[0].online, 2u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(book.pools()[0].online, 2u);
    book.release(address("10.0.0.1"));
  }
  EXPECT_EQ(book.pools()[0].online, 1u);
}

TEST(LeaseBook, EachFamilyFromItsPool) {
  LeaseBook book;
  ASSERT_TRUE(book.load(pool("p", {"fd00::1-fd00::2", "10.0.0.1"})));
  ASSERT_TRUE(book.load(pool("q", {"10.1.0.1"})));
  const LeaseGrant both =
      book.lease({{"p", "q"}, "alice", {address("0.0.0.0"), address("::"), address("0.0.0.0")}});
  EXPECT_THAT(both.addresses,
              ElementsAre(address("10.0.0.1"), address("fd00::1"), address("10.1.0.1")));
  EXPECT_EQ(lease(book, "bob", "::"), "fd00::2");
  EXPECT_THAT(lease(book, "bob", "0.0.0.0", {"p", "q", "r"}),
              ::testing::AllOf(HasSubstr("pool p"), HasSubstr("pool q"),
                               HasSubstr("pool r is not loaded")));
}

TEST(LeaseBook, GivenAddressesGoBeforePools) {
  LeaseBook book;
  ASSERT_TRUE(book.load(pool("p", {"10.0.0.1-10.0.0.9"})));
  LeaseRequest request{{"p"}, "alice", {address("0.0.0.0")}};
  for (const char* text : {"10.0.0.1", "192.0.2.9"}) {
    request.given = {address(text)};
    EXPECT_THAT(book.lease(request).addresses, ElementsAre(address(text)));
  }
  EXPECT_EQ(lease(book, "bob"), "10.0.0.2");
  request.identity = "bob";
  const LeaseGrant taken = book.lease(request);
  EXPECT_THAT(taken.addresses, IsEmpty());
  EXPECT_THAT(taken.refusal, HasSubstr("192.0.2.9 is in use"));
}

TEST(LeaseBook, LeasesStayWhenPoolsChange) {
  LeaseBook book;
  ASSERT_TRUE(book.load(pool("p", {"10.0.0.1-10.0.0.9"})));
  lease(book, "alice");
  lease(book, "bob");
  book.release(address("10.0.0.2"));
  ASSERT_TRUE(book.load(pool("p", {"10.0.0.1-10.0.0.2", "10.1.0.1-10.1.0.9"})));
  EXPECT_EQ(book.pools()[0].online, 1u);
  EXPECT_EQ(book.pools()[0].offline, 1u);
  EXPECT_EQ(lease(book, "carol"), "10.1.0.1");
  EXPECT_EQ(lease(book, "bob"), "10.0.0.2");
  EXPECT_TRUE(book.unload("p"));
  EXPECT_FALSE(book.unload("p"));
  book.release(address("10.1.0.1"));
  ASSERT_TRUE(book.load(pool("p", {"10.0.0.1-10.0.0.9"})));
  EXPECT_EQ(book.pools()[0].online, 2u);
  EXPECT_FALSE(book.load(pool("q", {"10.0.0.9-10.0.0.10"})));
}

TEST(LeaseBook, IsTheSameAfterARestart) {
  LeaseBook before;
  ASSERT_TRUE(before.load(pool("p", {"10.0.0.1-10.0.0.3"})));
  for (const char* name : {"alice", "bob", "carol"}) lease(before, name);
  EXPECT_EQ(before.take_changes().size(), 3u);
  before.release(address("10.0.0.3"));
  before.release(address("10.0.0.2"));
  before.release(address("10.0.0.1"));
  const auto kept = before.take_changes();
  EXPECT_EQ(kept.size(), 3u);
  EXPECT_THAT(before.take_changes(), IsEmpty());

  LeaseBook after;
  for (const LeaseRecord& record : kept) after.remember(record);
  ASSERT_TRUE(after.load(pool("p", {"10.0.0.1-10.0.0.3"})));
  EXPECT_EQ(lease(after, "bob"), "10.0.0.2");
  EXPECT_EQ(lease(after, "dave"), "10.0.0.3");
  EXPECT_EQ(lease(after, "alice"), "10.0.0.1");
}

// A /8 and a million leases: this takes seconds only when no step looks at all of them.
TEST(LeaseBook, IsQuickWithManyLeases) {
  LeaseBook book;
  ASSERT_TRUE(book.load(pool("p", {"10.0.0.0/8"})));
  constexpr int kMany = 50'000;
  for (int i = 0; i < kMany; ++i) lease(book, "user" + std::to_string(i % 1'000));
  for (int i = 0; i < kMany; ++i)
    book.release(IpAddress::v4(0x0a00'0001u + static_cast<std::uint32_t>(i)));
  for (int i = 0; i < kMany; ++i) lease(book, "other" + std::to_string(i));
  EXPECT_EQ(book.pools()[0].online, static_cast<std::uint64_t>(kMany));
}

// Whatever is asked: no address has two identities, counts are right, and who was the last to have
// an address gets one of those again while nobody else needs it.
TEST(LeaseBook, PropertiesHoldWhateverIsDone) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](unsigned limit) { return random() % limit; };
    LeaseBook book;
    ASSERT_TRUE(book.load(pool("p", {"10.0.0.1-10.0.0.6", "10.0.1.1-10.0.1.6", "fd00::1-fd00::5"},
                               {{"u0", {address("10.0.0.2")}}})));
    std::map<IpAddress, std::vector<std::string>> online;
    const std::size_t size = 17;
    for (int step = 0; step < 2'000; ++step) {
      const std::string identity = "u" + std::to_string(below(12));
      if (below(2) == 0 && !online.empty()) {
        const auto victim = std::next(online.begin(), below(static_cast<unsigned>(online.size())));
        book.release(victim->first);
        victim->second.pop_back();
        if (victim->second.empty()) online.erase(victim);
      } else {
        LeaseRequest request{{"p"}, identity, {address(below(3) == 0 ? "::" : "0.0.0.0")}};
        if (below(3) == 0) request.wanted = {IpAddress::v4(0x0a00'0001u + below(8))};
        if (below(3) == 0)
          for (const auto& [held, owners] : online)
            if (owners[0] == identity) request.renewable.push_back(held);
        request.replaces = below(2) == 0;
        const LeaseGrant grant = book.lease(request);
        EXPECT_NE(grant.addresses.empty(), grant.refusal.empty());
        for (const IpAddress& one : grant.addresses) {
          auto& owners = online[one];
          EXPECT_TRUE(owners.empty() || owners[0] == identity) << one.to_string();
          EXPECT_TRUE(one != address("10.0.0.2") || identity == "u0");
          owners.push_back(identity);
        }
      }
      const PoolStatus status = book.pools()[0];
      ASSERT_EQ(status.online, online.size());
      ASSERT_LE(status.online + status.offline, size);
      ASSERT_EQ(book.leases("p").size(), status.online + status.offline);
    }
  }
}

}  // namespace
}  // namespace culvert
