// What a correct file gives, with every default.
#include "config/load.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace culvert::config {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Loaded loaded(std::string_view text) {
  auto result = load_text(text, "test.toml");
  if (result) return std::move(*result);
  for (const auto& diagnostic : result.error()) ADD_FAILURE() << diagnostic.to_string();
  return {};
}

// Of a file with one tunnel, named t, with these further lines.
ConnectionConfig tunnel(std::string_view lines = {}) {
  const auto result =
      loaded("[tunnel.t]\npeer = \"192.0.2.1\"\npsk = \"k\"\n" + std::string(lines));
  return result.connections.size() == 1 ? *result.connections[0] : ConnectionConfig{};
}

std::vector<std::string> texts(const std::vector<SelectorConfig>& selectors) {
  std::vector<std::string> out;
  for (const auto& selector : selectors) out.push_back(to_string(selector));
  return out;
}
std::vector<std::string> texts(const std::vector<Proposal>& proposals) {
  std::vector<std::string> out;
  for (const auto& proposal : proposals) out.push_back(to_string(proposal));
  return out;
}
std::vector<std::string> texts(const std::vector<AddressPattern>& patterns) {
  std::vector<std::string> out;
  for (const auto& pattern : patterns) out.push_back(to_string(pattern));
  return out;
}

constexpr std::string_view kSiteToSite = R"([tunnel.branch]
peer   = "branch.example.org"
psk    = "correct horse"
local  = ["10.1.0.0/16"]
remote = ["10.2.0.0/16", "10.3.0.0/16[tcp/80]"]
keep   = "up"
)";

TEST(Load, ASiteToSiteTunnel) {
  const auto result = loaded(kSiteToSite);
  ASSERT_THAT(result.connections, SizeIs(1));
  const auto& config = *result.connections[0];
  EXPECT_EQ(config.name, "branch");
  EXPECT_EQ(config.version, 2);
  EXPECT_THAT(texts(config.remote_addrs), ElementsAre("branch.example.org"));
  EXPECT_THAT(config.local_addrs, IsEmpty());
  EXPECT_TRUE(config.keep_up);
  ASSERT_THAT(config.children, SizeIs(1));
  const auto& child = config.children[0];
  EXPECT_EQ(child.name, "branch");
  EXPECT_THAT(texts(child.local), ElementsAre("10.1.0.0/16"));
  EXPECT_THAT(texts(child.remote), ElementsAre("10.2.0.0/16", "10.3.0.0/16[tcp/http]"));
  EXPECT_EQ(child.start_action, StartAction::start);
  EXPECT_EQ(child.close_action, CloseAction::start);
  EXPECT_EQ(child.dpd_action, DpdAction::start);
  EXPECT_THAT(result.warnings, IsEmpty());
}

TEST(Load, TheDefaults) {
  const auto config = tunnel();
  EXPECT_EQ(config.proposals, default_proposals(wire::ProtocolId::ike));
  EXPECT_TRUE(config.local.id.is_any());
  EXPECT_TRUE(config.remote.id.is_any());
  EXPECT_EQ(config.encap, Encap::automatic);
  EXPECT_EQ(config.dpd_delay, 30s);
  EXPECT_EQ(config.rekey_time, 4h);
  EXPECT_EQ(config.over_time, 24min);
  EXPECT_FALSE(config.keep_up);
  EXPECT_EQ(config.local_port, 500);
  EXPECT_EQ(config.remote_port, 500);
  ASSERT_THAT(config.children, SizeIs(1));
  const auto& child = config.children[0];
  EXPECT_THAT(texts(child.local), ElementsAre("dynamic"));
  EXPECT_THAT(texts(child.remote), ElementsAre("dynamic"));
  EXPECT_EQ(child.proposals, default_proposals(wire::ProtocolId::esp));
  EXPECT_EQ(child.mode, Mode::tunnel);
  EXPECT_EQ(child.start_action, StartAction::none);
  EXPECT_EQ(child.lifetime.rekey_time, 1h);
  EXPECT_EQ(child.lifetime.life_time, 66min);
  EXPECT_EQ(child.lifetime.rand_time, 6min);
}

TEST(Load, EveryKeyOfATunnel) {
  const auto config = tunnel(R"(version = 2
peer_port = 1500
local_address = "192.0.2.200"
local_id = "a.example.org"
remote_id = "*.example.org"
ike = ["aes128-sha256-modp2048", "aes256gcm16-prfsha384-ecp384"]
esp = "aes128gcm16-x25519"
encap = "always"
dpd = "1m30s"
ike_rekey = "8h"
esp_rekey = "30m"
mode = "transport"
keep = "demand"
local = "dynamic[tcp]"
)");
  EXPECT_EQ(config.remote_port, 1500);
  EXPECT_THAT(texts(config.local_addrs), ElementsAre("192.0.2.200"));
  EXPECT_EQ(to_string(config.local.id), "a.example.org");
  EXPECT_EQ(to_string(config.remote.id), "*.example.org");
  EXPECT_THAT(texts(config.proposals),
              ElementsAre("aes128-sha256-prfsha256-modp2048", "aes256gcm16-prfsha384-ecp384"));
  EXPECT_EQ(config.encap, Encap::always);
  EXPECT_EQ(config.dpd_delay, 90s);
  EXPECT_EQ(config.rekey_time, 8h);
  EXPECT_FALSE(config.keep_up);
  const auto& child = config.children.at(0);
  EXPECT_THAT(texts(child.proposals), ElementsAre("aes128gcm16-x25519"));
  EXPECT_EQ(child.lifetime.rekey_time, 30min);
  EXPECT_EQ(child.mode, Mode::transport);
  EXPECT_EQ(child.start_action, StartAction::trap);
  EXPECT_EQ(child.close_action, CloseAction::trap);
  EXPECT_EQ(child.dpd_action, DpdAction::trap);
  EXPECT_THAT(texts(child.local), ElementsAre("dynamic[tcp]"));
}

TEST(Load, PeersOfEveryKind) {
  const auto peers = [](std::string_view value) {
    const auto result = loaded("[tunnel.t]\npsk = \"k\"\npeer = " + std::string(value));
    return result.connections.empty() ? std::vector<std::string>{"?"}
                                      : texts(result.connections[0]->remote_addrs);
  };
  EXPECT_THAT(peers("'2001:db8::1'"), ElementsAre("2001:db8::1"));
  EXPECT_THAT(peers("['192.0.2.0/24', '198.51.100.1-198.51.100.9']"),
              ElementsAre("192.0.2.0/24", "198.51.100.1-198.51.100.9"));
  EXPECT_THAT(peers("'any'"), IsEmpty());
  EXPECT_THAT(peers("['192.0.2.1', 'any']"), IsEmpty());
}

TEST(Load, ChildrenTakeWhatTheyLackFromTheTunnel) {
  const auto config = tunnel(R"(local = "10.1.0.0/16"
esp = "aes128gcm16"
esp_rekey = "2h"
keep = "up"
[tunnel.t.child.web]
remote = "10.2.0.0/16"
[tunnel.t.child.voice]
local = "10.9.0.0/16"
remote = "10.3.0.0/16"
esp = "chacha20poly1305"
esp_rekey = "10m"
)");
  ASSERT_THAT(config.children, SizeIs(2));
  const auto& web = config.children[0];
  EXPECT_EQ(web.name, "web");
  EXPECT_THAT(texts(web.local), ElementsAre("10.1.0.0/16"));
  EXPECT_THAT(texts(web.remote), ElementsAre("10.2.0.0/16"));
  EXPECT_THAT(texts(web.proposals), ElementsAre("aes128gcm16"));
  EXPECT_EQ(web.lifetime.rekey_time, 2h);
  EXPECT_EQ(web.start_action, StartAction::start);
  const auto& voice = config.children[1];
  EXPECT_EQ(voice.name, "voice");
  EXPECT_THAT(texts(voice.local), ElementsAre("10.9.0.0/16"));
  EXPECT_THAT(texts(voice.proposals), ElementsAre("chacha20poly1305"));
  EXPECT_EQ(voice.lifetime.rekey_time, 10min);
}

TEST(Load, TunnelsInTheOrderOfTheFile) {
  const auto result = loaded(R"([tunnel.z]
peer = "192.0.2.1"
psk = "a"
[tunnel.a]
peer = "192.0.2.2"
psk = "b"
)");
  ASSERT_THAT(result.connections, SizeIs(2));
  EXPECT_EQ(result.connections[0]->name, "z");
  EXPECT_EQ(result.connections[1]->name, "a");
}

TEST(Load, AnEmptyFileIsADaemonWithoutTunnels) {
  const auto result = loaded("");
  EXPECT_THAT(result.connections, IsEmpty());
  EXPECT_THAT(result.secrets, IsEmpty());
  EXPECT_EQ(result.settings, DaemonSettings{});
}

TEST(Load, DaemonSettings) {
  const auto settings = loaded(R"([daemon]
data_plane = "userspace"
ike_port = 1500
nat_t_port = 14500
workers = 4
device = "tun7"
mtu = 1400
log_level = "debug"
log_format = "json"
retransmit_timeout = "500ms"
retransmit_base = 2
retransmit_tries = 3
nat_keepalive = "7s"
max_half_open = 1000
cookie_threshold = 0
fragment_size = 576
)")
                            .settings;
  EXPECT_EQ(settings, (DaemonSettings{"userspace", 1500, 14500, 4, "tun7", 1400, "debug", "json",
                                      500ms, 2.0, 3, 7s, 1000, 0, 576}));
}

TEST(Load, TunnelsUseTheDaemonsPortWhereverItIsSet) {
  const auto result = loaded(R"([tunnel.t]
peer = "192.0.2.1"
psk = "k"
[daemon]
ike_port = 1500
)");
  EXPECT_EQ(result.connections.at(0)->local_port, 1500);
}

TEST(Load, TheOptionsOfATunnel) {
  const auto config = tunnel(R"(reauth = "2h"
fragmentation = "accept"
mobike = false
childless = "force"
unique = "replace"
dscp = "af41"
)");
  EXPECT_EQ(config.reauth_time, 2h);
  EXPECT_EQ(config.fragmentation, Fragmentation::accept);
  EXPECT_FALSE(config.mobike);
  EXPECT_EQ(config.childless, Childless::force);
  EXPECT_EQ(config.unique, Unique::replace);
  EXPECT_EQ(config.dscp, 34);
  for (const auto& [text, value] : std::vector<std::pair<std::string, int>>{
           {"46", 46}, {"\"ef\"", 46}, {"\"cs6\"", 48}, {"\"af13\"", 14}, {"0", 0}})
    EXPECT_EQ(tunnel("dscp = " + text).dscp, value) << text;
  EXPECT_EQ(tunnel("fragmentation = false").fragmentation, Fragmentation::no);
}

TEST(Load, TheOptionsOfAChild) {
  const auto config = tunnel(R"(mode = "transport"
updown = "/etc/culvert/hook a"
inactivity = "10m"
ipcomp = true
tfc = "mtu"
copy_df = false
copy_dscp = "both"
esp_rekey_octets = "2G"
esp_rekey_packets = 1000
mark_in = 5
mark_out = "0x1ff/0xff"
set_mark_in = "same/0xf"
if_id_in = "unique"
if_id_out = 9
interface = "eth0"
reqid = 77
[tunnel.t.child.a]
[tunnel.t.child.b]
ah = "sha256"
updown = ""
tfc = 200
mark_in = "unique-per-direction"
)");
  ASSERT_THAT(config.children, SizeIs(2));
  const auto &a = config.children[0], &b = config.children[1];
  EXPECT_EQ(a.mode, Mode::transport);
  EXPECT_EQ(a.updown, "/etc/culvert/hook a");
  EXPECT_EQ(a.inactivity, 10min);
  EXPECT_TRUE(a.ipcomp);
  EXPECT_EQ(a.tfc_padding, kPadToMtu);
  EXPECT_FALSE(a.copy_df);
  EXPECT_EQ(a.copy_dscp, CopyDscp::yes);
  EXPECT_EQ(a.lifetime.rekey_bytes, 2ull << 30);
  EXPECT_GT(a.lifetime.life_bytes, a.lifetime.rekey_bytes);
  EXPECT_EQ(a.lifetime.life_packets, 1'100u);
  EXPECT_EQ(a.mark_in, (Mark{5, 0xffff'ffff}));
  EXPECT_EQ(a.mark_out, (Mark{0xff, 0xff}));
  EXPECT_EQ(a.set_mark_in, (Mark{kSameMark, 0xf}));
  EXPECT_EQ(a.if_id_in, kUnique);
  EXPECT_EQ(a.if_id_out, 9u);
  EXPECT_EQ(a.interface, "eth0");
  EXPECT_EQ(a.reqid, 77u);
  EXPECT_EQ(b.proposals.at(0).protocol, wire::ProtocolId::ah);
  EXPECT_EQ(b.updown, "");
  EXPECT_EQ(b.tfc_padding, 200u);
  EXPECT_EQ(b.mark_in.value, kUniquePerDirection);
  EXPECT_EQ(b.mark_out, a.mark_out);
}

TEST(Load, Shunts) {
  const auto result = loaded(R"([shunt.mail]
action = "drop"
local = "10.1.0.0/16"
remote = ["0.0.0.0/0[tcp/25]"]
priority = 10
)");
  ASSERT_THAT(result.connections, SizeIs(1));
  const auto& config = *result.connections[0];
  EXPECT_EQ(config.name, "mail");
  EXPECT_TRUE(config.has_only_shunts());
  EXPECT_EQ(config.children[0].mode, Mode::drop);
  EXPECT_EQ(config.children[0].start_action, StartAction::trap);
  EXPECT_EQ(config.children[0].priority, 10u);
}

TEST(Load, AnXfrmInterfaceHasANumberThatFollowsFromItsName) {
  const std::string_view start = "peer = \"192.0.2.1\"\npsk = \"k\"\n";
  const auto result = loaded(
      fmt::format("[tunnel.a]\n{0}remote = '10.1.0.0/16'\nxfrm_interface = 'ipsec0'\n"
                  "[tunnel.b]\n{0}remote = '10.2.0.0/16'\nxfrm_interface = 'ipsec0'\n"
                  "[tunnel.c]\n{0}remote = '10.3.0.0/16'\nxfrm_interface = {{ name = 'ipsec1', "
                  "address = ['10.9.0.1/30', 'fd00::1'], mtu = 1400, routes = false }}\n",
                  start));
  ASSERT_THAT(result.interfaces, SizeIs(2));
  const auto& first = result.interfaces[0];
  EXPECT_EQ(first.name, "ipsec0");
  EXPECT_TRUE(first.routes);
  EXPECT_EQ(first.mtu, 0u);
  EXPECT_GE(first.if_id, XfrmInterface::kFirstNumber);
  EXPECT_LE(first.if_id, XfrmInterface::kLastNumber);
  for (const std::size_t i : {0u, 1u}) {
    EXPECT_EQ(result.connections[i]->if_id_in, first.if_id);
    EXPECT_EQ(result.connections[i]->if_id_out, first.if_id);
  }
  const auto& second = result.interfaces[1];
  EXPECT_NE(second.if_id, first.if_id);
  EXPECT_FALSE(second.routes);
  EXPECT_EQ(second.mtu, 1400u);
  ASSERT_THAT(second.addresses, SizeIs(2));
  EXPECT_EQ(second.addresses[0].address.to_string(), "10.9.0.1");
  EXPECT_EQ(second.addresses[0].length, 30);
  EXPECT_EQ(second.addresses[1].length, 128);
}

}  // namespace
}  // namespace culvert::config
