#include "esp/policy_index.h"

#include <gtest/gtest.h>

#include <random>

namespace culvert::esp {
namespace {

TrafficSelector net(const char* prefix, std::uint8_t protocol = 0, std::uint16_t start = 0,
                    std::uint16_t end = 65'535) {
  const Prefix parsed = Prefix::parse(prefix).value();
  return {parsed.first(), parsed.last(), protocol, start, end};
}

PacketSide side(const char* address, std::uint8_t protocol = 6, std::uint16_t port = 80) {
  const IpAddress parsed = IpAddress::parse(address).value();
  return {parsed.family(), number_of(parsed), protocol, true, port};
}

TEST(PolicyIndex, NarrowerSelectorsWin) {
  PolicyIndex index;
  index.insert(1, {net("0.0.0.0/0")}, {net("0.0.0.0/0")}, 0);
  index.insert(2, {net("0.0.0.0/0")}, {net("10.0.0.0/8")}, 9);
  index.insert(3, {net("10.9.0.0/16")}, {net("10.0.0.0/8")}, 9);
  index.insert(4, {net("10.9.0.0/16")}, {net("10.0.0.0/8", 6, 80, 80)}, 9);
  EXPECT_EQ(index.find(side("1.1.1.1"), side("2.2.2.2")), 1u);
  EXPECT_EQ(index.find(side("1.1.1.1"), side("10.2.2.2")), 2u);
  EXPECT_EQ(index.find(side("10.9.1.1"), side("10.2.2.2", 6, 81)), 3u);
  EXPECT_EQ(index.find(side("10.9.1.1"), side("10.2.2.2")), 4u);
  EXPECT_EQ(index.find(side("fd00::1"), side("fd00::2")), std::nullopt);
  EXPECT_TRUE(index.erase(4));
  EXPECT_FALSE(index.erase(4));
  EXPECT_EQ(index.find(side("10.9.1.1"), side("10.2.2.2")), 3u);
}

TEST(PolicyIndex, ThenTheLowerPriorityThenTheNewer) {
  PolicyIndex index;
  index.insert(7, {net("10.0.0.0/8")}, {net("fd00::/8"), net("10.0.0.0/8")}, 5);
  index.insert(8, {net("10.0.0.0/8")}, {net("10.0.0.0/8")}, 4);
  index.insert(9, {net("10.0.0.0/8")}, {net("10.0.0.0/8")}, 4);
  EXPECT_EQ(index.find(side("10.1.1.1"), side("10.2.2.2")), 9u);
  index.erase(9);
  EXPECT_EQ(index.find(side("10.1.1.1"), side("10.2.2.2")), 8u);
  index.erase(8);
  EXPECT_EQ(index.find(side("10.1.1.1"), side("10.2.2.2")), 7u);
}

TEST(PolicyIndex, ARangeIsAsWideAsItIsNotAsItsPrefixes) {
  PolicyIndex index;
  TrafficSelector range = net("10.0.0.0/8");
  range.first = range.first.next();  // covered by 24 prefixes, down to a single address
  index.insert(1, {net("0.0.0.0/0")}, {range}, 0);
  index.insert(2, {net("0.0.0.0/0")}, {net("10.0.0.0/30")}, 0);
  EXPECT_EQ(index.find(side("1.1.1.1"), side("10.0.0.1")), 2u);
  EXPECT_EQ(index.find(side("1.1.1.1"), side("10.0.0.4")), 1u);
}

TEST(Selectors, PortsThatCannotBeSeenMatchAnyAndOpaqueOnly) {  // RFC 4301, 7
  PacketSide hidden = side("10.0.0.1", 17);
  hidden.has_port = false;
  hidden.port = 0;
  const PacketSide seen = side("10.0.0.1", 17, 53);
  const CompiledSelector any(net("10.0.0.0/8", 17)), one(net("10.0.0.0/8", 17, 53, 53)),
      opaque(net("10.0.0.0/8", 17, 65'535, 0)), zero(net("10.0.0.0/8", 17, 0, 0));
  EXPECT_TRUE(any.matches(hidden));
  EXPECT_TRUE(opaque.matches(hidden));
  EXPECT_FALSE(one.matches(hidden));
  EXPECT_FALSE(zero.matches(hidden));
  EXPECT_TRUE(any.matches(seen));
  EXPECT_TRUE(one.matches(seen));
  EXPECT_FALSE(opaque.matches(seen));
  EXPECT_FALSE(CompiledSelector(net("10.0.0.0/8", 6)).matches(seen));
}

// The rules as one would write them down, over all policies.
struct Oracle {
  struct Policy {
    std::uint64_t value;
    std::vector<TrafficSelector> local, remote;
    std::uint32_t priority;
  };
  std::vector<Policy> policies;

  std::optional<std::uint64_t> find(const PacketSide& local, const PacketSide& remote) const {
    std::optional<std::uint64_t> best;
    std::array<Number, 7> best_rank{};
    for (const Policy& policy : policies)
      for (const auto& ours : policy.local)
        for (const auto& theirs : policy.remote) {
          const CompiledSelector l(ours), r(theirs);
          if (l.family != r.family || !l.matches(local) || !r.matches(remote)) continue;
          const auto ports = [](const CompiledSelector& s) -> Number {
            return s.opaque() ? 0 : s.end_port - s.start_port;
          };
          const std::array<Number, 7> rank{
              r.last - r.first, l.last - l.first, l.protocol == 0 && r.protocol == 0,
              ports(r),         ports(l),         policy.priority,
              policy.value};
          if (!best || rank < best_rank) {
            best = policy.value;
            best_rank = rank;
          }
        }
    return best;
  }
};

TEST(PolicyIndex, AgreesWithALinearSearch) {
  std::mt19937 random(11);
  const auto address = [&](bool v4) {
    if (v4) return IpAddress::v4(0x0a000000 + random() % 64);
    Bytes octets(16);
    octets[0] = 0xfd;
    octets[15] = static_cast<std::uint8_t>(random() % 64);
    return IpAddress::from_bytes(octets);
  };
  const auto selector = [&](bool v4) {
    TrafficSelector made;
    made.first = address(v4);
    made.last = address(v4);
    if (random() % 20 == 0) made.first = IpAddress::any(v4 ? Family::v4 : Family::v6);
    if (random() % 20 == 0) made.last = IpAddress::max(v4 ? Family::v4 : Family::v6);
    if (made.last < made.first) std::swap(made.first, made.last);
    if (random() % 2 == 0) made.protocol = random() % 2 ? 6 : 17;
    if (random() % 4 == 0) {
      made.start_port = static_cast<std::uint16_t>(random() % 4);
      made.end_port = static_cast<std::uint16_t>(made.start_port + random() % 4);
    } else if (random() % 8 == 0) {
      made.start_port = 65'535;
      made.end_port = 0;
    }
    return made;
  };
  PolicyIndex index;
  Oracle oracle;
  int hits = 0;
  for (std::uint64_t round = 1; round < 600; ++round) {
    const bool v4 = random() % 2;
    Oracle::Policy policy{
        round, {selector(v4)}, {selector(v4)}, static_cast<std::uint32_t>(random() % 3)};
    if (random() % 3 == 0) policy.remote.push_back(selector(random() % 2));
    if (random() % 3 == 0) policy.local.push_back(selector(random() % 2));
    index.insert(policy.value, policy.local, policy.remote, policy.priority);
    oracle.policies.push_back(policy);
    if (oracle.policies.size() > 40) {
      const auto victim = oracle.policies.begin() + static_cast<long>(random() % 40);
      index.erase(victim->value);
      oracle.policies.erase(victim);
    }
    for (int i = 0; i < 50; ++i) {
      const bool family = random() % 2;
      PacketSide sides[2];
      const auto protocol = static_cast<std::uint8_t>(random() % 2 ? 6 : 17);
      const bool ports = random() % 4 != 0;
      for (PacketSide& at : sides) {
        const IpAddress made = address(family);
        at = {made.family(), number_of(made), protocol, ports,
              ports ? static_cast<std::uint16_t>(random() % 6) : std::uint16_t{0}};
      }
      const auto expected = oracle.find(sides[0], sides[1]);
      ASSERT_EQ(index.find(sides[0], sides[1]), expected);
      hits += expected.has_value();
    }
  }
  EXPECT_GT(hits, 5'000);
}

}  // namespace
}  // namespace culvert::esp
