// Names with characters that mean something in a form of profile come out as they went in. The
// forms as a whole are read by other programs in tests/interop.
#include "cli/profile.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "config/document.h"

namespace culvert::cli {
namespace {

Profile strange() {
  return {.server = "vpn.example.org",
          .user = "a<b>&\"c'\\d",
          .networks = {"10.1.0.0/16"},
          .ca = {0x30, 0x00},
          .ca_name = "A & B"};
}

TEST(Profile, XmlIsEscaped) {
  const std::string text = apple_profile(strange());
  EXPECT_TRUE(text.contains("<string>a&lt;b&gt;&amp;\"c'\\d</string>"));
  EXPECT_TRUE(text.contains("<string>A &amp; B</string>"));
}

TEST(Profile, JsonIsEscaped) {
  const auto root = nlohmann::json::parse(android_profile(strange()));
  EXPECT_EQ(root["local"]["eap_id"], strange().user);
  EXPECT_EQ(root["split-tunneling"]["subnets"][0], "10.1.0.0/16");
  Profile everything = strange();
  everything.networks = {"0.0.0.0/0"};
  everything.user = "\xff";
  EXPECT_FALSE(nlohmann::json::parse(android_profile(everything)).contains("split-tunneling"));
}

TEST(Profile, PowerShellIsEscaped) {
  EXPECT_TRUE(windows_profile(strange()).contains("is a<b>&\"c''\\d'"));
  EXPECT_TRUE(windows_profile(strange()).contains("-DestinationPrefix '10.1.0.0/16'"));
}

TEST(Profile, TomlIsEscaped) {
  const auto root = config::parse_document(culvert_profile(strange(), "x.key"));
  ASSERT_TRUE(root) << root.error().message;
  EXPECT_EQ(root->size(), 1u);
}

TEST(Profile, ProfilesOfOneUserKeepTheirUuids) {
  EXPECT_EQ(strange().uuid("vpn"), strange().uuid("vpn"));
  EXPECT_NE(strange().uuid("vpn"), strange().uuid("ca"));
  Profile other = strange();
  other.user = "other";
  EXPECT_NE(other.uuid("vpn"), strange().uuid("vpn"));
}

}  // namespace
}  // namespace culvert::cli
