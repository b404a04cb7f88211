// The world's parts, each alone: the data plane's model, NATs, clocks, checkers, the ladder.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/checkers.h"
#include "sim/host.h"
#include "sim/ladder.h"
#include "sim/network.h"
#include "wire/v2/message.h"

namespace culvert::sim {
namespace {

using testing::HasSubstr;

const IpAddress kLeft = *IpAddress::parse("10.1.0.1"), kRight = *IpAddress::parse("10.2.0.1");
const Endpoint kHere{*IpAddress::parse("192.0.2.1"), 500};
const Endpoint kThere{*IpAddress::parse("192.0.2.2"), 500};

std::vector<TrafficSelector> only(const IpAddress& address) { return {{address, address}}; }

InstallSa sa_of(SaPairId pair, Direction direction, std::uint32_t spi) {
  InstallSa sa;
  sa.pair = pair;
  sa.direction = direction;
  sa.spi = spi;
  sa.keys.encryption = Key(as_bytes("key"));
  sa.local = kHere;
  sa.remote = kThere;
  sa.local_ts = only(kLeft);
  sa.remote_ts = only(kRight);
  return sa;
}

InstallPolicy policy_of(PolicyId policy, SaPairId pair) {
  InstallPolicy result;
  result.policy = policy;
  result.pair = pair;
  result.local_ts = only(kLeft);
  result.remote_ts = only(kRight);
  return result;
}

TEST(Plane, ATrapHoldsPacketsAndAsksOnceASecond) {
  Plane plane({});
  const InnerPacket packet{1, kLeft, kRight};
  EXPECT_EQ(plane.send(packet, TimePoint{}).fate, Plane::Fate::clear);
  ASSERT_TRUE(plane.apply(policy_of({1}, {})));
  EXPECT_EQ(plane.send(packet, TimePoint{}).fate, Plane::Fate::trapped);
  EXPECT_EQ(plane.send(packet, TimePoint{} + 10ms).fate, Plane::Fate::trapped);
  EXPECT_EQ(plane.take_notices().size(), 1u);
  plane.send(packet, TimePoint{} + 1s);
  EXPECT_EQ(plane.take_notices().size(), 1u);
}

TEST(Plane, DeliversOnceAndOnlyWithinTheSelectors) {
  Plane sender({}), receiver({});
  ASSERT_TRUE(sender.apply(sa_of({1}, Direction::out, 77)));
  ASSERT_TRUE(sender.apply(policy_of({1}, {1})));
  InstallSa inbound = sa_of({5}, Direction::in, 77);
  std::swap(inbound.local_ts, inbound.remote_ts);
  ASSERT_TRUE(receiver.apply(std::move(inbound)));
  const auto sent = sender.send({1, kLeft, kRight}, TimePoint{});
  ASSERT_EQ(sent.fate, Plane::Fate::sent);
  EXPECT_TRUE(receiver.receive(sent.packet, kHere, kThere, TimePoint{}));
  EXPECT_FALSE(receiver.receive(sent.packet, kHere, kThere, TimePoint{}));
  const auto stray = sender.send_through({1}, {2, kRight, kLeft}, TimePoint{});
  EXPECT_FALSE(receiver.receive(stray.packet, kHere, kThere, TimePoint{}));
  EspPacket other_key = sender.send({3, kLeft, kRight}, TimePoint{}).packet;
  other_key.keys[0] ^= 1;
  EXPECT_FALSE(receiver.receive(other_key, kHere, kThere, TimePoint{}));
}

TEST(Plane, AMissingSaNeverMeansClearText) {
  Plane plane({});
  ASSERT_TRUE(plane.apply(policy_of({1}, {1})));
  EXPECT_EQ(plane.send({1, kLeft, kRight}, TimePoint{}).fate, Plane::Fate::dropped);
}

TEST(Plane, RefusesOperationsOnWhatItDoesNotHave) {
  Plane plane({});
  EXPECT_FALSE(plane.apply(DeleteSa{{1}, Direction::in}));
  EXPECT_FALSE(plane.apply(DeletePolicy{{1}}));
  ASSERT_TRUE(plane.apply(sa_of({1}, Direction::in, 7)));
  EXPECT_FALSE(plane.apply(sa_of({2}, Direction::in, 7)));
}

TEST(Nat, ForgetsAndTranslatesBothWays) {
  Nat nat(kThere.address, 30s, 1);
  const Endpoint outside = nat.outbound(kHere, TimePoint{});
  EXPECT_EQ(outside.address, kThere.address);
  EXPECT_EQ(nat.inbound(outside, TimePoint{} + 29s), kHere);
  EXPECT_EQ(nat.outbound(kHere, TimePoint{} + 40s), outside);  // the packet in kept it alive
  EXPECT_FALSE(nat.inbound(outside, TimePoint{} + 70s));
  nat.forget();
  EXPECT_NE(nat.outbound(kHere, TimePoint{} + 71s), outside);
}

TEST(HostClock, GoesBothWays) {
  for (const std::int64_t drift : {-1'000, 0, 7, 1'000}) {
    HostClock clock(TimePoint(123s), drift);
    for (const Duration at : {Duration(0), Duration(1), Duration(999'999'937), Duration(3'600s)}) {
      const TimePoint world(at);
      const TimePoint local = clock.local(world);
      EXPECT_LE(clock.world(local), world);
      EXPECT_GE(clock.local(clock.world(local)), local);
    }
    EXPECT_EQ(clock.world(kNever), kNever);
  }
}

// ---- checkers ----

Bytes message(std::uint32_t id, bool response, std::uint8_t filling) {
  wire::Header header;
  header.spi_i = 1;
  header.spi_r = 2;
  header.exchange = wire::ExchangeType::informational;
  header.initiator = !response;
  header.response = response;
  header.message_id = id;
  header.next_payload = wire::PayloadType::sk;
  Bytes octets;
  Writer writer(octets);
  wire::encode_header(header, writer);
  octets.insert(octets.end(), 32, filling);
  return octets;
}

struct Watched {
  Checkers checkers;
  bool installed = true;
  void send(const Bytes& octets) {
    checkers.transmitted(1, octets, [this](std::uint32_t) { return installed; });
  }
  std::vector<std::string> found() const {
    std::vector<std::string> checks;
    for (const Violation& violation : checkers.violations()) checks.push_back(violation.check);
    return checks;
  }
};

TEST(Checkers, ARequestMayBeRepeatedButNotChanged) {
  Watched watched;
  watched.send(message(0, false, 1));
  watched.send(message(0, false, 1));
  EXPECT_TRUE(watched.found().empty());
  watched.send(message(0, false, 2));
  EXPECT_THAT(watched.found(), testing::ElementsAre("message-id-reuse"));
}

TEST(Checkers, AResponseMayBeRepeatedButNotChanged) {
  Watched watched;
  watched.send(message(0, true, 1));
  watched.send(message(0, true, 1));
  EXPECT_TRUE(watched.found().empty());
  watched.send(message(0, true, 2));
  EXPECT_THAT(watched.found(), testing::ElementsAre("response-changed"));
}

TEST(Checkers, TheNextRequestWaitsForTheAnswer) {
  Watched watched;
  watched.send(message(0, false, 1));
  watched.checkers.response_arrived(1, message(0, true, 1));
  watched.send(message(1, false, 1));
  EXPECT_TRUE(watched.found().empty());
  watched.send(message(2, false, 1));
  EXPECT_THAT(watched.found(), testing::ElementsAre("window"));
}

TEST(Checkers, AKeyAndIvServeOneMessage) {
  Watched watched;
  const Bytes key(16, 1), iv(8, 2), aad(32, 3), one(10, 4), other(10, 5), icv(16);
  const Provider::Operands operands{key, {}, iv, aad};
  watched.checkers.sealed({operands, one, icv});
  watched.checkers.sealed({operands, one, icv});
  EXPECT_TRUE(watched.found().empty());
  watched.checkers.sealed({operands, other, icv});
  EXPECT_THAT(watched.found(), testing::ElementsAre("iv-reuse"));
}

TEST(Checkers, EveryCommandIsDoneOnce) {
  Watched watched;
  for (const std::uint64_t id : {1u, 2u, 3u}) watched.checkers.command_given({id});
  watched.checkers.command_done({1});
  watched.checkers.forget_command({3});
  watched.checkers.all_commands_done();
  ASSERT_EQ(watched.found().size(), 1u);
  EXPECT_THAT(watched.checkers.violations()[0].text, HasSubstr("command 2"));
  watched.checkers.command_done({1});
  EXPECT_EQ(watched.found().size(), 2u);
}

TEST(Ladder, DrawsArrowsBothWays) {
  const auto lines =
      draw_ladder({"left", "right"}, {{Step::Kind::sent, TimePoint(1s), 0, 1, "hello"},
                                      {Step::Kind::arrived, TimePoint(2s), 1, 0, ""},
                                      {Step::Kind::sent, TimePoint(2s), 1, 0, "hi"}});
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_THAT(lines[0], HasSubstr("left"));
  EXPECT_THAT(lines[1], HasSubstr("1.000000"));
  EXPECT_THAT(lines[1], HasSubstr("|-------------->|  hello"));
  EXPECT_THAT(lines[2], HasSubstr("|               *"));
  EXPECT_THAT(lines[3], HasSubstr("|<--------------|  hi"));
}

}  // namespace
}  // namespace culvert::sim
