#include "policy/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/connection_table.h"
#include "policy/secret_store.h"

namespace culvert {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }
Identity id(std::string_view text) { return parse_identity(text).value(); }

TEST(AddressPattern, RoundTrip) {
  for (const auto* text : {"192.0.2.1", "192.0.2.0/24", "192.0.2.1-192.0.2.9", "%any", "0.0.0.0/0",
                           "gw-1.example.org", "0.0.0.0/32", "2001:db8::/32", "2001:db8::1"})
    EXPECT_EQ(to_string(*parse_address_pattern(text)), text);
  EXPECT_EQ(parse_address_pattern("%any4"), parse_address_pattern("0.0.0.0/0"));
  EXPECT_EQ(parse_address_pattern("::"), parse_address_pattern("::/0"));
  for (const auto* text : {"", "192.0.2.300", "192.0.2.9-192.0.2.1", "192.0.2.1-2001:db8::1",
                           "a..b", "-a.org", "a b", "192.0.2.0/33", "192.0.2.1-x", "%anny"})
    EXPECT_FALSE(parse_address_pattern(text)) << text;
}

TEST(AddressPattern, RefusesWhatFollowsANul) {
  EXPECT_FALSE(parse_address_pattern(std::string_view("192.0.2.1\0x", 11)));
  EXPECT_FALSE(parse_identity(std::string_view("192.0.2.1\0x", 11)));
}

TEST(AddressPattern, Matches) {
  EXPECT_TRUE(parse_address_pattern("192.0.2.1-192.0.2.9")->matches(ip("192.0.2.9")));
  EXPECT_FALSE(parse_address_pattern("192.0.2.1-192.0.2.9")->matches(ip("192.0.2.10")));
  EXPECT_FALSE(parse_address_pattern("%any4")->matches(ip("::1")));
  EXPECT_TRUE(parse_address_pattern("%any")->matches(ip("::1")));
  EXPECT_TRUE(parse_address_pattern("gw.example.org")->matches(ip("192.0.2.1")));
}

struct Spec {
  std::string name;
  std::string remote = "%any", remote_id = "%any", local_id = "%any", local = "%any";
  std::string proposal = "aes128gcm16-prfsha256-x25519", child = "net";
  std::uint8_t version = 2;
  AuthKind proof = AuthKind::psk;
};
ConnectionRef make(const Spec& spec) {
  ConnectionConfig config;
  config.name = spec.name;
  config.version = spec.version;
  config.local_addrs = {parse_address_pattern(spec.local).value()};
  config.remote_addrs = {parse_address_pattern(spec.remote).value()};
  config.proposals = {parse_proposal(spec.proposal, wire::ProtocolId::ike).value()};
  config.local.id = id(spec.local_id);
  config.remote.id = id(spec.remote_id);
  config.remote.kind = spec.proof;
  config.children = {{.name = spec.child}, {.name = spec.child}};
  return std::make_shared<const ConnectionConfig>(std::move(config));
}
std::vector<std::string> names(const std::vector<ConnectionRef>& connections) {
  std::vector<std::string> result;
  for (const auto& connection : connections) result.push_back(connection->name);
  return result;
}
const IpAddress kLocal = ip("198.51.100.1"), kRemote = ip("192.0.2.7");

TEST(ConnectionTable, FindsByNameAndChild) {
  ConnectionTable table;
  table.add(make({.name = "b", .child = "x"}));
  table.add(make({.name = "a", .child = "x"}));
  EXPECT_EQ(table.find("b")->name, "b");
  EXPECT_EQ(table.find("c"), nullptr);
  EXPECT_EQ(table.find_by_child("x")->name, "a");
  EXPECT_TRUE(table.remove("a"));
  EXPECT_FALSE(table.remove("a"));
  EXPECT_EQ(table.find_by_child("x")->name, "b");
  table.add(make({.name = "b", .child = "y"}));
  EXPECT_EQ(table.find_by_child("x"), nullptr);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_NE(table.find("b")->child("y"), nullptr);
  EXPECT_EQ(table.find("b")->child("x"), nullptr);
}

TEST(ConnectionTable, MostSpecificAddressesFirst) {
  ConnectionTable table;
  table.add(make({.name = "any", .proposal = "aes128-sha256-x25519"}));
  table.add(make({.name = "net", .remote = "192.0.2.0/24", .proposal = "aes256-sha256-x25519"}));
  table.add(make({.name = "host", .remote = "192.0.2.7"}));
  table.add(make({.name = "host2", .remote = "192.0.2.7", .remote_id = "b"}));
  table.add(
      make({.name = "range", .remote = "192.0.2.6-192.0.2.9", .proposal = "aes192-sha256-x25519"}));
  table.add(
      make({.name = "other", .remote = "192.0.2.1-192.0.2.3", .proposal = "3des-sha1-modp2048"}));
  table.add(make(
      {.name = "v1", .remote = "192.0.2.7", .proposal = "aes256-sha1-modp2048", .version = 1}));
  table.add(
      make({.name = "elsewhere", .local = "198.51.100.2", .proposal = "aes256-md5-modp2048"}));
  EXPECT_THAT(names(table.by_addresses(kLocal, kRemote, 2)),
              ElementsAre("host", "range", "net", "any"));
  EXPECT_THAT(names(table.by_addresses(kLocal, kRemote, 1)), ElementsAre("v1"));
  EXPECT_THAT(names(table.by_addresses(kLocal, ip("203.0.113.1"), 2)), ElementsAre("any"));
  EXPECT_THAT(names(table.by_addresses(ip("2001:db8::1"), ip("2001:db8::2"), 2)),
              ElementsAre("any"));
  table.remove("host");
  EXPECT_THAT(names(table.by_addresses(kLocal, kRemote, 2)),
              ElementsAre("host2", "range", "net", "any"));
  for (const auto* name : {"host2", "range", "net", "any"}) table.remove(name);
  EXPECT_TRUE(table.by_addresses(kLocal, kRemote, 2).empty());
}

TEST(ConnectionTable, ExactIdentityBeforePatterns) {
  ConnectionTable table;
  table.add(make({.name = "any"}));
  table.add(make({.name = "wide", .remote_id = "*.example.org"}));
  table.add(make({.name = "narrow", .remote_id = "*.east.example.org"}));
  table.add(make({.name = "exact", .remote_id = "a.east.example.org"}));
  table.add(make({.name = "v1", .remote_id = "a.east.example.org", .version = 1}));
  ConnectionTable::PeerQuery query{kLocal, kRemote, {}, id("A.east.example.org"), nullptr};
  for (const auto* expected : {"exact", "narrow", "wide", "any"}) {
    const auto answer = table.by_identity(query);
    ASSERT_TRUE(answer.connection);
    EXPECT_EQ(answer.connection->name, expected);
    table.remove(expected);
  }
  EXPECT_FALSE(table.by_identity(query).connection);
  query.version = 1;
  EXPECT_EQ(table.by_identity(query).connection->name, "v1");
}

TEST(ConnectionTable, TheProofDecidesBeforeTheIdentity) {
  ConnectionTable table;
  table.add(make({.name = "site", .remote_id = "a.example.org"}));
  table.add(make({.name = "sites"}));
  table.add(make({.name = "users", .proof = AuthKind::eap}));
  ConnectionTable::PeerQuery query{kLocal, kRemote, {}, id("a.example.org"), nullptr};
  query.proof = AuthKind::eap;
  EXPECT_EQ(table.by_identity(query).connection->name, "users");
  query.proof = AuthKind::psk;
  EXPECT_EQ(table.by_identity(query).connection->name, "site");
  query.their_id = id("b.example.org");
  EXPECT_EQ(table.by_identity(query).connection->name, "sites");
  query.proof = AuthKind::pubkey;  // nobody asks for it: the best of the others
  EXPECT_EQ(table.by_identity(query).connection->name, "sites");
}

TEST(ConnectionTable, LocalIdentityDecidesToo) {
  ConnectionTable table;
  table.add(make({.name = "a", .remote_id = "peer", .local_id = "a.example.org"}));
  table.add(make({.name = "b", .remote_id = "peer", .local_id = "b.example.org"}));
  ConnectionTable::PeerQuery query{kLocal, kRemote, id("b.example.org"), id("@peer"), nullptr};
  EXPECT_EQ(table.by_identity(query).connection->name, "b");
  query.my_id = {};
  EXPECT_EQ(table.by_identity(query).connection->name, "a");
  query.my_id = id("c.example.org");
  const auto answer = table.by_identity(query);
  EXPECT_FALSE(answer.connection);
  EXPECT_EQ(answer.explanation,
            "the peer asks for local identity 'c.example.org', connections have: a.example.org, "
            "b.example.org");
}

TEST(ConnectionTable, SaysWhyNot) {
  ConnectionTable table;
  table.add(make({.name = "a", .remote = "192.0.2.0/24", .remote_id = "sun.example.org"}));
  ConnectionTable::PeerQuery query{kLocal, kRemote, {}, id("moon"), nullptr};
  EXPECT_EQ(table.by_identity(query).explanation,
            "remote identity is 'moon', connections accept: sun.example.org");
  const Suite other{{Encr::aes_cbc, 256, Integ::hmac_sha1_96}, Prf::hmac_sha1, Ke::modp2048};
  query.agreed = &other;
  EXPECT_THAT(table.by_identity(query).explanation, HasSubstr("IKE proposal"));
  query.remote = ip("203.0.113.1");
  EXPECT_EQ(table.by_identity(query).explanation,
            "no connection for 198.51.100.1 with peer 203.0.113.1");
}

TEST(ConnectionTable, TenThousandConnections) {
  ConnectionTable table;
  const auto address = [](std::uint32_t i) { return IpAddress::v4(0x0a000000u + i); };
  constexpr std::uint32_t kCount = 10'000;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    const std::string number = std::to_string(i);
    table.add(make({.name = "site" + number,
                    .remote = address(i).to_string(),
                    .remote_id = "site" + number + ".example.org"}));
    table.add(make({.name = "road" + number, .remote_id = "road" + number + ".example.org"}));
  }
  for (std::uint32_t i = 0; i < kCount; i += 7) {
    const std::string number = std::to_string(i);
    EXPECT_THAT(names(table.by_addresses(kLocal, address(i), 2)), ElementsAre("site" + number));
    for (const std::string kind : {"site", "road"}) {
      const auto answer =
          table.by_identity({kLocal, address(i), {}, id(kind + number + ".example.org"), nullptr});
      ASSERT_TRUE(answer.connection);
      EXPECT_EQ(answer.connection->name, kind + number);
    }
  }
  const auto refused = table.by_identity({kLocal, address(1), {}, id("nobody"), nullptr});
  EXPECT_FALSE(refused.connection);
  EXPECT_LT(refused.explanation.size(), 200u);
  for (std::uint32_t i = 0; i < kCount; ++i) {
    EXPECT_TRUE(table.remove("site" + std::to_string(i)));
    EXPECT_TRUE(table.remove("road" + std::to_string(i)));
  }
  EXPECT_EQ(table.size(), 0u);
  EXPECT_TRUE(table.by_addresses(kLocal, address(1), 2).empty());
}

SharedSecret secret(std::string name, std::initializer_list<std::string_view> owners) {
  SharedSecret result{.id = name, .secret = SecretBytes(as_bytes(name))};
  for (const auto owner : owners) result.owners.push_back(id(owner));
  return result;
}
std::string found(const SecretStore& store, std::string_view mine, std::string_view theirs) {
  const auto* best = store.find(id(mine), id(theirs));
  return best ? best->id : "";
}

TEST(SecretStore, BestFit) {
  SecretStore store;
  store.add(secret("anyone", {}));
  store.add(secret("org", {"*.example.org"}));
  store.add(secret("mine", {"moon"}));
  store.add(secret("theirs", {"sun.example.org"}));
  store.add(secret("pair", {"moon", "sun.example.org"}));
  for (const auto* expected : {"pair", "theirs", "org", "mine", "anyone", ""}) {
    EXPECT_EQ(found(store, "moon", "SUN.example.org"), expected);
    store.remove(expected);
  }
}

TEST(SecretStore, ASecretWithSomebodyElseProvesNothing) {
  SecretStore store;
  store.add(secret("pair", {"moon", "sun"}));
  EXPECT_EQ(found(store, "moon", "sun"), "pair");
  EXPECT_EQ(found(store, "moon", "venus"), "");
  EXPECT_EQ(found(store, "mars", "sun"), "pair");
  store.add(secret("mixed", {"moon", "*.example.org"}));
  EXPECT_EQ(found(store, "moon", "venus"), "");
  EXPECT_EQ(found(store, "moon", "a.example.org"), "mixed");
}

TEST(SecretStore, ReplaceAndRemove) {
  SecretStore store;
  store.add(secret("s", {"moon", "sun"}));
  store.add(secret("t", {"sun"}));
  store.add(secret("s", {"venus"}));
  EXPECT_EQ(store.size(), 2u);
  EXPECT_THAT(store.ids(), ElementsAre("s", "t"));
  EXPECT_EQ(found(store, "moon", "sun"), "t");
  EXPECT_EQ(found(store, "moon", "venus"), "s");
  EXPECT_EQ(as_text(store.find(id("moon"), id("venus"))->secret.view()), "s");
  EXPECT_TRUE(store.remove("t"));
  EXPECT_FALSE(store.remove("t"));
  EXPECT_EQ(found(store, "moon", "sun"), "");
  store.clear();
  EXPECT_EQ(found(store, "moon", "venus"), "");
  EXPECT_EQ(store.size(), 0u);
}

}  // namespace
}  // namespace culvert
