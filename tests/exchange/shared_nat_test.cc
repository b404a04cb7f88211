// Two clients behind one NAT: same address, other ports; each is followed on its own.
// RFC 7296, 2.23.
#include "tests/exchange/pair.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

// Both clients live in the first gateway's shard, with addresses of their own.
class SharedNat : public ::testing::Test {
 protected:
  SharedNat() {
    pair.wire = [this](InTransit one) {
      under_way.push_back(std::move(one));
      return std::vector<InTransit>{};
    };
    load_site(pair);
    for (const bool second : {false, true}) {
      ConnectionConfig client = site(true);
      client.name = second ? "two" : "one";
      client.local_addrs = {*parse_address_pattern(second ? "10.0.0.3" : "10.0.0.2")};
      client.local.id = *parse_identity(second ? "two@example.org" : "one@example.org");
      client.children[0].local = {*parse_selector(second ? "10.1.2.0/24" : "10.1.1.0/24")};
      pair.a.load(client, pair.now);
    }
    ConnectionConfig server = site(false);
    server.remote_addrs.clear();
    server.remote.id = *parse_identity("*@example.org");
    pair.b.load(server, pair.now);
    pair.a.shard->command(Initiate{{1}, "one", "net"}, pair.now);
    pair.a.shard->command(Initiate{{2}, "two", "net"}, pair.now);
    settle();
  }

  // A port of the NAT for each client and port of its own.
  Endpoint outside(const Endpoint& inside) const {
    const bool second = inside.address == ip("10.0.0.3");
    const int base = second ? base_of_two : 10'000;
    return {ip("198.51.100.1"), static_cast<std::uint16_t>(base + inside.port)};
  }
  void settle() {
    for (int round = 0; round < 100; ++round) {
      pair.run();
      const auto arriving = std::exchange(under_way, {});
      if (arriving.empty()) return;
      for (const InTransit& one : arriving) deliver(one);
    }
    FAIL() << "they never come to rest";
  }
  void deliver(const InTransit& one) {
    if (one.to.address == pair.b.address)
      return pair.b.shard->receive({one.to, outside(one.from), one.payload}, pair.now);
    for (const char* address : {"10.0.0.2", "10.0.0.3"})
      for (const std::uint16_t port : {500, 4500})
        if (const Endpoint inside{ip(address), port}; outside(inside) == one.to)
          pair.a.shard->receive({inside, one.from, one.payload}, pair.now);
  }
  Endpoint remote_of(const char* id) {
    for (const IkeSaStatus& sa : pair.b.shard->list_sas(pair.now))
      if (sa.remote_id == id) return sa.remote;
    return {};
  }
  SaPairId pair_of(const char* id) {
    for (const IkeSaStatus& sa : pair.b.shard->list_sas(pair.now))
      if (sa.remote_id == id && !sa.children.empty()) return sa.children[0].pair;
    return {};
  }

  Pair pair{{}, {}, "10.0.0.2"};
  std::vector<InTransit> under_way;
  int base_of_two = 20'000;
};

TEST_F(SharedNat, EachHasATunnelOfItsOwn) {
  ASSERT_TRUE(pair.a.done(1) && pair.a.done(1)->success);
  ASSERT_TRUE(pair.a.done(2) && pair.a.done(2)->success);
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, 2u);
  EXPECT_EQ(remote_of("one@example.org").port, 14'500);
  EXPECT_EQ(remote_of("two@example.org").port, 24'500);
  EXPECT_TRUE(sads_agree(pair));
}

TEST_F(SharedNat, OnlyTheOneWhoseMappingChangedIsFollowed) {
  base_of_two = 30'000;
  const SaPairId moved = pair_of("two@example.org");
  ASSERT_TRUE(moved);
  pair.b.operations_log.clear();
  pair.b.shard->notice(MappingChange{moved, {ip("198.51.100.1"), 34'500}}, pair.now);
  settle();
  EXPECT_EQ(remote_of("one@example.org").port, 14'500);
  EXPECT_EQ(remote_of("two@example.org").port, 34'500);
  for (const SadOp& op : pair.b.operations_log)
    if (const auto* update = std::get_if<UpdateSa>(&op)) {
      EXPECT_EQ(update->pair, moved);
    }
  // The server's own requests find both.
  pair.b.shard->command(Rekey{.id = {3}, .connection = "site", .child = "net"}, pair.now);
  settle();
  std::size_t rekeyed = 0;
  for (const SaNews& news : pair.b.news) rekeyed += std::holds_alternative<ChildSaRekeyed>(news);
  EXPECT_EQ(rekeyed, 2u);
}

TEST_F(SharedNat, TheEndOfOneLeavesTheOther) {
  pair.a.shard->command(Terminate{.id = {4}, .connection = "one"}, pair.now);
  settle();
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, 1u);
  EXPECT_EQ(remote_of("two@example.org").port, 24'500);
  EXPECT_TRUE(sads_agree(pair));
}

}  // namespace
}  // namespace culvert::exchange_test
