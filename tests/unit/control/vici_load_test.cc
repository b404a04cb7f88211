// load-conn and load-shared: defaults, derivations, value forms, and refusals that name the option.
#include "control/vici_load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/vici_values.h"

namespace culvert::vici {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Message minimal(const std::function<void(Section&)>& edit = {}) {
  Message request;
  auto& connection = request.add_section("gw");
  connection.add_section("local-1").add("auth", "psk");
  connection.add_section("remote").add("auth", "psk");
  if (edit) edit(connection);
  return request;
}

Message with_child(const std::function<void(Section&)>& edit) {
  return minimal(
      [&](Section& connection) { edit(connection.add_section("children").add_section("net")); });
}

ConnectionConfig loaded(const Message& request) {
  auto connections = load_connections(request);
  EXPECT_TRUE(connections) << connections.error();
  return connections ? connections->at(0) : ConnectionConfig{};
}

std::string error_of(const Message& request) {
  const auto connections = load_connections(request);
  return connections ? "accepted" : connections.error();
}

std::string option_error(const std::string& name, const std::string& value) {
  return error_of(minimal([&](Section& connection) { connection.add(name, value); }));
}

std::string child_error(const std::string& name, const std::string& value) {
  return error_of(with_child([&](Section& child) { child.add(name, value); }));
}

TEST(LoadConn, FillsInStrongSwansDefaults) {
  const auto connection = loaded(with_child([](Section&) {}));
  EXPECT_EQ(connection.name, "gw");
  EXPECT_EQ(connection.version, 0);
  EXPECT_TRUE(connection.local_addrs.empty());
  EXPECT_EQ(connection.local_port, 500);
  EXPECT_EQ(connection.remote_port, 500);
  EXPECT_EQ(connection.proposals, default_proposals(wire::ProtocolId::ike));
  EXPECT_EQ(connection.rekey_time, 4h);
  EXPECT_EQ(connection.reauth_time, 0s);
  EXPECT_EQ(connection.over_time, 24min);
  EXPECT_EQ(connection.rand_time, 24min);
  EXPECT_EQ(connection.dpd_delay, 0s);
  EXPECT_EQ(connection.keyingtries, 1u);
  EXPECT_EQ(connection.unique, Unique::no);
  EXPECT_EQ(connection.encap, Encap::automatic);
  EXPECT_TRUE(connection.remote.id.is_any());
  const auto& child = *connection.child("net");
  EXPECT_TRUE(child.local.at(0).dynamic);
  EXPECT_TRUE(child.remote.at(0).dynamic);
  EXPECT_EQ(child.proposals, default_proposals(wire::ProtocolId::esp));
  EXPECT_EQ(child.lifetime.rekey_time, 1h);
  EXPECT_EQ(child.lifetime.life_time, 66min);
  EXPECT_EQ(child.lifetime.rand_time, 6min);
  EXPECT_EQ(child.lifetime.life_bytes, 0u);
  EXPECT_EQ(child.mode, Mode::tunnel);
  EXPECT_EQ(child.start_action, StartAction::none);
}

TEST(LoadConn, DerivesTimes) {
  const auto rekeyed = loaded(minimal([](Section& connection) {
    connection.add("rekey_time", "1000s").add("reauth_time", "200");
  }));
  EXPECT_EQ(rekeyed.over_time, 100s);
  EXPECT_EQ(rekeyed.rand_time, 100s);
  const auto reauthenticated = loaded(minimal(
      [](Section& connection) { connection.add("reauth_time", "1h30m").add("over_time", "50m"); }));
  EXPECT_EQ(reauthenticated.rekey_time, 0s);
  EXPECT_EQ(reauthenticated.reauth_time, 90min);
  EXPECT_EQ(reauthenticated.rand_time, 45min);
  const auto child = loaded(with_child([](Section& section) {
                       section.add("rekey_time", "100")
                           .add("life_time", "90")
                           .add("rekey_bytes", "500M")
                           .add("rekey_packets", "1000")
                           .add("rand_packets", "5");
                     })).children.at(0);
  EXPECT_EQ(child.lifetime.life_time, 90s);
  EXPECT_EQ(child.lifetime.rand_time, 0s);
  EXPECT_EQ(child.lifetime.rekey_bytes, 500ull << 20);
  EXPECT_EQ(child.lifetime.life_bytes, (500ull << 20) / 10 * 11);
  EXPECT_EQ(child.lifetime.rand_bytes, (500ull << 20) / 10);
  EXPECT_EQ(child.lifetime.life_packets, 1'100u);
  EXPECT_EQ(child.lifetime.rand_packets, 5u);
}

TEST(LoadConn, UnderstandsWhatSwanctlSends) {
  Message request;
  auto& section = request.add_section("branch");
  section.add("version", "2").add("encap", "yes").add("mobike", "no").add("dpd_delay", "30s");
  section.add("unique", "replace").add("keyingtries", "0").add("remote_port", "4500");
  section.add_list("local_addrs", {"192.0.2.1"})
      .add_list("remote_addrs", {"192.0.2.2", "gw.example.org"})
      .add_list("proposals", {"aes128gcm16-prfsha256-x25519", "default"});
  section.add_section("local-1").add("auth", "psk").add("id", "moon.example.org");
  section.add_section("remote-1").add("auth", "psk").add("id", "@sun.example.org");
  auto& child = section.add_section("children").add_section("net");
  child.add_list("local_ts", {"10.1.0.0/16", "10.3.0.0/16[tcp/80]"})
      .add_list("remote_ts", {"10.2.0.0/16"})
      .add_list("esp_proposals", {"aes128gcm16-x25519-esn"})
      .add("start_action", "trap|start")
      .add("dpd_action", "restart")
      .add("close_action", "trap")
      .add("updown", "")
      .add("mark_in", "0/0x00000000")
      .add("copy_df", "true")
      .add("hw_offload", "auto");
  const auto connection = loaded(request);
  EXPECT_EQ(connection.version, 2);
  EXPECT_EQ(connection.encap, Encap::always);
  EXPECT_FALSE(connection.mobike);
  EXPECT_EQ(connection.dpd_delay, 30s);
  EXPECT_EQ(connection.unique, Unique::replace);
  EXPECT_EQ(connection.keyingtries, 0u);
  EXPECT_EQ(connection.remote_port, 4'500);
  EXPECT_EQ(connection.remote_addrs.at(1).host_name, "gw.example.org");
  EXPECT_EQ(to_string(connection.proposals.at(0)), "aes128gcm16-prfsha256-x25519");
  EXPECT_EQ(connection.proposals.size(), 1 + default_proposals(wire::ProtocolId::ike).size());
  EXPECT_EQ(to_string(connection.local.id), "moon.example.org");
  EXPECT_EQ(to_string(connection.remote.id), "sun.example.org");
  const auto& net = connection.children.at(0);
  EXPECT_EQ(net.local.size(), 2u);
  EXPECT_EQ(net.start_action, StartAction::trap_and_start);
  EXPECT_EQ(net.dpd_action, DpdAction::start);
  EXPECT_EQ(net.close_action, CloseAction::trap);
  EXPECT_EQ(net.proposals.at(0).ke.at(0), Ke::x25519);
}

TEST(LoadConn, NamesTheOptionTheValueAndTheRemedy) {
  EXPECT_THAT(option_error("dpd_delay", "often"),
              AllOf(HasSubstr("gw.dpd_delay"), HasSubstr("'often'"), HasSubstr("30s")));
  EXPECT_THAT(option_error("remote_port", "65536"), HasSubstr("0 to 65535"));
  EXPECT_THAT(option_error("unique", "maybe"), HasSubstr("one of no, never, keep, replace"));
  EXPECT_THAT(option_error("proposals", "aes127gcm16-prfsha256-x25519"),
              AllOf(HasSubstr("gw.proposals"), HasSubstr("did you mean aes12")));
  EXPECT_THAT(child_error("local_ts", "10.0.0.0/33"),
              AllOf(HasSubstr("gw.children.net.local_ts"), HasSubstr("'10.0.0.0/33'")));
  EXPECT_THAT(option_error("rekey_tme", "4h"),
              AllOf(HasSubstr("unknown option: gw.rekey_tme"), HasSubstr("config discarded"),
                    HasSubstr("did you mean rekey_time?")));
}

TEST(LoadConn, NeverIgnoresWhatItCannotDo) {
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"version", "1"},
                                                        {"aggressive", "yes"},
                                                        {"pull", "no"},
                                                        {"ppk_required", "yes"},
                                                        {"ppk_id", "x"},
                                                        {"mediation", "yes"}})
    EXPECT_THAT(option_error(name, value),
                AllOf(HasSubstr("gw." + name), HasSubstr("'" + value + "'"),
                      HasSubstr("supported by Culvert")))
        << name;
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"mode", "beet"},
                                                        {"mode", "transport_proxy"},
                                                        {"label", "x"},
                                                        {"sha256_96", "yes"},
                                                        {"hw_offload", "yes"},
                                                        {"policies_fwd_out", "yes"}})
    EXPECT_THAT(child_error(name, value),
                AllOf(HasSubstr("gw.children.net." + name), HasSubstr("'" + value + "'"),
                      HasSubstr("supported by Culvert")))
        << name;
}

TEST(LoadConn, AcceptsUnsupportedOptionsWithTheirDefaults) {
  EXPECT_EQ(option_error("aggressive", "false"), "accepted");
  EXPECT_EQ(option_error("pull", "1"), "accepted");
  EXPECT_EQ(child_error("sha256_96", "no"), "accepted");
  EXPECT_EQ(child_error("policies_fwd_out", "no"), "accepted");
}

TEST(LoadConn, UnderstandsTheOptionsOfThePolicies) {
  const auto child = loaded(with_child([](Section& section) {
                       section.add("mode", "transport").add("ipcomp", "yes");
                       section.add("tfc_padding", "mtu").add("copy_df", "no").add("copy_ecn", "no");
                       section.add("copy_dscp", "in").add("interface", "eth0");
                       section.add("updown", "/usr/lib/ipsec/_updown iptables");
                       section.add("hostaccess", "yes").add("inactivity", "1h");
                       section.add("mark_in", "%unique-dir").add("mark_in_sa", "yes");
                       section.add("mark_out", "0x1ff/0xff").add("set_mark_in", "%same/0xf0");
                       section.add("set_mark_out", "7").add("if_id_in", "%unique");
                       section.add("if_id_out", "0x10").add_list("ah_proposals", {"sha256"});
                     })).children.at(0);
  EXPECT_EQ(child.mode, Mode::transport);
  EXPECT_TRUE(child.ipcomp && child.hostaccess && child.mark_in_sa);
  EXPECT_FALSE(child.copy_df || child.copy_ecn);
  EXPECT_EQ(child.tfc_padding, kPadToMtu);
  EXPECT_EQ(child.copy_dscp, CopyDscp::in);
  EXPECT_EQ(child.interface, "eth0");
  EXPECT_EQ(child.updown, "/usr/lib/ipsec/_updown iptables");
  EXPECT_EQ(child.inactivity, 1h);
  EXPECT_EQ(child.mark_in, (Mark{kUniquePerDirection, 0xffff'ffff}));
  EXPECT_EQ(child.mark_out, (Mark{0xff, 0xff}));
  EXPECT_EQ(child.set_mark_in, (Mark{kSameMark, 0xf0}));
  EXPECT_EQ(child.set_mark_out, (Mark{7, 0xffff'ffff}));
  EXPECT_EQ(child.if_id_in, kUnique);
  EXPECT_EQ(child.if_id_out, 16u);
  EXPECT_EQ(child.proposals.at(0).protocol, wire::ProtocolId::ah);
}

TEST(LoadConn, UnderstandsTheOptionsOfTheConnection) {
  Message request;
  auto& section = request.add_section("gw");
  section.add("dscp", "101110").add("childless", "force").add("if_id_in", "5");
  section.add_section("local").add("auth", "psk");
  section.add_section("remote").add("auth", "psk");
  auto& children = section.add_section("children");
  children.add_section("a");
  children.add_section("b").add("if_id_in", "6");
  const auto connection = loaded(request);
  EXPECT_EQ(connection.dscp, 46);
  EXPECT_EQ(connection.childless, Childless::force);
  EXPECT_EQ(connection.child("a")->if_id_in, 5u);  // the connection's is the children's default
  EXPECT_EQ(connection.child("b")->if_id_in, 6u);
}

TEST(LoadConn, SaysWhatAPolicyOptionShouldBe) {
  EXPECT_THAT(option_error("dscp", "46"), HasSubstr("six binary digits"));
  EXPECT_THAT(child_error("mark_in", "red"), HasSubstr("a mark such as 42"));
  EXPECT_THAT(child_error("mark_in", "%same"), HasSubstr("%unique"));
  EXPECT_THAT(child_error("set_mark_out", "1/"), HasSubstr("%same"));
  EXPECT_THAT(child_error("mark_out", "0x100000000"), HasSubstr("a mark such as"));
  EXPECT_THAT(child_error("tfc_padding", "65536"), HasSubstr("mtu or a number"));
  EXPECT_THAT(child_error("interface", "sixteen-letters-"), HasSubstr("at most 15"));
  EXPECT_THAT(child_error("updown", "/a\nb"), HasSubstr("printable"));
  EXPECT_THAT(child_error("copy_dscp", "maybe"), HasSubstr("one of out, in, yes, no"));
  EXPECT_THAT(error_of(with_child([](Section& section) {
                section.add("ah_proposals", "sha256").add("esp_proposals", "aes128gcm16");
              })),
              HasSubstr("one or the other"));
}

TEST(LoadConn, ShuntsNeedNoAuthentication) {
  Message request;
  auto& children = request.add_section("shunts").add_section("children");
  children.add_section("lan").add("mode", "pass").add_list("remote_ts", {"10.0.0.0/8"});
  EXPECT_TRUE(loaded(request).has_only_shunts());
  children.add_section("net");
  EXPECT_EQ(loaded(request).local.kind, AuthKind::pubkey);  // as in strongSwan
}

TEST(LoadConn, RefusesAuthenticationThatItCannotDo) {
  const auto with_local = [](const std::function<void(Section&)>& edit) {
    Message request;
    auto& connection = request.add_section("gw");
    edit(connection.add_section("local"));
    connection.add_section("remote").add("auth", "psk");
    return error_of(request);
  };
  for (const char* auth : {"xauth", "ike:pubkey", "eap-nonsense", "eap-fast"})
    EXPECT_THAT(with_local([&](Section& section) { section.add("auth", auth); }),
                AllOf(HasSubstr("gw.local.auth"), HasSubstr(auth)));
  EXPECT_THAT(with_local([](Section& auth) {
                auth.add("auth", "psk").add_list("certs", {"-----BEGIN CERTIFICATE-----\n!"});
              }),
              HasSubstr("gw.local.certs"));
  EXPECT_THAT(with_local([](Section& auth) { auth.add("auth", "psk").add_section("cert-x"); }),
              HasSubstr("certificates"));
  EXPECT_THAT(error_of(minimal([](Section& connection) {
                connection.add_section("remote-2").add("auth", "psk");
              })),
              HasSubstr("second round"));
}

TEST(LoadConn, UnderstandsCertificatesAndEap) {
  Message request;
  auto& connection = request.add_section("gw");
  connection.add("send_cert", "always");
  auto& local = connection.add_section("local");
  local.add("auth", "eap-mschapv2").add("eap_id", "carol");
  auto& remote = connection.add_section("remote");
  remote.add("revocation", "strict").add_list("cacerts", {"\x30\x03\x02\x01\x01"});
  const ConnectionConfig config = loaded(request);
  EXPECT_EQ(config.send_cert, SendCert::always);
  EXPECT_EQ(config.local.kind, AuthKind::eap);
  EXPECT_EQ(config.local.eap_methods, std::vector<std::string>{"mschapv2"});
  EXPECT_EQ(to_string(*config.local.eap_id), "carol");
  EXPECT_EQ(config.remote.kind, AuthKind::pubkey);
  EXPECT_EQ(config.remote.revocation, Revocation::strict);
  ASSERT_EQ(config.remote.cacerts.size(), 1u);
  EXPECT_EQ(config.remote.cacerts[0].view().size(), 5u);
}

TEST(LoadUsers, OwnersAreTheUsers) {
  Message request;
  request.add("type", "EAP").add("data", "secret").add_list("owners", {"carol", "dave"});
  const auto users = load_users(request);
  ASSERT_TRUE(users);
  ASSERT_EQ(users->size(), 2u);
  EXPECT_EQ((*users)[1].name, "dave");
  EXPECT_TRUE(std::holds_alternative<eap::ClearPassword>((*users)[1].password));
  Message nobody;
  nobody.add("type", "EAP").add("data", "secret");
  EXPECT_FALSE(load_users(nobody));
}

TEST(LoadConn, RefusesHostileShapes) {
  EXPECT_THAT(error_of({}), HasSubstr("without a connection"));
  EXPECT_THAT(error_of(minimal([](Section& connection) { connection.add_section("local_ts"); })),
              HasSubstr("second round"));
  EXPECT_THAT(error_of(minimal([](Section& connection) { connection.add_section("other"); })),
              HasSubstr("invalid section: gw.other"));
  EXPECT_THAT(error_of(minimal([](Section& connection) {
                connection.add("mobike", "yes").add("mobike", "no");
              })),
              HasSubstr("twice"));
  EXPECT_THAT(
      error_of(minimal([](Section& connection) { connection.add_list("mobike", {"yes"}); })),
      HasSubstr("not a list"));
  EXPECT_THAT(error_of(minimal([](Section& connection) {
                auto& children = connection.add_section("children");
                children.add_section("net");
                children.add_section("net");
              })),
              HasSubstr("twice"));
  Message escape;
  escape.add_section("gw\x1b[2J");
  EXPECT_NE(error_of(escape), "accepted");
  EXPECT_THAT(option_error("\x1b[2J", "x"), Not(HasSubstr("\x1b")));
  EXPECT_THAT(option_error("proposals", "aes\x1b[2J-sha256"), Not(HasSubstr("\x1b")));
  EXPECT_THAT(option_error("dpd_delay", std::string(60'000, 'x')),
              ::testing::SizeIs(::testing::Lt(300u)));
}

TEST(LoadShared, TakesTheSecretAsItIs) {
  Message request;
  request.add("id", "ike-1").add("type", "IKE").add("data", std::string("0x\0\xff", 4));
  request.add_list("owners", {"moon.example.org", "192.0.2.1"});
  const auto secret = load_shared(request);
  ASSERT_TRUE(secret) << secret.error();
  EXPECT_EQ(secret->id, "ike-1");
  EXPECT_EQ(as_text(secret->secret.view()), std::string_view("0x\0\xff", 4));
  ASSERT_EQ(secret->owners.size(), 2u);
  EXPECT_EQ(to_string(secret->owners[1]), "192.0.2.1");
}

TEST(LoadShared, SaysWhatIsMissing) {
  const auto error = [](std::initializer_list<std::pair<const char*, const char*>> fields) {
    Message request;
    for (const auto& [name, value] : fields) request.add(name, value);
    const auto secret = load_shared(request);
    return secret ? "accepted" : secret.error();
  };
  EXPECT_THAT(error({{"data", "x"}}), HasSubstr("type missing"));
  EXPECT_THAT(error({{"type", "ike"}}), HasSubstr("data missing"));
  EXPECT_THAT(error({{"type", "ike"}, {"data", ""}}), HasSubstr("data missing"));
  EXPECT_THAT(error({{"type", "EAP"}, {"data", "x"}}), HasSubstr("'EAP'"));
  EXPECT_EQ(error({{"type", "ike"}, {"data", "x"}}), "accepted");
}

TEST(ViciValues, Times) {
  EXPECT_EQ(parse_time("30"), 30s);
  EXPECT_EQ(parse_time("30s"), 30s);
  EXPECT_EQ(parse_time("5m"), 5min);
  EXPECT_EQ(parse_time("4H"), 4h);
  EXPECT_EQ(parse_time("1d"), 24h);
  EXPECT_EQ(parse_time("1h30m5s"), 5405s);
  EXPECT_EQ(parse_time("10 s"), 10s);
  for (const auto* bad : {"", "s", "-1", "1x", "1.5h", "99999999999999999999", "11000d", "4h "})
    EXPECT_EQ(parse_time(bad), std::nullopt) << bad;
}

TEST(ViciValues, OctetsNumbersAndBooleans) {
  EXPECT_EQ(parse_octets("64k"), 65'536u);
  EXPECT_EQ(parse_octets("2G"), 2ull << 30);
  EXPECT_EQ(parse_octets("99999999999999G"), std::nullopt);
  EXPECT_EQ(parse_octets("1T"), std::nullopt);
  EXPECT_EQ(parse_number("0x1f"), 31u);
  EXPECT_EQ(parse_number("0x"), std::nullopt);
  EXPECT_EQ(parse_number("12a"), std::nullopt);
  EXPECT_EQ(parse_bool("Enabled"), true);
  EXPECT_EQ(parse_bool("0"), false);
  EXPECT_EQ(parse_bool("2"), std::nullopt);
}

}  // namespace
}  // namespace culvert::vici
