// How a file says who logs in by EAP, and by which methods.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"

namespace culvert::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ConnectionConfig tunnel(const std::string& lines) {
  const auto result =
      load_text("[tunnel.t]\npeer = \"vpn.example\"\npsk = \"k\"\n" + lines, "test.toml");
  if (!result) {
    for (const auto& diagnostic : result.error()) ADD_FAILURE() << diagnostic.to_string();
    return {};
  }
  return *result->connections.front();
}

std::string error_of(const std::string& lines) {
  const auto result =
      load_text("[tunnel.t]\npeer = \"vpn.example\"\npsk = \"k\"\n" + lines, "test.toml");
  return result ? std::string() : result.error().front().to_string();
}

TEST(Eap, MethodsAreOfferedToUsersInTheirOrder) {
  const ConnectionConfig config = tunnel("eap = [\"tls\", \"peap\", \"mschapv2\"]\n");
  EXPECT_EQ(config.local.kind, AuthKind::psk);
  EXPECT_EQ(config.remote.kind, AuthKind::eap);
  EXPECT_THAT(config.remote.eap_methods, ElementsAre("tls", "peap", "mschapv2"));
  EXPECT_TRUE(config.remote.eap_id);
}

TEST(Eap, AUserSaysWhichMethodsItTakes) {
  const ConnectionConfig config =
      tunnel("eap_user = \"carol\"\neap = \"ttls\"\naaa_id = \"aaa.example\"\n");
  EXPECT_EQ(config.local.kind, AuthKind::eap);
  EXPECT_EQ(config.remote.kind, AuthKind::psk);
  EXPECT_THAT(config.local.eap_methods, ElementsAre("ttls"));
  EXPECT_EQ(config.local.aaa_id, parse_identity("aaa.example"));
}

TEST(Eap, EapMayBeTheOnlyProof) {
  const auto result = load_text(
      "[tunnel.t]\npeer = \"vpn.example\"\neap_user = \"carol\"\neap = \"tls\"\neap_only = true\n",
      "test.toml");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->connections.front()->local.kind, AuthKind::eap);
  EXPECT_EQ(result->connections.front()->remote.kind, AuthKind::eap);
}

TEST(Eap, MistakesAreExplained) {
  EXPECT_THAT(error_of("eap = \"leap\"\n"), HasSubstr("'leap' is no EAP method"));
  EXPECT_THAT(error_of("eap_only = true\n"), HasSubstr("nobody logs in by EAP"));
  EXPECT_THAT(error_of("aaa_id = \"x\"\n"), HasSubstr("unknown key 'aaa_id'"));
}

}  // namespace
}  // namespace culvert::config
