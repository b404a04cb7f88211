// Selectors as prefixes and masks, policies in all directions, and the choice among equal keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "xfrm/policies.h"

namespace culvert::xfrm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TrafficSelector ts(std::string_view text) { return parse_selector(text).value().selector; }

std::vector<std::string> text_of(std::string_view local, std::string_view remote) {
  std::vector<std::string> lines;
  const auto selectors = selectors_of({ts(local)}, {ts(remote)});
  if (!selectors) return {selectors.error()};
  for (const Selector& one : *selectors)
    lines.push_back(one.source.to_string() + ">" + one.destination.to_string() + " " +
                    std::to_string(one.protocol) + " " + std::to_string(one.source_port) + "/" +
                    std::to_string(one.source_mask) + " " + std::to_string(one.destination_port) +
                    "/" + std::to_string(one.destination_mask));
  return lines;
}

TEST(Selectors, RangesBecomeExactPrefixesAndMasks) {
  EXPECT_THAT(
      text_of("10.1.0.0/16", "10.2.0.1-10.2.0.3"),
      ElementsAre("10.1.0.0/16>10.2.0.1/32 0 0/0 0/0", "10.1.0.0/16>10.2.0.2/31 0 0/0 0/0"));
  EXPECT_THAT(text_of("10.1.0.1/32[udp]", "10.2.0.1/32[udp/1000-1009]"),
              ElementsAre("10.1.0.1/32>10.2.0.1/32 17 0/0 1000/65528",
                          "10.1.0.1/32>10.2.0.1/32 17 0/0 1008/65534"));
}

TEST(Selectors, IcmpHasTypeAsSourceAndCodeAsDestination) {
  EXPECT_THAT(text_of("10.1.0.1/32[icmp/8]", "10.2.0.1/32[icmp]"),
              ElementsAre("10.1.0.1/32>10.2.0.1/32 1 8/65535 0/65535"));
  const auto one = selectors_of({ts("10.1.0.1/32[icmp/8]")}, {ts("10.2.0.1/32")})->at(0);
  EXPECT_EQ(one.reversed().source_port, 8);
}

TEST(Selectors, WhatHasNothingInCommonIsLeftOut) {
  EXPECT_THAT(text_of("10.1.0.0/16[tcp]", "10.2.0.0/16[udp]"), ElementsAre());
  EXPECT_THAT(text_of("10.1.0.0/16", "fd02::/64"), ElementsAre());
}

TEST(Selectors, TooManyAreRefusedInWords) {
  EXPECT_THAT(text_of("10.1.0.1-10.1.255.254[tcp/1-65534]", "10.2.0.1-10.2.255.254"),
              ElementsAre(HasSubstr("more than 512 kernel policies")));
  EXPECT_THAT(text_of("10.1.0.0/16[tcp/opaque]", "10.2.0.0/16"), ElementsAre(HasSubstr("OPAQUE")));
}

TEST(Priority, NarrowerWinsThenTheLowerNumber) {
  const auto of = [](std::string_view remote, std::uint32_t priority) {
    return kernel_priority(selectors_of({ts("10.1.0.0/16")}, {ts(remote)})->at(0), priority);
  };
  EXPECT_LT(of("10.2.0.0/24", 2'000), of("10.2.0.0/16", 1));
  EXPECT_LT(of("10.2.0.0/24[tcp]", 2'000), of("10.2.0.0/24", 1));
  EXPECT_LT(of("10.2.0.0/24[tcp/80]", 2'000), of("10.2.0.0/24[tcp]", 1));
  EXPECT_LT(of("10.2.0.0/24", 1), of("10.2.0.0/24", 2));
}

InstallPolicy policy(Mode mode) {
  InstallPolicy op;
  op.policy = PolicyId{1};
  op.local_ts = {ts("10.1.0.0/16")};
  op.remote_ts = {ts("10.2.0.0/16")};
  op.mode = mode;
  op.if_id_out = 7;
  return op;
}

PolicyTarget target() {
  PolicyTarget target;
  target.local = IpAddress::parse("192.0.2.1").value();
  target.remote = IpAddress::parse("192.0.2.2").value();
  target.spi_out = 0x1000;
  target.reqid = 5;
  return target;
}

TEST(Policies, TunnelIsProtectedInThreeDirections) {
  const auto wanted = kernel_policies(policy(Mode::tunnel), target(), 0).value();
  ASSERT_EQ(wanted.size(), 3u);
  for (const WantedPolicy& one : wanted) {
    const bool out = one.key.direction == PolicyDirection::out;
    EXPECT_EQ(one.key.selector.source.to_string(), out ? "10.1.0.0/16" : "10.2.0.0/16");
    EXPECT_EQ(one.key.if_id, out ? 7u : 0u);
    ASSERT_EQ(one.body.templates.size(), 1u);
    EXPECT_EQ(one.body.templates[0].spi, out ? 0x1000u : 0u);
    EXPECT_EQ(one.body.templates[0].destination, out ? target().remote : target().local);
    EXPECT_FALSE(one.body.templates[0].optional);
  }
  EXPECT_EQ(kernel_policies(policy(Mode::transport), target(), 0)->size(), 2u);
}

TEST(Policies, ShuntsHaveNoTemplate) {
  const auto blocks = kernel_policies(policy(Mode::drop), target(), 0).value();
  for (const WantedPolicy& one : blocks) {
    EXPECT_TRUE(one.body.block);
    EXPECT_TRUE(one.body.templates.empty());
  }
  const auto passes = kernel_policies(policy(Mode::pass), target(), 0).value();
  for (const WantedPolicy& one : passes) EXPECT_FALSE(one.body.block);
}

TEST(Policies, CompressionIsOptionalOnTheWayIn) {
  PolicyTarget compressed = target();
  compressed.ipcomp = true;
  compressed.cpi_out = 77;
  const auto policies = kernel_policies(policy(Mode::tunnel), compressed, 0).value();
  for (const WantedPolicy& one : policies) {
    const bool out = one.key.direction == PolicyDirection::out;
    ASSERT_EQ(one.body.templates.size(), 2u);
    EXPECT_EQ(one.body.templates[0].protocol, kIpcomp);
    EXPECT_EQ(one.body.templates[0].spi, out ? 77u : 0u);
    EXPECT_EQ(one.body.templates[0].optional, !out);
    EXPECT_EQ(one.body.templates[1].mode, Mode::transport);
    EXPECT_FALSE(one.body.templates[1].optional) << "never in clear";
  }
}

WantedPolicy wanted(std::uint32_t priority, std::uint32_t reqid) {
  WantedPolicy one = kernel_policies(policy(Mode::tunnel), target(), 0).value().back();
  one.body.priority = priority;
  one.body.templates[0].reqid = reqid;
  return one;
}

std::uint16_t type_of(Batch& batch, std::size_t index) {
  std::uint16_t type;
  std::memcpy(&type, batch.message(index).data() + 4, sizeof type);
  return type;
}

TEST(PolicyBook, TheKernelHasTheBestOfEqualKeys) {
  PolicyBook book;
  const auto change = [&](PolicyId id, std::vector<WantedPolicy> policies) {
    Batch batch;
    book.set(id, std::move(policies), batch);
    std::vector<std::uint16_t> types;
    for (std::size_t i = 0; i < batch.size(); ++i) types.push_back(type_of(batch, i));
    return types;
  };
  constexpr std::uint16_t kPut = 0x19, kDelete = 0x14;
  const PolicyKey key = wanted(0, 0).key;
  EXPECT_THAT(change(PolicyId{1}, {wanted(20, 1)}), ElementsAre(kPut));
  EXPECT_THAT(change(PolicyId{2}, {wanted(10, 2)}), ElementsAre(kPut));
  EXPECT_EQ(book.holder(key), PolicyId{2});
  EXPECT_THAT(change(PolicyId{3}, {wanted(30, 3)}), ElementsAre()) << "a worse one changes nothing";
  EXPECT_THAT(change(PolicyId{4}, {wanted(10, 4)}), ElementsAre(kPut)) << "the latest of equals";
  EXPECT_THAT(change(PolicyId{2}, {}), ElementsAre());
  EXPECT_THAT(change(PolicyId{4}, {}), ElementsAre(kPut));
  EXPECT_EQ(book.holder(key), PolicyId{1}) << "back to the trap";
  EXPECT_THAT(change(PolicyId{3}, {}), ElementsAre());
  EXPECT_THAT(change(PolicyId{1}, {}), ElementsAre(kDelete));
  EXPECT_EQ(book.size(), 0u);
}

}  // namespace
}  // namespace culvert::xfrm
