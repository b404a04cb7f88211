#include "policy/traffic_selector.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace culvert {
namespace {

TrafficSelector ts(std::string_view text) {
  const auto config = parse_selector(text);
  EXPECT_TRUE(config) << text;
  return config ? config->selector : TrafficSelector{};
}
std::vector<TrafficSelector> list(std::initializer_list<std::string_view> texts) {
  std::vector<TrafficSelector> result;
  for (const auto text : texts) result.push_back(ts(text));
  return result;
}
std::string narrowed(std::initializer_list<std::string_view> ours,
                     std::initializer_list<std::string_view> theirs) {
  return to_string(narrow(list(ours), list(theirs)));
}

TEST(SelectorText, Parses) {
  const auto web = ts("10.1.0.0/16[tcp/http]");
  EXPECT_EQ(web.first, *IpAddress::parse("10.1.0.0"));
  EXPECT_EQ(web.last, *IpAddress::parse("10.1.255.255"));
  EXPECT_EQ(web.protocol, 6);
  EXPECT_EQ(web.start_port, 80);
  EXPECT_EQ(web.end_port, 80);
  EXPECT_EQ(ts("10.1.0.1-10.1.0.9"), ts("10.1.0.1..10.1.0.9"));
  EXPECT_EQ(ts("10.0.0.1[6/80]"), ts("10.0.0.1/32[tcp/80]"));
  const auto range = parse_selector("[udp/1000-2000]");
  ASSERT_TRUE(range);
  EXPECT_TRUE(range->dynamic);
  EXPECT_EQ(range->selector.start_port, 1000);
  EXPECT_EQ(range->selector.end_port, 2000);
  EXPECT_EQ(ts("fec1::/16[/53]").protocol, 0);
  EXPECT_EQ(ts("fec1::/16[/53]").start_port, 53);
  EXPECT_EQ(ts("0.0.0.0/0[icmp]").end_port, 65'535);
  EXPECT_EQ(ts("[tcp/opaque]").start_port, 65'535);
  EXPECT_EQ(ts("[tcp/opaque]").end_port, 0);
  EXPECT_EQ(ts("[icmp/8]").start_port, 0x0800);
  EXPECT_EQ(ts("[icmp/3(4)]").end_port, 0x0304);
  EXPECT_EQ(ts("[icmp/772]").start_port, 0x0304);
  EXPECT_EQ(ts("[any/any]"), ts("dynamic"));
}

TEST(SelectorText, Refuses) {
  for (const auto* text :
       {"", "dynamik", "10.1.0.0/33", "10.1.0.9-10.1.0.1", "10.1.0.1-fec1::1", "10.1.0.0/16[tcp",
        "10.1.0.0/16]", "10.1.0.0/16[tcp/80-]", "10.1.0.0/16[tcp/90-80]", "10.1.0.0/16[256]",
        "10.1.0.0/16[tcp/65536]", "10.1.0.0/16[foo]", "10.1.0.0/16[udp/http]", "[icmp/3(256)]",
        "[icmp/256(1)]", "[icmp/3(]", "[icmp/3(4]", "10.1.0.0/16[tcp/80]x"})
    EXPECT_FALSE(parse_selector(text)) << text;
}

TEST(SelectorText, PrintsAsCharonDoes) {
  for (const auto* text :
       {"10.1.0.0/16", "10.1.0.1..10.1.0.9", "10.1.0.0/16[tcp/http]", "10.1.0.0/16[tcp]",
        "fec1::/16[/domain]", "dynamic", "dynamic[udp/1000-2000]", "0.0.0.0/0[icmp/8]",
        "0.0.0.0/0[icmp/3(4)]", "::/0[ipv6-icmp/128-129(1)]", "10.1.0.0/16[tcp/OPAQUE]",
        "192.0.2.1/32[gre]", "192.0.2.1/32[200/7]", "10.0.0.0/8[tcp/4321]", "dynamic[udp/l2f]"})
    EXPECT_EQ(to_string(*parse_selector(text)), text);
  EXPECT_EQ(to_string(list({"10.1.0.0/16", "10.2.0.0/16"})), "10.1.0.0/16 10.2.0.0/16");
}

TEST(SelectorContains, Packets) {
  const auto web = ts("10.1.0.0/16[tcp/80-90]");
  EXPECT_TRUE(web.contains(*IpAddress::parse("10.1.2.3"), 6, 80));
  EXPECT_TRUE(web.contains(*IpAddress::parse("10.1.255.255"), 6, 90));
  EXPECT_FALSE(web.contains(*IpAddress::parse("10.1.2.3"), 6, 91));
  EXPECT_FALSE(web.contains(*IpAddress::parse("10.1.2.3"), 17, 80));
  EXPECT_FALSE(web.contains(*IpAddress::parse("10.2.0.0"), 6, 80));
  EXPECT_FALSE(web.contains(*IpAddress::parse("fec1::1"), 6, 80));
  EXPECT_FALSE(ts("10.1.0.0/16[/80]").contains(*IpAddress::parse("10.1.2.3"), 47, 80));
  EXPECT_TRUE(ts("10.1.0.0/16[47/opaque]").contains(*IpAddress::parse("10.1.2.3"), 47, 0));
  EXPECT_FALSE(ts("10.1.0.0/16[tcp/opaque]").contains(*IpAddress::parse("10.1.2.3"), 6, 0));
  EXPECT_TRUE(ts("10.1.0.0/16[icmp/8-8(255)]").contains(*IpAddress::parse("10.1.2.3"), 1, 0x0803));
}

TEST(SelectorContains, Selectors) {
  EXPECT_TRUE(ts("10.0.0.0/8").contains(ts("10.1.0.0/16[tcp/80]")));
  EXPECT_FALSE(ts("10.1.0.0/16[tcp/80]").contains(ts("10.1.0.0/16[tcp]")));
  EXPECT_FALSE(ts("10.1.0.0/16").contains(ts("10.0.0.0/8")));
  EXPECT_TRUE(ts("10.0.0.0/8[tcp]").contains(ts("10.0.0.0/8[tcp/opaque]")));
  EXPECT_FALSE(ts("10.0.0.0/8[tcp/1-65535]").contains(ts("10.0.0.0/8[tcp/opaque]")));
}

TEST(Narrow, Intersects) {
  EXPECT_EQ(narrowed({"10.1.0.0/16"}, {"10.0.0.0/8"}), "10.1.0.0/16");
  EXPECT_EQ(narrowed({"10.1.0.0-10.1.0.20"}, {"10.1.0.10-10.1.0.30"}), "10.1.0.10..10.1.0.20");
  EXPECT_EQ(narrowed({"10.0.0.0/8[tcp]"}, {"10.1.0.0/16[/80-90]"}), "10.1.0.0/16[tcp/80-90]");
  EXPECT_EQ(narrowed({"10.0.0.0/8[tcp/1-85]"}, {"10.1.0.0/16[tcp/80-90]"}),
            "10.1.0.0/16[tcp/80-85]");
  EXPECT_EQ(narrowed({"10.0.0.0/8[tcp]"}, {"10.0.0.0/8[udp]"}), "");
  EXPECT_EQ(narrowed({"10.0.0.0/8[tcp/1-79]"}, {"10.0.0.0/8[tcp/80]"}), "");
  EXPECT_EQ(narrowed({"10.0.0.0/8"}, {"fec1::/16"}), "");
  EXPECT_EQ(narrowed({"10.0.0.0/8"}, {"11.0.0.0/8"}), "");
  EXPECT_EQ(narrowed({"10.0.0.0/8[icmp]"}, {"10.0.0.0/8[icmp/8]"}), "10.0.0.0/8[icmp/8]");
}

TEST(Narrow, Opaque) {
  EXPECT_EQ(narrowed({"10.0.0.0/8"}, {"10.0.0.0/8[tcp/opaque]"}), "10.0.0.0/8[tcp/OPAQUE]");
  EXPECT_EQ(narrowed({"10.0.0.0/8[tcp/opaque]"}, {"10.0.0.0/8[tcp/opaque]"}),
            "10.0.0.0/8[tcp/OPAQUE]");
  EXPECT_EQ(narrowed({"10.0.0.0/8[tcp/80]"}, {"10.0.0.0/8[tcp/opaque]"}), "");
}

TEST(Narrow, KeepsTheirOrderWithoutDuplicates) {
  EXPECT_EQ(narrowed({"10.1.0.0/16", "10.2.0.0/16"}, {"10.2.0.0/24", "10.0.0.0/8"}),
            "10.2.0.0/16 10.1.0.0/16");
  EXPECT_EQ(narrowed({"10.1.0.0/16", "10.1.0.0/16"}, {"10.1.0.0/16"}), "10.1.0.0/16");
  EXPECT_EQ(narrowed({"10.0.0.0/8"}, {"10.3.0.0/16", "10.1.0.0/24", "10.2.0.0/24", "10.1.0.0/16"}),
            "10.3.0.0/16 10.1.0.0/16 10.2.0.0/24");
}

TEST(Narrow, IsBounded) {
  std::vector<TrafficSelector> ours, theirs;
  for (std::uint16_t port = 1; port <= 100; ++port) {
    ours.push_back(ts("10.0.0.0/8"));
    ours.back().first = ours.back().last = IpAddress::v4(0x0a000000u + 2u * port);
    theirs.push_back(ts("10.0.0.0/8[tcp]"));
    theirs.back().start_port = theirs.back().end_port = port;
  }
  EXPECT_EQ(narrow(ours, theirs).size(), limits::kMaxSelectors);
}

TEST(Selectors, Subset) {
  EXPECT_TRUE(
      is_subset(list({"10.1.0.0/16", "10.2.0.0/24"}), list({"10.2.0.0/16", "10.1.0.0/16"})));
  EXPECT_FALSE(
      is_subset(list({"10.1.0.0/16", "10.3.0.0/24"}), list({"10.2.0.0/16", "10.1.0.0/16"})));
}

TEST(Selectors, Resolve) {
  const std::vector<SelectorConfig> configs = {*parse_selector("dynamic[udp/l2f]"),
                                               *parse_selector("10.1.0.0/16")};
  EXPECT_EQ(to_string(resolve(configs, *IpAddress::parse("192.0.2.1"))),
            "192.0.2.1/32[udp/l2f] 10.1.0.0/16");
  EXPECT_EQ(to_string(resolve(configs, IpAddress::any(Family::v4))),
            "0.0.0.0/0[udp/l2f] 10.1.0.0/16");
  EXPECT_EQ(to_string(resolve(configs, IpAddress{})), "10.1.0.0/16");
}

TEST(Selectors, Wire) {
  const auto selectors = list({"10.1.0.0/16[tcp/80]", "fec1::/16[tcp/opaque]"});
  auto payload = to_wire(selectors);
  ASSERT_EQ(payload.selectors.size(), 2u);
  EXPECT_EQ(payload.selectors[1].type, wire::TsType::ipv6);
  payload.selectors.push_back({.type = wire::TsType::seclabel, .unknown = {1, 2}});
  EXPECT_EQ(from_wire(payload), selectors);
  EXPECT_EQ(to_wire(std::vector(300, selectors[0])).selectors.size(), limits::kMaxSelectors);
}

}  // namespace
}  // namespace culvert
