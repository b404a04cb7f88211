// What nft is told for each kind of plan. That the kernel takes it, tests/netns sees.
#include "daemon/gateway.h"

#include <gtest/gtest.h>

namespace culvert {
namespace {

config::GatewayRule rule() {
  return {"clients",
          {*parse_address_range("10.9.0.1-10.9.0.9"), *parse_address_range("fd09::1-fd09::9")},
          true,
          1'360};
}

TEST(Gateway, BothFamiliesAreTranslatedAndClamped) {
  EXPECT_EQ(gateway_ruleset({{rule()}, "culvert0"}, "culvert_culvert0"),
            "table inet culvert_culvert0 {}\n"
            "delete table inet culvert_culvert0\n"
            "table inet culvert_culvert0 {\n"
            "  chain forward {\n"
            "    type filter hook forward priority mangle; policy accept;\n"
            "    ip saddr { 10.9.0.1-10.9.0.9 } tcp flags & (syn | rst) == syn "
            "tcp option maxseg size > 1360 tcp option maxseg size set 1360\n"
            "    ip daddr { 10.9.0.1-10.9.0.9 } tcp flags & (syn | rst) == syn "
            "tcp option maxseg size > 1360 tcp option maxseg size set 1360\n"
            "    ip6 saddr { fd09::1-fd09::9 } tcp flags & (syn | rst) == syn "
            "tcp option maxseg size > 1340 tcp option maxseg size set 1340\n"
            "    ip6 daddr { fd09::1-fd09::9 } tcp flags & (syn | rst) == syn "
            "tcp option maxseg size > 1340 tcp option maxseg size set 1340\n"
            "  }\n"
            "  chain postrouting {\n"
            "    type nat hook postrouting priority srcnat; policy accept;\n"
            "    ip saddr { 10.9.0.1-10.9.0.9 } oifname != \"culvert0\" masquerade\n"
            "    ip6 saddr { fd09::1-fd09::9 } oifname != \"culvert0\" masquerade\n"
            "  }\n"
            "}\n");
}

TEST(Gateway, WhatTheKernelEncryptsIsNotTranslated) {
  const std::string text = gateway_ruleset({{rule()}, ""}, "t");
  EXPECT_TRUE(text.contains("ip saddr { 10.9.0.1-10.9.0.9 } rt ipsec missing masquerade\n"));
  EXPECT_FALSE(text.contains("oifname"));
}

TEST(Gateway, EachPartOnlyWhereItIsAskedFor) {
  config::GatewayRule nat_only = rule(), clamp_only = rule();
  nat_only.mss = 0;
  clamp_only.nat = false;
  EXPECT_FALSE(gateway_ruleset({{nat_only}, "d"}, "t").contains("maxseg"));
  EXPECT_FALSE(gateway_ruleset({{clamp_only}, "d"}, "t").contains("masquerade"));
}

TEST(Gateway, WithoutRulesTheTableGoes) {
  EXPECT_EQ(gateway_ruleset({}, "t"), "table inet t {}\ndelete table inet t\n");
}

TEST(Gateway, TableNamesAreNames) {
  EXPECT_EQ(gateway_table("culvert0"), "culvert_culvert0");
  EXPECT_EQ(gateway_table("a-b.c"), "culvert_a_b_c");
}

}  // namespace
}  // namespace culvert
