// [radius]: services, and the tunnels that use them.
#include "config/radius.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"

namespace culvert::config {
namespace {

using ::testing::ElementsAre;

constexpr std::string_view kTunnel =
    "[tunnel.t]\npeer = 'any'\npsk = 'k'\nremote = 'dynamic'\neap = ";

std::vector<std::string> errors(const std::string& text) {
  const auto result = load_text(text, "f");
  std::vector<std::string> lines;
  if (!result)
    for (const auto& diagnostic : result.error()) lines.push_back(diagnostic.to_string());
  return lines;
}
Endpoint endpoint(const std::string& address, std::uint16_t port) {
  return {*IpAddress::parse(address), port};
}

TEST(Radius, OneServiceWithItsServersAndPorts) {
  const auto loaded = load_text(
      "[radius]\nservers = ['10.0.0.5', '10.0.0.6:1645', '2001:db8::1', '[2001:db8::2]:1812']\n"
      "secret = 's'\naccounting = true\ninterim = '5m'\ntimeout = '500ms'\ntries = 2\n"
      "dynamic_authorization = true\n" +
          std::string(kTunnel) + "'radius'\ngroups = ['staff', 'board']\n",
      "f");
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->radius.size(), 1u);
  const RadiusService& service = loaded->radius[0];
  EXPECT_EQ(service.table(), "[radius]");
  EXPECT_THAT(
      service.servers,
      ElementsAre(RadiusServer{endpoint("10.0.0.5", 1812), endpoint("10.0.0.5", 1813)},
                  RadiusServer{endpoint("10.0.0.6", 1645), endpoint("10.0.0.6", 1646)},
                  RadiusServer{endpoint("2001:db8::1", 1812), endpoint("2001:db8::1", 1813)},
                  RadiusServer{endpoint("2001:db8::2", 1812), endpoint("2001:db8::2", 1813)}));
  EXPECT_EQ(as_text(service.secret.view()), "s");
  EXPECT_TRUE(service.accounting);
  EXPECT_EQ(service.interim, std::chrono::minutes(5));
  ASSERT_TRUE(service.dynamic);
  EXPECT_EQ(service.dynamic->clients.size(), 4u);
  EXPECT_EQ(service.dynamic->listen.port, 3799);
  const AuthConfig& remote = loaded->connections[0]->remote;
  EXPECT_EQ(remote.aaa, "");
  EXPECT_THAT(remote.groups, ElementsAre("staff", "board"));
}

TEST(Radius, ServicesWithNames) {
  const auto loaded = load_text(
      "[radius.office]\nservers = '10.0.0.5'\nsecret = 's'\n"
      "dynamic_authorization = { clients = '10.0.0.9', listen = '10.0.0.1:3800' }\n"
      "[radius.lab]\nservers = '10.0.0.7'\nsecret = 't'\n" +
          std::string(kTunnel) + "'radius.lab'\n",
      "f");
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->radius.size(), 2u);
  EXPECT_EQ(loaded->radius[0].table(), "[radius.office]");
  ASSERT_TRUE(loaded->radius[0].dynamic);
  EXPECT_THAT(loaded->radius[0].dynamic->clients, ElementsAre(*IpAddress::parse("10.0.0.9")));
  EXPECT_EQ(loaded->radius[0].dynamic->listen, endpoint("10.0.0.1", 3800));
  EXPECT_EQ(loaded->connections[0]->remote.aaa, "lab");
  EXPECT_FALSE(loaded->radius[0] == loaded->radius[1]);
  EXPECT_TRUE(loaded->radius[0] == loaded->radius[0]);
}

TEST(Radius, WhatIsMissingIsNamed) {
  EXPECT_THAT(errors("[radius]\nservers = '10.0.0.5'\n"),
              ElementsAre("f:1:2: [radius] has no 'secret'; add secret = { file = \"…\" }, the "
                          "one that the server has for us"));
  EXPECT_THAT(errors("[radius]\nsecret = 's'\n"),
              ElementsAre("f:1:2: [radius] has no 'servers'; add servers = [\"ADDRESS\"]"));
  EXPECT_THAT(errors("[radius]\nsecret = 's'\nservers = 'aaa:x'\n"),
              ElementsAre("f:3:11: 'servers' in [radius]: 'aaa:x' is no server; write an "
                          "address, or \"ADDRESS:PORT\""));
  EXPECT_THAT(errors("[radius]\nsecret = 's'\nservers = '10.0.0.5'\nsekret = 1\n"),
              ElementsAre("f:4:1: unknown key 'sekret' in [radius]; did you mean 'secret'?"));
}

TEST(Radius, ATunnelNamesAServiceThatIsThere) {
  EXPECT_THAT(errors(std::string(kTunnel) + "'radius'\n"),
              ElementsAre("f:1:9: [tunnel.t] uses RADIUS, and there is no [radius]; add it, with "
                          "'servers' and 'secret'"));
  EXPECT_THAT(errors(std::string(kTunnel) +
                     "'radius.lab'\n[radius.office]\nservers = '10.0.0.5'\nsecret = 's'\n"),
              ElementsAre("f:1:9: [tunnel.t] uses RADIUS, and there is no [radius.lab]; add it, "
                          "with 'servers' and 'secret'"));
  EXPECT_THAT(errors(std::string(kTunnel) + "'radius'\n[radius.a]\nservers = '10.0.0.5'\n"
                                            "secret = 's'\n[radius.b]\nservers = '10.0.0.6'\n"
                                            "secret = 's'\n"),
              ElementsAre("f:1:9: [tunnel.t] leaves open which RADIUS service decides; write eap "
                          "= \"radius.a\""));
}

}  // namespace
}  // namespace culvert::config
