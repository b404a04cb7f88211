// Pools over the control socket, and what connections say of addresses.
#include <gmock/gmock.h>

#include "control/vici_commands.h"
#include "control/vici_load.h"
#include "tests/unit/control/fake_backend.h"

namespace culvert::vici {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Answer final : Reply {
  void respond(Message&& answer) override { message = std::move(answer); }
  void stream(std::string_view, Next) override {}
  void respond_after(std::chrono::milliseconds, Message&&) override {}
  void follow_log(Filter, unsigned) override {}
  Message message;
};

struct Pools : ::testing::Test {
  Message run(const std::string& command, Message request) {
    const auto answer = std::make_shared<Answer>();
    EXPECT_TRUE(commands.run(command, std::move(request), answer));
    return answer->message;
  }
  Message load(const std::string& name, const std::string& addresses, const std::string& key = "",
               const List& values = {}) {
    Message request;
    Section& pool = request.add_section(name);
    pool.add("addrs", addresses);
    if (!key.empty()) pool.add_list(key, values);
    return run("load-pool", std::move(request));
  }
  Message unload(const std::string& name) {
    Message request;
    request.add("name", name);
    return run("unload-pool", std::move(request));
  }
  LeaseGrant lease(const std::string& identity) {
    return backend.book.lease({{"road"}, identity, {IpAddress::any(Family::v4)}});
  }

  control::FakeBackend backend;
  Commands commands{backend};
};

TEST_F(Pools, AreLoadedAndListed) {
  EXPECT_EQ(load("road", "10.9.0.0/29", "dns", {"10.1.0.53", "fd01::53"}).get("success"), "yes");
  EXPECT_EQ(backend.book.find("road")->settings.dns.size(), 2u);
  lease("alice");
  lease("bob");
  backend.book.release(*IpAddress::parse("10.9.0.2"));
  Message request;
  request.add("leases", "yes");
  const Message answer = run("get-pools", std::move(request));
  const Section* road = answer.find_section("road");
  ASSERT_NE(road, nullptr);
  EXPECT_EQ(road->get("base"), "10.9.0.1");
  EXPECT_EQ(road->get("size"), "6");
  EXPECT_EQ(road->get("online"), "1");
  EXPECT_EQ(road->get("offline"), "1");
  const Section* second = road->find_section("leases")->find_section("1");
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->get("address"), "10.9.0.2");
  EXPECT_EQ(second->get("identity"), "bob");
  EXPECT_EQ(second->get("status"), "offline");
  Message named;
  named.add("name", "other");
  EXPECT_TRUE(run("get-pools", std::move(named)).empty());
}

TEST_F(Pools, MistakesAreExplained) {
  EXPECT_THAT(std::string(load("road", "10.9.0").get("errmsg")), HasSubstr("road.addrs"));
  EXPECT_THAT(std::string(load("road", "10.9.0.1", "dns", {"x"}).get("errmsg")),
              HasSubstr("'x' is not an address"));
  EXPECT_THAT(std::string(load("road", "10.9.0.1", "dhcp", {"10.1.0.1"}).get("errmsg")),
              HasSubstr("not an attribute"));
  EXPECT_EQ(load("road", "10.9.0.1").get("success"), "yes");
  EXPECT_THAT(std::string(load("other", "10.9.0.0/24").get("errmsg")), HasSubstr("of pool road"));
  EXPECT_EQ(unload("other").get("success"), "no");
}

TEST_F(Pools, OfTheFileStay) {
  ASSERT_TRUE(backend.load_pool(std::make_shared<const PoolConfig>(
      PoolConfig{"road", {*parse_address_range("10.9.0.0/24")}, {}, {}})));
  EXPECT_THAT(std::string(unload("road").get("errmsg")), HasSubstr("configuration file"));
  EXPECT_THAT(std::string(load("road", "10.8.0.1").get("errmsg")), HasSubstr("configuration file"));
  ASSERT_NE(backend.book.find("road"), nullptr);
}

TEST(LoadConn, TakesPoolsAndVirtualAddresses) {
  Message request;
  request.add_section("gw").add_list("vips", {"0.0.0.0", "%any6", "10.9.0.7"}).add("pools", "road");
  const auto loaded = load_connections(request);
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_THAT(loaded->at(0).pools, ElementsAre("road"));
  EXPECT_THAT(loaded->at(0).vips,
              ElementsAre(IpAddress::any(Family::v4), IpAddress::any(Family::v6),
                          *IpAddress::parse("10.9.0.7")));
  Message wrong;
  wrong.add_section("gw").add("vips", "me");
  EXPECT_FALSE(load_connections(wrong));
}

}  // namespace
}  // namespace culvert::vici
