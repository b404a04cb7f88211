// Pools and requests for addresses in the file.
#include <gmock/gmock.h>

#include "config/load.h"

namespace culvert::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::string_view kTunnel = "[tunnel.t]\npeer = \"any\"\npsk = \"k\"\n";

Loaded loaded(const std::string& text) {
  auto result = load_text(text, "test.toml");
  if (result) return std::move(*result);
  for (const auto& diagnostic : result.error()) ADD_FAILURE() << diagnostic.to_string();
  return {};
}

std::string mistake(const std::string& text) {
  const auto result = load_text(text, "test.toml");
  if (result) return "none";
  std::string all;
  for (const auto& one : result.error()) all += one.to_string() + "\n";
  return all;
}

std::string with(const std::string& lines) { return std::string(kTunnel) + lines; }

TEST(Pools, OfATunnelBearItsName) {
  const Loaded file =
      loaded(with("pool = [\"10.9.0.0/24\", \"fd09::/64\"]\ndns = \"10.1.0.53\"\n"));
  ASSERT_THAT(file.pools, SizeIs(1));
  EXPECT_EQ(file.pools[0]->name, "t");
  EXPECT_THAT(file.pools[0]->ranges, SizeIs(2));
  EXPECT_THAT(file.pools[0]->settings.dns, ElementsAre(*IpAddress::parse("10.1.0.53")));
  EXPECT_THAT(file.connections.at(0)->pools, ElementsAre("t"));
}

TEST(Pools, MayBeShared) {
  const Loaded file = loaded(with(R"(pool = ["road", "10.8.0.1-10.8.0.9"]
[pool.road]
addresses = "10.9.0.0/24"
dns = ["10.1.0.53"]
split_dns = "corp.example.org"
subnets = "10.1.0.0/16"
nbns = "10.1.0.2"
p_cscf = "10.1.0.3"
fixed = { alice = "10.9.0.7", "bob@example.org" = ["10.9.0.8"] }
)"));
  ASSERT_THAT(file.pools, SizeIs(2));
  EXPECT_THAT(file.connections.at(0)->pools, ElementsAre("t", "road"));
  const PoolConfig& road = *file.pools[0];
  EXPECT_EQ(road.name, "road");
  EXPECT_THAT(road.settings.domains, ElementsAre("corp.example.org"));
  EXPECT_THAT(road.settings.subnets, SizeIs(1));
  EXPECT_THAT(road.fixed, SizeIs(2));
  EXPECT_THAT(road.fixed.at("alice"), ElementsAre(*IpAddress::parse("10.9.0.7")));
}

TEST(Pools, MistakesAreExplained) {
  EXPECT_THAT(mistake(with("pool = \"raod\"\n[pool.road]\naddresses = \"10.9.0.0/24\"\n")),
              HasSubstr("did you mean 'road'?"));
  EXPECT_THAT(mistake(with("pool = \"10.9.0.0/24\"\n[pool.road]\naddresses = \"10.9.0.9\"\n")),
              HasSubstr("both have 10.9.0.9"));
  EXPECT_THAT(mistake(with("pool = [\"10.9.0.0/24\", \"10.9.0.4-10.9.1.4\"]\n")),
              HasSubstr("both have"));
  EXPECT_THAT(mistake(with("pool = \"10.9.0.0/24\"\n[pool.t]\naddresses = \"10.8.0.0/24\"\n")),
              HasSubstr("gets the name of [pool.t]"));
  EXPECT_THAT(mistake(with("dns = \"10.1.0.53\"\n")), HasSubstr("needs addresses in 'pool'"));
  EXPECT_THAT(mistake(with("[pool.road]\n")), HasSubstr("has no 'addresses'"));
  EXPECT_THAT(mistake(with("[pool.road]\naddress = \"10.9.0.0/24\"\n")),
              HasSubstr("did you mean 'addresses'?"));
  EXPECT_THAT(
      mistake(with("[pool.road]\naddresses = \"10.9.0.1\"\nfixed = { a = \"10.9.0.2\" }\n")),
      HasSubstr("is not one of the pool's addresses"));
  EXPECT_THAT(mistake(with("[pool.road]\naddresses = \"10.9.0.1\"\n"
                           "fixed = { a = \"10.9.0.1\", b = \"10.9.0.1\" }\n")),
              HasSubstr("'a''s already"));
  EXPECT_THAT(mistake(with("[pool.road]\naddresses = \"10.9.0.1\"\nsplit_dns = \"a b\"\n")),
              HasSubstr("is not a domain name"));
}

TEST(Requests, ForAddresses) {
  const auto vips = [](const std::string& value) {
    std::vector<std::string> texts;
    const Loaded file = loaded(with("request_address = " + value + "\n"));
    if (file.connections.empty()) return texts;
    for (const IpAddress& one : file.connections[0]->vips) texts.push_back(one.to_string());
    return texts;
  };
  EXPECT_THAT(vips("true"), ElementsAre("0.0.0.0", "::"));
  EXPECT_THAT(vips("false"), ElementsAre());
  EXPECT_THAT(vips("\"ipv6\""), ElementsAre("::"));
  EXPECT_THAT(vips("[\"10.9.0.7\", \"ipv6\"]"), ElementsAre("10.9.0.7", "::"));
  EXPECT_THAT(mistake(with("request_address = \"ipv5\"\n")), HasSubstr("is not an address"));
}

}  // namespace
}  // namespace culvert::config
