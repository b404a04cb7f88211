// More than one CHILD SA for one child: a responder that wants one for each pair of addresses, and
// one that would take more than it has granted. RFC 7296, 2.9.
#include <gmock/gmock.h>

#include "tests/exchange/mutating_peer.h"
#include "trace/render.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;
using wire::ExchangeType;
using wire::NotifyType;
using wire::PayloadType;

TrafficSelector selector(const char* text) {
  return resolve({*parse_selector(text)}, IpAddress()).at(0);
}

TrafficSelector flow(const char* address, std::uint16_t port) {
  TrafficSelector one = selector(address);
  one.protocol = 6;
  one.start_port = one.end_port = port;
  return one;
}

std::vector<TrafficSelector> asked_for(const Reaction& reaction, PayloadType type) {
  const auto* payload = wire::find<wire::TrafficSelectors>(reaction.payloads, type);
  return payload ? from_wire(*payload) : std::vector<TrafficSelector>{};
}

// Of the victim's tunnel with the mutating peer.
std::vector<ChildSaStatus> children_of(MutatingPeer& peer) {
  for (const IkeSaStatus& sa : peer.victim().shard->list_sas(peer.pair.now))
    if (sa.name == "mutant") return sa.children;
  return {};
}

// Answers the victim's CREATE_CHILD_SA request with these, or refuses it.
class Responder : public MutatingPeer {
 public:
  Reaction grant(const Reaction& request, const std::vector<TrafficSelector>& i,
                 const std::vector<TrafficSelector>& r, bool more = false) {
    message_id = request.header->message_id;
    Draft draft = child_request(++last_spi_);
    draft.header.response = true;
    draft.body<wire::TrafficSelectors>(PayloadType::ts_i) = to_wire(i);
    draft.body<wire::TrafficSelectors>(PayloadType::ts_r) = to_wire(r);
    if (more) draft.add_notify(NotifyType::additional_ts_possible);
    return send(draft);
  }
  Reaction refuse(const Reaction& request) {
    message_id = request.header->message_id;
    Draft draft{header(ExchangeType::create_child_sa, true), {}};
    draft.add_notify(NotifyType::single_pair_required);
    return send(draft);
  }
  Draft auth_without_child() {
    Draft draft = auth_response();
    for (const PayloadType type : {PayloadType::sa, PayloadType::ts_i, PayloadType::ts_r})
      draft.remove(type);
    return draft;
  }
  Draft auth_wanting_a_pair() {
    Draft draft = auth_without_child();
    draft.add_notify(NotifyType::single_pair_required);
    return draft;
  }
  // A packet of the victim's hosts meets its trap.
  void packet(const char* from, const char* to) {
    for (const auto& [id, policy] : victim().policies)
      if (!policy.pair)
        victim().shard->notice(Acquire{id, flow(from, 40'000), flow(to, 443)}, pair.now);
  }
  void trap() {
    ConnectionConfig connection = mutant();
    connection.children[0].start_action = StartAction::trap;
    victim().load(connection, pair.now);
    pair.run();
  }
  ConnectionConfig mutant() const {
    ConnectionConfig connection = site(false);
    connection.name = "mutant";
    connection.remote_addrs = {*parse_address_pattern("192.0.2.66")};
    connection.children[0].remote = {*parse_selector("10.6.0.0/16")};
    return connection;
  }

 private:
  std::uint32_t last_spi_ = 0x3000'0000;
};

using Selectors = std::vector<TrafficSelector>;

TEST(SinglePair, IsAskedForWithTheAddressesOfThePacket) {
  Responder peer;
  peer.trap();
  peer.start_victim = [&] { peer.packet("10.2.0.5", "10.6.0.7"); };
  Reaction asked = peer.send(peer.auth_wanting_a_pair());
  ASSERT_TRUE(asked.header);
  ASSERT_EQ(asked.header->exchange, ExchangeType::create_child_sa);
  const Selectors ours{selector("10.2.0.5")}, theirs{selector("10.6.0.7")};
  EXPECT_EQ(asked_for(asked, PayloadType::ts_i), ours);
  EXPECT_EQ(asked_for(asked, PayloadType::ts_r), theirs);
  peer.grant(asked, ours, theirs);
  ASSERT_EQ(children_of(peer).size(), 1u);
  EXPECT_EQ(children_of(peer)[0].local_ts, ours);

  // Another packet between the two is covered; one between others wants an SA of its own.
  EXPECT_EQ(peer.let_victim([&] { peer.packet("10.2.0.5", "10.6.0.7"); }).datagrams, 0u);
  asked = peer.let_victim([&] { peer.packet("10.2.0.5", "10.6.0.8"); });
  const Selectors others{selector("10.6.0.8")};
  EXPECT_EQ(asked_for(asked, PayloadType::ts_r).size(), 2u)
      << "the packet's and all of the child's";
  asked = peer.refuse(asked);
  EXPECT_EQ(asked_for(asked, PayloadType::ts_i), ours);
  EXPECT_EQ(asked_for(asked, PayloadType::ts_r), others);
  peer.grant(asked, ours, others);
  ASSERT_EQ(children_of(peer).size(), 2u);
  EXPECT_EQ(children_of(peer)[1].remote_ts, others);
  EXPECT_EQ(peer.victim().policies.size(), 4u) << "the honest tunnel's, the trap, and two pairs";
}

TEST(SinglePair, IsNotAskedForTwice) {
  Responder peer;
  peer.trap();
  peer.start_victim = [&] { peer.packet("10.2.0.5", "10.6.0.7"); };
  const Reaction asked = peer.send(peer.auth_wanting_a_pair());
  EXPECT_EQ(peer.refuse(asked).datagrams, 0u);
  EXPECT_TRUE(children_of(peer).empty());
  const auto* refused = peer.victim().event<trace::PeerRefused>();
  ASSERT_TRUE(refused);
  EXPECT_THAT(trace::sentence_of({{}, *refused}),
              ::testing::HasSubstr("one CHILD SA per pair of addresses"));
}

TEST(SinglePair, CannotBeToldWithoutAPacket) {
  Responder peer;
  EXPECT_EQ(peer.send(peer.auth_wanting_a_pair()).datagrams, 0u);
  ASSERT_TRUE(peer.victim().done(66));
  EXPECT_FALSE(peer.victim().done(66)->success);
  EXPECT_THAT(peer.victim().done(66)->explanation,
              ::testing::HasSubstr("one CHILD SA per pair of addresses"));
}

// As the responder, each pair that a peer asks for is granted as it is, one beside the other.
TEST(SinglePair, IsGrantedAndAnotherOneBesideIt) {
  Responder peer;
  peer.establish();
  const std::size_t before = children_of(peer).size();
  for (const char* host : {"10.6.0.7", "10.6.0.8"}) {
    Draft draft = peer.child_request(peer.message_id + 0x4000);
    const Selectors theirs{selector(host)}, ours{selector("10.2.0.5")};
    draft.body<wire::TrafficSelectors>(PayloadType::ts_i) = to_wire(theirs);
    draft.body<wire::TrafficSelectors>(PayloadType::ts_r) = to_wire(ours);
    const Reaction answer = peer.send(draft);
    EXPECT_EQ(asked_for(answer, PayloadType::ts_i), theirs);
    EXPECT_EQ(asked_for(answer, PayloadType::ts_r), ours);
    EXPECT_FALSE(answer.has(NotifyType::additional_ts_possible));
    ++peer.message_id;
  }
  EXPECT_EQ(children_of(peer).size(), before + 2);
  EXPECT_EQ(peer.victim().policies.size(), before + 2 + 1);
}

// ---- ADDITIONAL_TS_POSSIBLE ----

ConnectionConfig with_networks(bool first, bool in_one_child) {
  ConnectionConfig connection = site(first);
  const auto ours = *parse_selector(first ? "10.3.0.0/16" : "10.4.0.0/16");
  const auto theirs = *parse_selector(first ? "10.4.0.0/16" : "10.3.0.0/16");
  if (in_one_child) {
    connection.children[0].local.push_back(ours);
    connection.children[0].remote.push_back(theirs);
    return connection;
  }
  ChildConfig lab = connection.children[0];
  lab.name = "lab";
  lab.local = {ours};
  lab.remote = {theirs};
  connection.children.push_back(lab);
  return connection;
}

// One child here meets two there: the second CHILD SA has what the first left out.
class AdditionalSelectors : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Exchanges, AdditionalSelectors, ::testing::Bool());

TEST_P(AdditionalSelectors, AreAskedForInAnotherChildSa) {
  const bool childless = GetParam();  // the first CHILD SA comes with CREATE_CHILD_SA
  Pair pair;
  load_site(pair);
  for (const bool first : {true, false}) {
    ConnectionConfig connection = with_networks(first, first);
    connection.childless = childless ? Childless::force : Childless::allow;
    (first ? pair.a : pair.b).load(connection, pair.now);
  }
  initiate(pair);
  pair.pass(60s);
  EXPECT_EQ(pair.a.sad.size(), 4u);
  EXPECT_TRUE(sads_agree(pair));
  const IkeSaStatus sa = pair.a.shard->list_sas(pair.now).at(0);
  EXPECT_TRUE(sa.tasks_queued.empty());
  std::vector<Selectors> remotes;
  for (const ChildSaStatus& child : sa.children) remotes.push_back(child.remote_ts);
  EXPECT_THAT(remotes, ::testing::UnorderedElementsAre(Selectors{selector("10.2.0.0/16")},
                                                       Selectors{selector("10.4.0.0/16")}));
}

TEST(AdditionalSelectors, AreAnnouncedOnlyWhereAnotherChildWouldTakeThem) {
  for (const bool two : {false, true}) {
    Responder peer;
    ConnectionConfig connection = peer.mutant();
    if (two) {
      connection.children.push_back(connection.children[0]);
      connection.children[1].name = "lab";
      connection.children[1].remote = {*parse_selector("10.7.0.0/16")};
    }
    peer.victim().load(connection, peer.pair.now);
    peer.half_open();
    Draft draft = peer.auth_request();
    draft.body<wire::TrafficSelectors>(PayloadType::ts_i) =
        to_wire({selector("10.6.0.0/16"), selector("10.7.0.0/16")});
    const Reaction answer = peer.send(draft);
    EXPECT_EQ(asked_for(answer, PayloadType::ts_i), Selectors{selector("10.6.0.0/16")});
    EXPECT_EQ(answer.has(NotifyType::additional_ts_possible), two);
  }
}

// A responder that says so each time, and grants the first of the networks only.
TEST(AdditionalSelectors, ComeToAnEnd) {
  Responder peer;
  ConnectionConfig connection = peer.mutant();
  for (const char* more : {"10.7.0.0/16", "10.8.0.0/16"})
    connection.children[0].remote.push_back(*parse_selector(more));
  peer.victim().load(connection, peer.pair.now);
  const Selectors ours{selector("10.2.0.0/16")};
  Draft first = peer.auth_response();
  first.add_notify(NotifyType::additional_ts_possible);
  Reaction asked = peer.send(first);
  EXPECT_EQ(asked_for(asked, PayloadType::ts_r),
            (Selectors{selector("10.7.0.0/16"), selector("10.8.0.0/16")}));
  asked = peer.grant(asked, ours, {selector("10.7.0.0/16")}, true);
  EXPECT_EQ(asked_for(asked, PayloadType::ts_r), Selectors{selector("10.8.0.0/16")});
  // Less than one network is granted: what is left could not be told apart from what was asked.
  asked = peer.grant(asked, ours, {selector("10.8.1.0/24")}, true);
  EXPECT_EQ(asked.datagrams, 0u);
  EXPECT_EQ(children_of(peer).size(), 3u);
}

}  // namespace
}  // namespace culvert::exchange_test
