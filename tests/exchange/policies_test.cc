// What a CHILD SA may be besides an ESP tunnel: transport mode, AH, IPComp, a packet's own
// selectors, none at all at first, idle.
#include <gmock/gmock.h>

#include "tests/exchange/pair.h"
#include "trace/render.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;

// site() with its child changed alike on both sides.
void load_changed(Pair& pair, const std::function<void(ChildConfig&)>& change_a,
                  const std::function<void(ChildConfig&)>& change_b) {
  load_site(pair);
  for (const bool first : {true, false}) {
    ConnectionConfig connection = site(first);
    (first ? change_a : change_b)(connection.children[0]);
    (first ? pair.a : pair.b).load(connection, pair.now);
  }
}
void load_changed(Pair& pair, const std::function<void(ChildConfig&)>& change) {
  load_changed(pair, change, change);
}

void host_to_host(ChildConfig& child) {
  child.mode = Mode::transport;
  child.local = child.remote = {SelectorConfig{.dynamic = true}};
}

const InstallSa& any_sa(const Gateway& gateway, Direction direction) {
  for (const auto& [key, sa] : gateway.sad)
    if (key.second == direction) return sa;
  throw std::runtime_error("no SA");
}

TEST(TransportMode, IsAgreedUponBetweenHosts) {
  Pair pair;
  load_changed(pair, host_to_host);
  initiate(pair);
  ASSERT_TRUE(pair.a.done(1));
  EXPECT_TRUE(pair.a.done(1)->success) << pair.a.done(1)->explanation;
  EXPECT_TRUE(sads_agree(pair));
  EXPECT_EQ(any_sa(pair.a, Direction::in).mode, Mode::transport);
  EXPECT_EQ(any_sa(pair.b, Direction::out).mode, Mode::transport);
  EXPECT_EQ(to_string(any_sa(pair.a, Direction::in).remote_ts), "192.0.2.2/32");
}

TEST(TransportMode, IsRefusedByAResponderThatWantsATunnelAndUndone) {
  Pair pair;
  load_changed(pair, host_to_host, [](ChildConfig& child) {
    host_to_host(child);
    child.mode = Mode::tunnel;
  });
  initiate(pair);
  ASSERT_TRUE(pair.a.done(1));
  EXPECT_FALSE(pair.a.done(1)->success);
  EXPECT_TRUE(pair.a.event<trace::WrongMode>());
  // The responder took the tunnel and is told that it is not wanted (RFC 7296, 1.3.1).
  EXPECT_TRUE(pair.b.event<trace::ChildEstablished>());
  EXPECT_TRUE(pair.b.sad.empty());
  EXPECT_TRUE(pair.b.policies.empty());
  EXPECT_EQ(pair.a.shard->statistics().child_spis, 0u);
}

TEST(TransportMode, IsRefusedByAResponderThatInsistsOnIt) {
  Pair pair;
  load_changed(
      pair,
      [](ChildConfig& child) {
        host_to_host(child);
        child.mode = Mode::tunnel;
      },
      host_to_host);
  initiate(pair);
  EXPECT_FALSE(pair.a.done(1)->success);
  ASSERT_TRUE(pair.b.event<trace::WrongMode>());
  EXPECT_EQ(pair.b.event<trace::WrongMode>()->accepted, "transport");
}

// RFC 7296, 2.23.1: `a` has 10.9.9.9 behind a NAT whose outside is 192.0.2.1.
TEST(TransportMode, ThroughANatEachSideNamesTheAddressesItSees) {
  Pair pair({}, {}, "10.9.9.9");
  const IpAddress outside = *IpAddress::parse("192.0.2.1");
  pair.wire = [&](InTransit one) {
    if (one.from.address == pair.a.address) one.from.address = outside;
    if (one.to.address == outside) one.to.address = pair.a.address;
    return std::vector{std::move(one)};
  };
  load_changed(pair, host_to_host);
  ConnectionConfig inside = site(true);
  host_to_host(inside.children[0]);
  inside.local_addrs = {*parse_address_pattern("10.9.9.9")};
  inside.local.id = *parse_identity("a.example.org");
  ConnectionConfig server = site(false);
  host_to_host(server.children[0]);
  server.remote.id = *parse_identity("a.example.org");
  pair.a.load(inside, pair.now);
  pair.b.load(server, pair.now);
  initiate(pair);
  ASSERT_TRUE(pair.a.done(1));
  EXPECT_TRUE(pair.a.done(1)->success) << pair.a.done(1)->explanation;
  EXPECT_EQ(to_string(any_sa(pair.a, Direction::in).local_ts), "10.9.9.9/32");
  EXPECT_EQ(to_string(any_sa(pair.b, Direction::in).remote_ts), "192.0.2.1/32");
  EXPECT_TRUE(any_sa(pair.b, Direction::in).udp_encap);
}

TEST(Ah, IsNegotiatedAndRekeyed) {
  Pair pair;
  load_changed(pair, [](ChildConfig& child) {
    child.proposals = {*parse_proposal("sha256-x25519", wire::ProtocolId::ah)};
  });
  initiate(pair);
  ASSERT_TRUE(pair.a.done(1));
  EXPECT_TRUE(pair.a.done(1)->success) << pair.a.done(1)->explanation;
  EXPECT_TRUE(sads_agree(pair));
  EXPECT_EQ(any_sa(pair.a, Direction::in).protocol, IpsecProtocol::ah);
  EXPECT_TRUE(any_sa(pair.a, Direction::in).keys.encryption.empty());
  EXPECT_EQ(any_sa(pair.a, Direction::in).keys.integrity.view().size(), 32u);
  pair.b.shard->command(Rekey{{2}, "site", "net"}, pair.now);
  pair.pass(20s);
  EXPECT_TRUE(pair.b.event<trace::ChildRekeyed>());
  EXPECT_EQ(pair.a.sad.size(), 2u);
  EXPECT_TRUE(sads_agree(pair));
}

TEST(Ah, AndEspAreNotTheSame) {
  Pair pair;
  load_changed(
      pair,
      [](ChildConfig& child) {
        child.proposals = {*parse_proposal("sha256", wire::ProtocolId::ah)};
      },
      [](ChildConfig&) {});
  initiate(pair);
  EXPECT_FALSE(pair.a.done(1)->success);
  EXPECT_TRUE(pair.b.event<trace::NoCommonProposal>());
  EXPECT_TRUE(pair.b.sad.empty());
}

TEST(Ah, DoesNotPassANatAndSaysSo) {
  Pair pair;
  load_changed(pair, [](ChildConfig& child) {
    child.proposals = {*parse_proposal("sha256", wire::ProtocolId::ah)};
  });
  pair.wire = [&](InTransit one) {
    if (one.from.address == pair.a.address)
      one.from.port = static_cast<std::uint16_t>(one.from.port + 20'000);
    else
      one.to.port = static_cast<std::uint16_t>(one.to.port - 20'000);
    return std::vector{std::move(one)};
  };
  pair.a.shard->command(Initiate{{1}, "site", "net"}, pair.now);
  pair.run();
  EXPECT_FALSE(pair.a.done(1)->success);
  EXPECT_TRUE(pair.b.event<trace::AhThroughNat>());
  EXPECT_TRUE(pair.b.sad.empty());
}

TEST(IpComp, IsUsedWhereBothWantIt) {
  Pair pair;
  load_changed(pair, [](ChildConfig& child) { child.ipcomp = true; });
  initiate(pair);
  EXPECT_TRUE(sads_agree(pair));
  EXPECT_GE(any_sa(pair.a, Direction::in).cpi, 256);
  EXPECT_GE(any_sa(pair.a, Direction::out).cpi, 256);
  EXPECT_TRUE(pair.a.policies.begin()->second.ipcomp);
}

TEST(IpComp, IsLeftOutWhereOneDoesNot) {
  Pair pair;
  load_changed(pair, [](ChildConfig& child) { child.ipcomp = true; }, [](ChildConfig&) {});
  initiate(pair);
  EXPECT_TRUE(pair.a.done(1)->success);
  EXPECT_TRUE(sads_agree(pair));
  EXPECT_EQ(any_sa(pair.a, Direction::in).cpi, 0);
}

TEST(Marks, AreOfTheirOwnWhereAskedAndKeptByRekeying) {
  Pair pair;
  load_changed(pair, [](ChildConfig& child) {
    child.mark_in = child.mark_out = {kUnique, 0xffff'ffff};
    child.mark_in_sa = true;
    child.if_id_out = 42;
    child.reqid = 7;
  });
  initiate(pair);
  const Mark mark = any_sa(pair.a, Direction::out).mark;
  EXPECT_NE(mark.value, kUnique);
  EXPECT_EQ(any_sa(pair.a, Direction::in).mark, mark);
  EXPECT_EQ(any_sa(pair.a, Direction::out).if_id, 42u);
  EXPECT_EQ(pair.a.policies.begin()->second.mark_out, mark);
  EXPECT_EQ(pair.a.shard->list_sas(pair.now).at(0).children.at(0).mark_out, mark);
  EXPECT_EQ(pair.a.policies.begin()->second.reqid, 7u);
  pair.a.shard->command(Rekey{{2}, "site", "net"}, pair.now);
  pair.pass(20s);
  EXPECT_TRUE(pair.a.event<trace::ChildRekeyed>());
  EXPECT_EQ(any_sa(pair.a, Direction::out).mark, mark);
}

Acquire packet_for(const Gateway& gateway, const std::string& from, const std::string& to) {
  Acquire acquire;
  for (const auto& [id, policy] : gateway.policies)
    if (!policy.pair) acquire.policy = id;
  acquire.local = parse_selector(from)->selector;
  acquire.remote = parse_selector(to)->selector;
  return acquire;
}

TEST(Trap, ThePacketGoesFirstAndTheWholePolicyFollows) {
  Pair pair;
  load_changed(pair, [](ChildConfig& child) { child.start_action = StartAction::trap; });
  pair.run();
  ASSERT_EQ(pair.a.policies.size(), 1u);
  const std::uint32_t reqid = pair.a.policies.begin()->second.reqid;
  pair.a.shard->notice(packet_for(pair.a, "10.1.0.9/32[udp/1000]", "10.2.0.7/32[udp/53]"),
                       pair.now);
  pair.run();
  EXPECT_TRUE(sads_agree(pair));
  EXPECT_EQ(to_string(any_sa(pair.a, Direction::in).local_ts), "10.1.0.0/16");
  EXPECT_EQ(any_sa(pair.a, Direction::in).reqid, reqid);
}

TEST(Refusal, OfATrapIsToldWithItsNames) {
  Pair pair;
  load_changed(pair, [](ChildConfig& child) { child.start_action = StartAction::trap; });
  pair.run();
  ASSERT_EQ(pair.a.policies.size(), 1u);
  pair.a.shard->refused({{}, pair.a.policies.begin()->first, "no room for it"}, pair.now);
  pair.run();
  const auto told = std::ranges::find_if(pair.a.events, [](const trace::Event& event) {
    return std::holds_alternative<trace::SadFailed>(event.body);
  });
  ASSERT_NE(told, pair.a.events.end());
  EXPECT_EQ(told->subject.connection, "site");
  EXPECT_EQ(told->subject.child, "net");
  EXPECT_EQ(trace::sentence_of(*told), "no room for it");
}

std::ptrdiff_t refusals_told(const Gateway& gateway) {
  return std::ranges::count_if(gateway.events, [](const trace::Event& event) {
    const auto* failed = std::get_if<trace::SadFailed>(&event.body);
    return failed && failed->why == "no such cipher";
  });
}

TEST(Refusal, OfAnSaGivesTheChildSaUp) {
  Pair pair;
  load_site(pair);
  initiate(pair);
  ASSERT_EQ(pair.a.sad.size(), 2u);
  const SaPairId refused = any_sa(pair.a, Direction::in).pair;
  for (int operation = 0; operation < 3; ++operation)  // two SAs and a policy
    pair.a.shard->refused({refused, {}, "no such cipher"}, pair.now);
  pair.run();
  EXPECT_EQ(refusals_told(pair.a), 1);
  EXPECT_TRUE(pair.a.sad.empty());
  EXPECT_TRUE(pair.b.sad.empty()) << "the peer is told";
}

TEST(Refusal, OfASuccessorIsNotToldAgain) {
  Pair pair;
  load_site(pair);
  initiate(pair);
  const SaPairId first = any_sa(pair.a, Direction::in).pair;
  bool has_successor = false;
  pair.wire = [&](InTransit one) {
    for (const auto& [key, sa] : pair.a.sad)
      if (key.first != first) {
        has_successor = true;
        pair.a.shard->refused({key.first, {}, "no such cipher"}, pair.now);
      }
    return std::vector<InTransit>{std::move(one)};
  };
  pair.a.shard->command(Rekey{.id = {2}, .child = "net"}, pair.now);
  pair.a.shard->refused({first, {}, "no such cipher"}, pair.now);
  pair.run();
  EXPECT_TRUE(has_successor);
  EXPECT_EQ(refusals_told(pair.a), 1);
  pair.pass(60s);  // what was replaced is kept for a while
  EXPECT_TRUE(pair.a.sad.empty());
  EXPECT_TRUE(pair.b.sad.empty()) << "the peer is told";
}

TEST(Refusal, OnBothSidesAtOnceDoesNotEndWhatIsKeptUp) {
  Pair pair;
  load_site(pair);
  ConnectionConfig kept = site(true);
  kept.keep_up = true;
  pair.a.load(kept, pair.now);
  pair.pass(1s);
  for (Gateway* gateway : {&pair.a, &pair.b}) {
    ASSERT_EQ(gateway->sad.size(), 2u);
    const SaPairId refused = any_sa(*gateway, Direction::in).pair;
    gateway->shard->refused({refused, {}, "no room"}, pair.now);
  }
  pair.run();  // the deletes cross
  EXPECT_TRUE(pair.a.sad.empty());
  pair.pass(30s);
  EXPECT_EQ(pair.a.sad.size(), 2u);
  EXPECT_TRUE(sads_agree(pair));
}

TEST(Trap, ANarrowerResponderGetsAnotherRequestForOtherTraffic) {
  Pair pair;
  load_changed(
      pair, [](ChildConfig& child) { child.start_action = StartAction::trap; },
      [](ChildConfig& child) { child.local = {*parse_selector("10.2.0.0/24")}; });
  ConnectionConfig server = site(false);
  ChildConfig& first = server.children[0];
  first.local = {*parse_selector("10.2.0.0/24")};
  server.children.push_back(first);
  server.children[1].name = "other";
  server.children[1].local = {*parse_selector("10.2.1.0/24")};
  pair.b.load(server, pair.now);
  pair.run();
  pair.a.shard->notice(packet_for(pair.a, "10.1.0.9/32", "10.2.0.7/32"), pair.now);
  pair.run();
  EXPECT_EQ(pair.a.sad.size(), 2u);
  pair.now += 2s;
  pair.a.shard->notice(packet_for(pair.a, "10.1.0.9/32", "10.2.0.8/32"), pair.now);
  pair.run();
  EXPECT_EQ(pair.a.sad.size(), 2u) << "that traffic has its SA";
  pair.now += 2s;
  pair.a.shard->notice(packet_for(pair.a, "10.1.0.9/32", "10.2.1.8/32"), pair.now);
  pair.run();
  EXPECT_EQ(pair.a.sad.size(), 4u);
  EXPECT_TRUE(sads_agree(pair));
}

TEST(AdditionalSelectors, AreAskedForWhenTheResponderSaysSo) {
  Pair pair;
  load_changed(
      pair,
      [](ChildConfig& child) {
        child.remote = {*parse_selector("10.2.0.0/24"), *parse_selector("10.2.1.0/24")};
      },
      [](ChildConfig&) {});
  ConnectionConfig server = site(false);
  server.children[0].local = {*parse_selector("10.2.0.0/24")};
  server.children.push_back(server.children[0]);
  server.children[1].name = "other";
  server.children[1].local = {*parse_selector("10.2.1.0/24")};
  pair.b.load(server, pair.now);
  initiate(pair);
  EXPECT_EQ(pair.a.sad.size(), 4u);
  EXPECT_TRUE(sads_agree(pair));
}

TEST(Childless, TheChildFollowsInAnExchangeOfItsOwn) {
  Pair pair;
  load_site(pair);
  ConnectionConfig connection = site(true, "aes128gcm16-prfsha256-x25519", "aes128gcm16-x25519");
  connection.childless = Childless::force;
  pair.a.load(connection, pair.now);
  pair.b.load(site(false, "aes128gcm16-prfsha256-x25519", "aes128gcm16-x25519"), pair.now);
  initiate(pair);
  ASSERT_TRUE(pair.a.done(1));
  EXPECT_TRUE(pair.a.done(1)->success) << pair.a.done(1)->explanation;
  EXPECT_EQ(pair.sent.size(), 6u);
  EXPECT_TRUE(sads_agree(pair));
}

TEST(Childless, EndsWhereOneInsistsAndTheOtherNeverDoes) {
  Pair pair;
  load_site(pair);
  ConnectionConfig connection = site(true);
  connection.childless = Childless::force;
  pair.a.load(connection, pair.now);
  connection = site(false);
  connection.childless = Childless::never;
  pair.b.load(connection, pair.now);
  initiate(pair);
  EXPECT_FALSE(pair.a.done(1)->success);
  EXPECT_TRUE(pair.a.event<trace::ChildlessRefused>());
  EXPECT_EQ(pair.a.shard->statistics().ike_sas, 0u);
}

TEST(Inactivity, ASilentChildIsDeletedAndAUsedOneStays) {
  Pair pair;
  load_changed(pair, [](ChildConfig& child) { child.inactivity = 60s; }, [](ChildConfig&) {});
  initiate(pair);
  const TimePoint up = pair.now;
  pair.pass(60s);
  ASSERT_EQ(pair.a.asked_use.size(), 1u);
  pair.a.shard->last_use(pair.a.asked_use[0], up + 30s, pair.now);
  pair.pass(29s);
  EXPECT_EQ(pair.a.asked_use.size(), 1u);
  pair.pass(1s);
  ASSERT_EQ(pair.a.asked_use.size(), 2u);
  EXPECT_EQ(pair.a.sad.size(), 2u);
  pair.a.shard->last_use(pair.a.asked_use[1], up + 30s, pair.now);
  pair.run();
  EXPECT_TRUE(pair.a.event<trace::ChildInactive>());
  EXPECT_TRUE(pair.a.sad.empty());
  EXPECT_TRUE(pair.b.sad.empty());
  EXPECT_EQ(pair.a.shard->statistics().ike_sas, 1u);
}

}  // namespace
}  // namespace culvert::exchange_test
