// What an updown program is told.
#include "daemon/hooks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/interfaces.h"

namespace culvert {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::vector<TrafficSelector> selectors(std::initializer_list<const char*> texts) {
  std::vector<SelectorConfig> configs;
  for (const auto* text : texts) configs.push_back(*parse_selector(text));
  return resolve(configs, *IpAddress::parse("192.0.2.1"));
}

IkeSaStatus example(std::initializer_list<const char*> local,
                    std::initializer_list<const char*> remote) {
  IkeSaStatus sa;
  sa.name = "branch";
  sa.unique_id = 4;
  sa.local = {*IpAddress::parse("192.0.2.1"), 4'500};
  sa.remote = {*IpAddress::parse("192.0.2.2"), 4'501};
  sa.local_id = "moon.example.org";
  sa.remote_id = "C=CH, CN=it's \"sun\"";
  ChildSaStatus child;
  child.name = "net";
  child.reqid = 7;
  child.config = std::make_shared<const ChildConfig>();
  child.local_ts = selectors(local);
  child.remote_ts = selectors(remote);
  sa.children.push_back(std::move(child));
  return sa;
}

std::vector<std::string> verbs(const IkeSaStatus& sa, bool up) {
  std::vector<std::string> out;
  for (const auto& call : hook_calls(sa, sa.children[0], up, "eth0")) out.push_back(call.verb);
  return out;
}

TEST(HookCalls, OneForEachPairThatIsAPolicy) {
  const auto sa = example({"10.1.0.0/16", "fd01::/64", "dynamic"}, {"10.2.0.0/16", "fd02::/64"});
  EXPECT_THAT(verbs(sa, true), ElementsAre("up-client", "up-client-v6", "up-host"));
  EXPECT_THAT(verbs(sa, false), ElementsAre("down-client", "down-client-v6", "down-host"));
  EXPECT_THAT(verbs(example({"10.1.0.0/16[tcp]"}, {"10.2.0.0/16[udp]"}), true), SizeIs(0));
}

TEST(HookCalls, TellWhatStrongSwanTells) {
  auto sa = example({"10.1.0.0/16[udp/53]"}, {"10.2.0.1-10.2.0.9[udp/1000-2000]"});
  auto& child = sa.children[0];
  child.udp_encap = true;
  child.mark_in = {5, 0xffff'ffff};
  child.mark_out = {6, 0xff};
  child.if_id_in = 9;
  ChildConfig config;
  config.hostaccess = true;
  child.config = std::make_shared<const ChildConfig>(config);
  const auto calls = hook_calls(sa, child, true, "eth0");
  ASSERT_THAT(calls, SizeIs(1));
  auto environment = calls[0].environment;
  std::erase_if(environment, [](const auto& variable) { return variable.starts_with("PATH="); });
  std::ranges::sort(environment);
  EXPECT_THAT(environment,
              ElementsAre("PLUTO_CONNECTION=net", "PLUTO_HOST_ACCESS=1", "PLUTO_IF_ID_IN=9",
                          "PLUTO_INTERFACE=eth0", "PLUTO_MARK_IN=5/0xffffffff",
                          "PLUTO_MARK_OUT=6/0x000000ff", "PLUTO_ME=192.0.2.1",
                          "PLUTO_MY_CLIENT=10.1.0.0/16", "PLUTO_MY_ID=moon.example.org",
                          "PLUTO_MY_PORT=53", "PLUTO_MY_PROTOCOL=17", "PLUTO_PEER=192.0.2.2",
                          "PLUTO_PEER_CLIENT=10.2.0.0/28", "PLUTO_PEER_ID=C=CH, CN=it's \"sun\"",
                          "PLUTO_PEER_PORT=1000:2000", "PLUTO_PEER_PROTOCOL=17", "PLUTO_PROTO=esp",
                          "PLUTO_REQID=7", "PLUTO_UDP_ENC=4501", "PLUTO_UNIQUEID=4",
                          "PLUTO_VERB=up-client", "PLUTO_VERSION=1.1"));
}

TEST(HookCalls, LeaveOutWhatDoesNotApply) {
  const auto sa = example({"10.1.0.0/16"}, {"10.2.0.0/16"});
  const auto calls = hook_calls(sa, sa.children[0], false, "");
  EXPECT_THAT(calls[0].environment, Contains("PLUTO_INTERFACE=unknown"));
  EXPECT_THAT(calls[0].environment, Contains("PLUTO_MY_PORT=0"));
  for (const auto* name : {"PLUTO_MARK", "PLUTO_IF_ID", "PLUTO_UDP_ENC", "PLUTO_HOST_ACCESS"})
    EXPECT_THAT(calls[0].environment, Each(Not(StartsWith(name)))) << name;
}

TEST(Interfaces, FindsTheOneWithTheAddress) {
  EXPECT_EQ(io::interface_of(*IpAddress::parse("127.0.0.1")), "lo");
  EXPECT_EQ(io::interface_of(*IpAddress::parse("192.0.2.77")), "");
}

}  // namespace
}  // namespace culvert
