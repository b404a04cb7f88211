// RFC 7383 between two shards: who announces it, who sends fragments, and what becomes of fragments
// that are late, lost, repeated or forged.
#include <gmock/gmock.h>

#include <algorithm>

#include "base/limits.h"
#include "tests/exchange/pair.h"
#include "wire/v2/message.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr std::size_t kSmall = 400;            // IP packets
constexpr std::size_t kLargest = kSmall - 32;  // IKE messages in them

bool is_fragment(const InTransit& one) {
  const auto header = wire::decode_header(one.payload);
  return header && header->next_payload == wire::PayloadType::skf;
}
std::uint16_t fragment_number(const InTransit& one) {
  return load_be<std::uint16_t>(one.payload.data() + wire::kHeaderSize + wire::kGenericHeaderSize);
}

// Identities so long that IKE_AUTH doesn't fit into a small packet.
ConnectionConfig talkative(bool first, Fragmentation fragmentation = Fragmentation::yes) {
  ConnectionConfig connection = site(first);
  connection.local.id = *parse_identity("keyid:" + std::string(1'500, first ? 'a' : 'b'));
  connection.fragmentation = fragmentation;
  return connection;
}

ShardOptions small_packets(std::size_t size = kSmall) {
  ShardOptions options;
  options.fragment_size = size;
  return options;
}

void load_talkative(Pair& pair, Fragmentation a = Fragmentation::yes,
                    Fragmentation b = Fragmentation::yes) {
  load_site(pair);
  pair.a.load(talkative(true, a), pair.now);
  pair.b.load(talkative(false, b), pair.now);
}

std::string ladder(const Gateway& gateway) {
  std::string text;
  for (const trace::Event& event : gateway.events)
    if (std::holds_alternative<trace::MessageSent>(event.body) ||
        std::holds_alternative<trace::MessageReceived>(event.body))
      text += trace::sentence_of(event) + "\n";
  return text;
}

void expect_up(const Pair& pair) {
  ASSERT_TRUE(pair.a.done(1));
  EXPECT_TRUE(pair.a.done(1)->success) << pair.a.done(1)->explanation;
  EXPECT_TRUE(sads_agree(pair));
  EXPECT_EQ(pair.b.sad.size(), 2u);
  for (const Gateway* gateway : {&pair.a, &pair.b})
    EXPECT_EQ(gateway->shard->statistics().fragment_octets, 0u);
}

TEST(Fragmentation, CarriesMessagesThatDoNotFitOnePacket) {
  Pair pair(small_packets(), small_packets());
  load_talkative(pair);
  initiate(pair);
  expect_up(pair);
  for (const InTransit& one : pair.sent) {
    EXPECT_LE(one.payload.size(), kLargest);
    EXPECT_EQ(is_fragment(one), wire::decode_header(one.payload)->message_id == 1);
  }
  EXPECT_THAT(ladder(pair.a), HasSubstr("sent IKE_AUTH request 1: SK{IDi"));
  EXPECT_THAT(ladder(pair.a), HasSubstr("in 6 fragments"));
  EXPECT_THAT(ladder(pair.b), HasSubstr("in 6 fragments"));
}

TEST(Fragmentation, WhatFitsStaysWhole) {
  Pair pair(small_packets(8'000), small_packets(8'000));
  load_talkative(pair);
  initiate(pair);
  expect_up(pair);
  EXPECT_TRUE(std::ranges::none_of(pair.sent, is_fragment));
}

// Each side's wish, and whether it sends fragments then.
TEST(Fragmentation, FollowsTheConfigurationOfBothSides) {
  using enum Fragmentation;
  for (const auto a : {no, accept, yes})
    for (const auto b : {no, accept, yes}) {
      Pair pair(small_packets(), small_packets());
      load_talkative(pair, a, b);
      initiate(pair);
      expect_up(pair);
      for (const InTransit& one : pair.sent) {
        const bool by_a = one.from.address == pair.a.address;
        const bool may = a != no && b != no && (by_a ? a : b) == yes;
        const bool large = one.payload.size() > kLargest;
        EXPECT_FALSE(may && large);
        EXPECT_FALSE(!may && is_fragment(one));
      }
      EXPECT_EQ(ladder(pair.a).find("sent IKE_SA_INIT") != std::string::npos &&
                    ladder(pair.a).find("IKEV2_FRAGMENTATION_SUPPORTED") != std::string::npos,
                a != no);
      const std::string answers = ladder(pair.b);
      const std::size_t sent = answers.find("sent IKE_SA_INIT");
      EXPECT_EQ(answers.find("IKEV2_FRAGMENTATION_SUPPORTED", sent) < answers.find('\n', sent),
                a != no && b != no);
    }
}

TEST(Fragmentation, OrderAndRepetitionDoNotMatter) {
  Pair pair(small_packets(), small_packets());
  load_talkative(pair);
  std::vector<InTransit> held;
  pair.wire = [&](InTransit one) -> std::vector<InTransit> {
    if (!is_fragment(one)) return {one};
    held.push_back(one);
    if (held.size() < 6) return {};
    std::ranges::reverse(held);
    std::vector<InTransit> out;
    for (const InTransit& each : std::exchange(held, {})) out.insert(out.end(), 2, each);
    return out;
  };
  initiate(pair);
  expect_up(pair);
}

TEST(Fragmentation, ALostOneBringsAllAgain) {
  for (std::size_t lost = 0; lost < 14; ++lost) {
    Pair pair(small_packets(), small_packets());
    load_talkative(pair);
    std::size_t count = 0;
    pair.wire = [&](InTransit one) {
      return count++ == lost ? std::vector<InTransit>{} : std::vector<InTransit>{std::move(one)};
    };
    initiate(pair);
    pair.pass(10s);
    expect_up(pair);
  }
}

TEST(Fragmentation, OnlyTheFirstFragmentAsksForTheAnswerAgain) {
  Pair pair(small_packets(), small_packets());
  load_talkative(pair);
  initiate(pair);
  std::vector<InTransit> request, response;
  for (const InTransit& one : pair.sent)
    if (is_fragment(one)) (one.from.address == pair.a.address ? request : response).push_back(one);
  ASSERT_EQ(request.size(), 6u);
  for (const InTransit& one : request) {
    pair.sent.clear();
    pair.b.shard->receive({one.to, one.from, one.payload}, pair.now);
    pair.run();
    ASSERT_EQ(pair.sent.size(), fragment_number(one) == 1 ? response.size() : 0);
    for (std::size_t i = 0; i < pair.sent.size(); ++i)
      EXPECT_EQ(pair.sent[i].payload, response[i].payload);
  }
  expect_up(pair);
}

TEST(Fragmentation, ForgedOnesChangeNothing) {
  Pair pair(small_packets(), small_packets());
  load_talkative(pair);
  pair.wire = [&](InTransit one) -> std::vector<InTransit> {
    if (!is_fragment(one)) return {one};
    std::vector<InTransit> out;
    for (std::size_t at = 24; at < one.payload.size(); at += 7) {
      InTransit forged = one;
      forged.payload[at] ^= 0x11;
      out.push_back(forged);
    }
    out.push_back(one);
    return out;
  };
  initiate(pair);
  expect_up(pair);
}

TEST(Fragmentation, LivesThroughRekeyingTheIkeSa) {
  Pair pair(small_packets(200), small_packets(200));
  load_site(pair);
  initiate(pair);
  pair.a.shard->command(Rekey{.id = {2}, .connection = "site"}, pair.now);
  pair.run();
  pair.sent.clear();
  pair.b.shard->command(Rekey{.id = {3}, .child = "net"}, pair.now);
  pair.run();
  EXPECT_TRUE(std::ranges::any_of(pair.sent, is_fragment));
  pair.pass(20s);  // the old SAs have lingered
  EXPECT_TRUE(sads_agree(pair));
}

TEST(Fragmentation, AnswersAreNoLargerThanWhatThePeerSends) {
  Pair pair(small_packets(700), small_packets());
  pair.b = Gateway("192.0.2.2");  // 1280 by default
  load_talkative(pair);
  initiate(pair);
  expect_up(pair);
  for (const InTransit& one : pair.sent) EXPECT_LE(one.payload.size(), 700u - 32);
}

TEST(Fragmentation, AMessageWithoutItsRestIsForgotten) {
  Pair pair(small_packets(200), small_packets(200));
  load_site(pair);
  initiate(pair);
  std::size_t count = 0;
  pair.wire = [&](InTransit one) -> std::vector<InTransit> {
    if (is_fragment(one) && count++ > 0) return {};
    return {one};
  };
  pair.a.shard->command(Rekey{.id = {2}, .child = "net"}, pair.now);
  pair.run();
  EXPECT_GT(pair.b.shard->statistics().fragment_octets, 0u);
  pair.wire = [](InTransit) { return std::vector<InTransit>{}; };
  pair.pass(limits::kReassemblyLifetime + 1s);
  EXPECT_EQ(pair.b.shard->statistics().fragment_octets, 0u);
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, 1u);
}

}  // namespace
}  // namespace culvert::exchange_test
