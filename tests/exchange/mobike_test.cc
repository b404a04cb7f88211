// MOBIKE (RFC 4555) and NAT traversal after IKE_AUTH: moving, verifying, probing, keeping alive.
#include <gmock/gmock.h>

#include "tests/exchange/pair.h"
#include "wire/v2/message.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

// Two gateways of which each may have several addresses and stand behind a NAT; `a` initiates.
class Mobile : public ::testing::Test {
 protected:
  Mobile() {
    pair.wire = [this](InTransit one) { return carry(std::move(one)); };
  }

  ConnectionConfig open(bool first) {
    ConnectionConfig connection = site(first);
    connection.local_addrs.clear();
    if (!first) connection.remote_addrs.clear();
    return connection;
  }
  void set_up(ConnectionConfig of_a, ConnectionConfig of_b) {
    load_site(pair);
    pair.a.load(std::move(of_a), pair.now);
    pair.b.load(std::move(of_b), pair.now);
    tell(pair.a, addresses_a);
    tell(pair.b, addresses_b);
    initiate_from_a();
  }
  void set_up() { set_up(open(true), open(false)); }
  void initiate_from_a() {
    pair.a.shard->command(Initiate{{1}, "site", "net"}, pair.now);
    settle();
    if (pair.a.path_questions.empty() && !pair.a.done(1)) {
      pair.a.shard->complete(JobId{1}, {addresses_a.front(), ip("192.0.2.2"), {}}, pair.now);
      settle();
    }
    ASSERT_TRUE(pair.a.done(1));
    ASSERT_TRUE(pair.a.done(1)->success) << pair.a.done(1)->explanation;
    pair.sent.clear();
  }
  void tell(Gateway& gateway, const std::vector<IpAddress>& addresses) {
    gateway.shard->command(NetworkChanged{addresses}, pair.now);
  }
  // Everything until both rest, with routing's answers.
  void settle() {
    for (int round = 0; round < 200; ++round) {
      pair.run();
      const auto arriving = std::exchange(under_way, {});
      for (const InTransit& one : arriving) deliver(one);
      const bool asked = answer(pair.a, addresses_a) | answer(pair.b, addresses_b);
      if (arriving.empty() && !asked) return;
    }
    FAIL() << "the two never come to rest";
  }
  void pass(Duration duration) {
    for (const TimePoint end = pair.now + duration; pair.now < end;) {
      pair.pass(std::min(end - pair.now, Duration(500ms)));
      settle();
    }
  }
  bool answer(Gateway& gateway, const std::vector<IpAddress>& own) {
    auto questions = std::exchange(gateway.path_questions, {});
    for (const FindPaths& question : questions) {
      FoundPaths paths;
      for (const IpAddress& remote : question.remotes)
        for (const IpAddress& local : own)
          if (local.family() == remote.family()) paths.push_back({local, remote});
      gateway.shard->complete(question.job, std::move(paths), pair.now);
    }
    return !questions.empty();
  }
  void move_a(std::vector<IpAddress> addresses) {
    addresses_a = std::move(addresses);
    tell(pair.a, addresses_a);
    settle();
  }
  void move_b(std::vector<IpAddress> addresses) {
    addresses_b = std::move(addresses);
    tell(pair.b, addresses_b);
    settle();
  }

  static bool holds(const std::vector<IpAddress>& addresses, const IpAddress& one) {
    return std::ranges::find(addresses, one) != addresses.end();
  }
  std::vector<InTransit> carry(InTransit one) {
    const bool from_a = holds(addresses_a, one.from.address);
    if (from_a && nat) one.from = {*nat, static_cast<std::uint16_t>(one.from.port + nat_shift)};
    if (nat && one.to.address == *nat) {
      const auto port = static_cast<std::uint16_t>(one.to.port - nat_shift);
      if (port != 500 && port != 4500) return {};
      one.to = {addresses_a.front(), port};
    }
    for (const auto& [from, to] : broken)
      if ((from == one.from.address && to == one.to.address) ||
          (to == one.from.address && from == one.to.address))
        return {};
    if (drop && drop(one)) return {};
    // The gateways of a Pair have one address each, so settle() delivers.
    under_way.push_back(std::move(one));
    return {};
  }
  void deliver(const InTransit& one) {
    if (holds(addresses_a, one.to.address))
      pair.a.shard->receive({one.to, one.from, one.payload}, pair.now);
    if (holds(addresses_b, one.to.address))
      pair.b.shard->receive({one.to, one.from, one.payload}, pair.now);
  }

  // Where the data plane sends, all SAs alike.
  static std::pair<Endpoint, Endpoint> plane(const Gateway& gateway) {
    std::pair<Endpoint, Endpoint> where;
    for (const auto& [key, sa] : gateway.sad) where = {sa.local, sa.remote};
    for (const SadOp& op : gateway.operations_log)
      if (const auto* update = std::get_if<UpdateSa>(&op)) where = {update->local, update->remote};
    return where;
  }
  static bool encapsulates(const Gateway& gateway) {
    bool encapsulated = false;
    for (const auto& [key, sa] : gateway.sad) encapsulated = sa.udp_encap;
    for (const SadOp& op : gateway.operations_log)
      if (const auto* update = std::get_if<UpdateSa>(&op)) encapsulated = update->udp_encap;
    return encapsulated;
  }
  static std::vector<EndpointsChanging> moves(const Gateway& gateway) {
    std::vector<EndpointsChanging> all;
    for (const SaNews& news : gateway.news)
      if (const auto* move = std::get_if<EndpointsChanging>(&news)) all.push_back(*move);
    return all;
  }
  static std::vector<std::string> sentences(const Gateway& gateway) {
    std::vector<std::string> all;
    for (const trace::Event& event : gateway.events) all.push_back(trace::sentence_of(event));
    return all;
  }
  static bool said(const Gateway& gateway, const std::string& start, const std::string& part) {
    for (const std::string& one : sentences(gateway))
      if (one.starts_with(start) && one.find(part) != std::string::npos) return true;
    return false;
  }

  Pair pair;
  std::vector<InTransit> under_way;
  std::vector<IpAddress> addresses_a{ip("192.0.2.1")}, addresses_b{ip("192.0.2.2")};
  std::optional<IpAddress> nat;
  std::uint16_t nat_shift = 0;
  std::vector<std::pair<IpAddress, IpAddress>> broken;
  std::function<bool(const InTransit&)> drop;
};

TEST_F(Mobile, IkeAuthGoesToPort4500WithoutANatToo) {
  set_up();
  EXPECT_EQ(plane(pair.a).first.port, 4500);
  EXPECT_EQ(plane(pair.b).second.port, 4500);
  EXPECT_FALSE(encapsulates(pair.a));
  EXPECT_TRUE(said(pair.a, "sent IKE_AUTH request", "MOBIKE_SUP"));
  EXPECT_TRUE(said(pair.a, "received IKE_AUTH response", "MOBIKE_SUP"));
}

TEST_F(Mobile, EitherSideCanSwitchItOff) {
  for (const bool at_a : {true, false}) {
    Pair fresh;
    load_site(fresh);
    ConnectionConfig without = site(at_a);
    without.mobike = false;
    (at_a ? fresh.a : fresh.b).load(without, fresh.now);
    initiate(fresh);
    ASSERT_TRUE(fresh.a.done(1)->success);
    EXPECT_FALSE(said(fresh.a, "received IKE_AUTH response", "MOBIKE_SUP"));
    fresh.a.shard->command(NetworkChanged{{ip("192.0.2.1"), ip("192.0.2.9")}}, fresh.now);
    fresh.run();
    EXPECT_TRUE(fresh.a.path_questions.empty());
  }
}

TEST_F(Mobile, TheInitiatorMovesAndItsAddressIsVerifiedFirst) {
  set_up();
  bool verified_before = false;
  drop = [&](const InTransit&) {  // as long as nothing came back, ESP must not go there
    verified_before |= plane(pair.b).second.address == ip("198.51.100.7") && pair.sent.size() < 4;
    return false;
  };
  move_a({ip("198.51.100.7")});
  EXPECT_FALSE(verified_before);
  EXPECT_EQ(pair.sent.size(), 4u);  // UPDATE_SA_ADDRESSES and COOKIE2, each answered
  EXPECT_EQ(plane(pair.a).first.address, ip("198.51.100.7"));
  EXPECT_EQ(plane(pair.b).second, (Endpoint{ip("198.51.100.7"), 4500}));
  ASSERT_EQ(moves(pair.b).size(), 1u);
  EXPECT_EQ(moves(pair.b)[0].sa.remote.address, ip("192.0.2.1"));
  EXPECT_EQ(moves(pair.b)[0].remote.address, ip("198.51.100.7"));
  ASSERT_EQ(moves(pair.a).size(), 1u);
  EXPECT_TRUE(pair.a.event<trace::PathChanged>());
}

TEST_F(Mobile, NobodyIsFloodedInTheNameOfAnother) {
  set_up();
  const IpAddress victim = ip("203.0.113.66");
  std::size_t to_victim = 0, octets = 0;
  drop = [&](const InTransit& one) {
    if (one.to.address != victim) return false;
    ++to_victim;
    octets += one.payload.size();
    return true;  // the victim does not answer
  };
  move_a({victim});
  pass(400s);
  EXPECT_NE(plane(pair.b).second.address, victim);
  EXPECT_LE(to_victim, 24u);
  EXPECT_LE(octets, 6'000u);
}

TEST_F(Mobile, TwoMovesInARowEndAtTheSecond) {
  set_up();
  drop = [&](const InTransit& one) { return one.to.address == ip("198.51.100.7"); };
  move_a({ip("198.51.100.7")});
  move_a({ip("198.51.100.8")});
  pass(5s);
  EXPECT_EQ(plane(pair.a).first.address, ip("198.51.100.8"));
  EXPECT_EQ(plane(pair.b).second.address, ip("198.51.100.8"));
  EXPECT_EQ(pair.a.shard->statistics().ike_sas, 1u);
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, 1u);
}

TEST_F(Mobile, ARequestThatIsOutGoesOverTheNewPath) {
  ConnectionConfig watchful = open(true);
  watchful.dpd_delay = 10s;
  set_up(watchful, open(false));
  drop = [](const InTransit&) { return true; };
  pass(11s);  // the liveness check is lost
  drop = nullptr;
  move_a({ip("198.51.100.7")});
  EXPECT_EQ(plane(pair.b).second.address, ip("198.51.100.7"));
}

TEST_F(Mobile, FromBehindANatAndBack) {
  set_up();
  nat = ip("203.0.113.5");
  nat_shift = 10'000;
  move_a({ip("10.77.0.2")});
  EXPECT_TRUE(encapsulates(pair.a));
  EXPECT_TRUE(encapsulates(pair.b));
  EXPECT_EQ(plane(pair.b).second, (Endpoint{ip("203.0.113.5"), 14'500}));
  pair.a.keepalives.clear();
  pass(41s);
  EXPECT_EQ(pair.a.keepalives.size(), 2u);
  EXPECT_TRUE(pair.b.keepalives.empty());
  nat.reset();
  move_a({ip("192.0.2.1")});
  EXPECT_FALSE(encapsulates(pair.a));
  EXPECT_FALSE(encapsulates(pair.b));
  EXPECT_EQ(plane(pair.b).second, (Endpoint{ip("192.0.2.1"), 4500}));
  pair.a.keepalives.clear();
  pass(60s);
  EXPECT_TRUE(pair.a.keepalives.empty());
}

TEST_F(Mobile, BetweenFamilies) {
  addresses_b = {ip("192.0.2.2"), ip("2001:db8::2")};
  set_up();
  move_a({ip("2001:db8::1")});
  EXPECT_EQ(plane(pair.a).second.address, ip("2001:db8::2"));
  EXPECT_EQ(plane(pair.b).second.address, ip("2001:db8::1"));
  move_a({ip("192.0.2.1")});
  EXPECT_EQ(plane(pair.a).second.address, ip("192.0.2.2"));
  EXPECT_EQ(plane(pair.b).second.address, ip("192.0.2.1"));
}

TEST_F(Mobile, ANewMappingIsSeenInALivenessCheck) {
  nat = ip("203.0.113.5");
  nat_shift = 10'000;
  ConnectionConfig watchful = open(true);
  watchful.dpd_delay = 10s;
  set_up(watchful, open(false));
  pass(15s);  // the first check tells as whom the peer sees us
  nat_shift = 20'000;
  pass(12s);
  EXPECT_EQ(plane(pair.b).second.port, 24'500);
  const std::size_t before = moves(pair.b).size();
  pass(30s);
  EXPECT_EQ(moves(pair.b).size(), before);
}

TEST_F(Mobile, EspAloneShowsANewMapping) {
  nat = ip("203.0.113.5");
  nat_shift = 10'000;
  set_up();
  const SaPairId of_b = pair.b.sad.begin()->first.first, of_a = pair.a.sad.begin()->first.first;
  pair.b.shard->notice(MappingChange{of_b, {ip("203.0.113.5"), 33'333}}, pair.now);
  pair.a.shard->notice(MappingChange{of_a, {ip("203.0.113.9"), 4'500}}, pair.now);
  pair.run();
  EXPECT_EQ(plane(pair.b).second, (Endpoint{ip("203.0.113.5"), 33'333}));
  EXPECT_EQ(plane(pair.a).second.address, ip("192.0.2.2"));  // who is behind the NAT stays
}

TEST_F(Mobile, ADeadPathIsLeftForAnotherOne) {
  addresses_b = {ip("192.0.2.2"), ip("198.51.100.2")};
  ConnectionConfig watchful = open(true);
  watchful.dpd_delay = 10s;
  set_up(watchful, open(false));
  broken = {{ip("192.0.2.1"), ip("192.0.2.2")}};
  pass(16s);  // 10 s of silence, one retransmission
  EXPECT_TRUE(pair.a.event<trace::PathsProbed>());
  EXPECT_EQ(plane(pair.a).second.address, ip("198.51.100.2"));
  EXPECT_EQ(plane(pair.b).first.address, ip("198.51.100.2"));
  // Routing's word alone does not lead back.
  tell(pair.a, {ip("192.0.2.1"), ip("192.0.2.99")});
  settle();
  EXPECT_EQ(plane(pair.a).second.address, ip("198.51.100.2"));
}

TEST_F(Mobile, TheRespondersNewAddressIsAnnounced) {
  set_up();
  move_b({ip("198.51.100.2")});
  EXPECT_EQ(plane(pair.a).second.address, ip("198.51.100.2"));
  EXPECT_EQ(plane(pair.b).first.address, ip("198.51.100.2"));
  EXPECT_TRUE(said(pair.b, "sent INFORMATIONAL request", "NO_ADD"));
}

TEST_F(Mobile, AFurtherAddressOfTheResponderIsForLater) {
  set_up();
  const auto before = plane(pair.a);
  move_b({ip("192.0.2.2"), ip("198.51.100.2")});
  EXPECT_EQ(plane(pair.a), before);
  EXPECT_TRUE(said(pair.b, "sent INFORMATIONAL request", "ADD_IP4") ||
              said(pair.b, "sent INFORMATIONAL request", "ADDITIONAL_IP4"));
}

TEST_F(Mobile, UnacceptableAddressesAreRefusedAndReported) {
  ConnectionConfig strict = open(false);
  strict.remote_addrs = {*parse_address_pattern("192.0.2.0/24")};
  set_up(open(true), strict);
  move_a({ip("198.51.100.7"), ip("192.0.2.77")});
  pass(5s);
  EXPECT_TRUE(pair.b.event<trace::AddressesNotAllowed>());
  EXPECT_TRUE(pair.a.event<trace::AddressesRefused>());
  EXPECT_EQ(plane(pair.b).second.address, ip("192.0.2.77"));
  EXPECT_EQ(plane(pair.a).first.address, ip("192.0.2.77"));
}

TEST_F(Mobile, WithoutMobikeALostAddressEndsTheSa) {
  ConnectionConfig fixed = open(true);
  fixed.mobike = false;
  set_up(fixed, open(false));
  move_a({ip("198.51.100.7")});
  EXPECT_TRUE(pair.a.event<trace::AddressLost>());
  EXPECT_TRUE(pair.a.sad.empty());
}

TEST_F(Mobile, TheSuccessorOfARekeyInheritsIt) {
  for (const bool by_a : {true, false}) {
    if (by_a) set_up();
    (by_a ? pair.a : pair.b).shard->command(Rekey{{9}, "site"}, pair.now);
    settle();
    const IpAddress next = by_a ? ip("198.51.100.7") : ip("198.51.100.8");
    move_a({next});
    EXPECT_EQ(plane(pair.b).second.address, next);
  }
}

TEST_F(Mobile, AMoveThatCrossesARekeyReachesTheSuccessor) {
  for (std::size_t lost = 0; lost < 8; ++lost) {
    Pair& p = pair;
    if (lost == 0) set_up();
    const IpAddress next = IpAddress::v4(0xc6336400u + 10 + static_cast<std::uint32_t>(lost));
    std::size_t count = 0;
    drop = [&](const InTransit&) { return count++ == lost; };
    p.b.shard->command(Rekey{{20 + lost}, "site"}, p.now);
    addresses_a = {next};
    p.a.shard->command(NetworkChanged{addresses_a}, p.now);
    settle();
    drop = nullptr;
    pass(60s);
    EXPECT_EQ(plane(p.a).first.address, next) << lost;
    EXPECT_EQ(plane(p.b).second.address, next) << lost;
    EXPECT_EQ(p.a.shard->list_sas(p.now).size(), 1u) << lost;
    EXPECT_TRUE(sads_agree(p)) << lost;
  }
}

TEST_F(Mobile, EspThatFlowsSparesTheKeepalive) {
  nat = ip("203.0.113.5");
  nat_shift = 10'000;
  set_up();
  pass(19s);
  EXPECT_TRUE(pair.a.keepalives.empty());
  pass(2s);
  ASSERT_EQ(pair.a.keepalives.size(), 1u);
  const Keepalive due = pair.a.keepalives[0];
  EXPECT_EQ(due.local.port, 4500);
  EXPECT_EQ(due.pairs.size(), 1u);
  pass(10s);
  pair.a.shard->notice(Sent{due.pairs[0], pair.now}, pair.now);
  pass(19s);
  EXPECT_EQ(pair.a.keepalives.size(), 1u);
  pass(2s);
  EXPECT_EQ(pair.a.keepalives.size(), 2u);
}

TEST_F(Mobile, ResponsesGoToWhereTheirRequestsCameFrom) {
  ConnectionConfig watchful = open(true);
  watchful.dpd_delay = 10s;
  set_up(watchful, open(false));
  std::optional<InTransit> check;
  drop = [&](const InTransit& one) {
    if (!check && one.to.address == ip("192.0.2.2")) check = one;
    return true;
  };
  pass(11s);
  ASSERT_TRUE(check);
  pair.sent.clear();
  pair.b.shard->receive({check->to, {ip("203.0.113.1"), 4'600}, check->payload}, pair.now);
  pair.run();
  ASSERT_EQ(pair.sent.size(), 1u);
  EXPECT_EQ(pair.sent[0].to, (Endpoint{ip("203.0.113.1"), 4'600}));
  EXPECT_TRUE(moves(pair.b).empty());  // RFC 4555, 3.8: that alone moves nothing
}

}  // namespace
}  // namespace culvert::exchange_test
