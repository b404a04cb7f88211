// Every mistake has its place, its words and, where one is near, its remedy.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "config/load.h"
#include "config/table_reader.h"

namespace culvert::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> errors(std::string_view text) {
  const auto result = load_text(text, "f");
  std::vector<std::string> lines;
  if (!result)
    for (const auto& diagnostic : result.error()) lines.push_back(diagnostic.to_string());
  return lines;
}
std::vector<std::string> warnings(std::string_view text) {
  const auto result = load_text(text, "f");
  std::vector<std::string> lines;
  for (const auto& diagnostic : result ? result->warnings : result.error())
    lines.push_back((result ? "" : "error: ") + diagnostic.to_string());
  return lines;
}
// Of a tunnel that is good except for `line`, its fourth.
std::vector<std::string> errors_of(std::string_view line) {
  return errors("[tunnel.t]\npeer = '192.0.2.1'\npsk = 'k'\n" + std::string(line) + "\n");
}

struct BadLine {
  std::string_view line, diagnostic;
};
class BadLines : public ::testing::TestWithParam<BadLine> {};

TEST_P(BadLines, AreExplained) {
  EXPECT_THAT(errors_of(GetParam().line), ElementsAre(std::string(GetParam().diagnostic)))
      << GetParam().line;
}

constexpr BadLine kBadLines[] = {
    {"lcoal = '10.1.0.0/16'", "f:4:1: unknown key 'lcoal' in [tunnel.t]; did you mean 'local'?"},
    {"mark_in = 'red'",
     "f:4:11: 'mark_in' in [tunnel.t]: not a mark; write a number, "
     "\"0x2a/0xff\" with a mask, or \"unique\""},
    {"set_mark_in = 'unique'",
     "f:4:15: 'set_mark_in' in [tunnel.t]: not a mark; write a number, "
     "\"0x2a/0xff\" with a mask, or \"same\""},
    {"if_id_in = 'x'",
     "f:4:12: 'if_id_in' in [tunnel.t]: 'x' is not an interface ID; write a "
     "number, \"unique\" or \"unique-per-direction\""},
    {"dscp = 64", "f:4:8: 'dscp' in [tunnel.t]: 64 is not within 0 to 63"},
    {"dscp = 'af44'",
     "f:4:8: 'dscp' in [tunnel.t]: 'af44' is not a DSCP; write a number from 0 "
     "to 63, \"ef\", \"cs0\" to \"cs7\" or \"af11\" to \"af43\""},
    {"tfc = 'big'",
     "f:4:7: 'tfc' in [tunnel.t]: expected a number of octets or \"mtu\", found a string"},
    {"fragmentation = 'maybe'",
     "f:4:17: 'fragmentation' in [tunnel.t]: expected true, false or "
     "\"accept\", found a string"},
    {"esp_rekey_octets = '5X'",
     "f:4:20: 'esp_rekey_octets' in [tunnel.t]: '5X' is not a number "
     "of octets; write a number, or one with a unit such as \"500M\" "
     "or \"2G\""},
    {"esp = 'aes128gcm16'\nah = 'sha256'",
     "f:5:1: [tunnel.t]: 'esp' and 'ah': a CHILD SA is one or the other; give them to two CHILD "
     "SAs, each in a table of its own"},
    {"interface = ''", "f:4:13: 'interface' in [tunnel.t]: '' is not the name of an interface"},
    {"chidless = 'allow'",
     "f:4:1: unknown key 'chidless' in [tunnel.t]; did you mean 'childless'?"},
    {"zzz = 1", "f:4:1: unknown key 'zzz' in [tunnel.t]"},
    {"local = 5",
     "f:4:9: 'local' in [tunnel.t]: expected a string or an array of strings, found an integer"},
    {"local = ['10.1.0.0/16', true]",
     "f:4:25: 'local' in [tunnel.t]: expected a string in the array, found a boolean"},
    {"local = []", "f:4:9: 'local' in [tunnel.t]: the array is empty; leave the key out"},
    {"local = '10.1.0.0/33'",
     "f:4:9: 'local' in [tunnel.t]: '10.1.0.0/33' is not a traffic selector; write "
     "\"10.1.0.0/16\", \"10.1.0.1-10.1.0.9\", \"10.1.0.0/16[tcp/80]\" or \"dynamic\""},
    {"remote_id = 1979-05-27",
     "f:4:13: 'remote_id' in [tunnel.t]: expected a string, found a date or time"},
    {"remote_id = ''",
     "f:4:13: 'remote_id' in [tunnel.t]: '' is not an identity; write an address, a host name, "
     "\"user@host\", \"keyid:text\" or \"@#hex\""},
    {"local_id = '*.example.org'",
     "f:4:12: 'local_id' in [tunnel.t]: our own identity can't have wildcards"},
    {"local_address = 'gw.example.org'",
     "f:4:17: 'local_address' in [tunnel.t]: a host name is not an address of ours"},
    {"ike = 'aes127gcm16-prfsha256-x25519'",
     "f:4:7: 'ike' in [tunnel.t]: unknown algorithm 'aes127gcm16'; did you mean 'aes128gcm16'?"},
    {"keep = 'on demand'",
     "f:4:8: 'keep' in [tunnel.t]: 'on demand' is none of \"up\", \"demand\", \"passive\"; did you "
     "mean 'demand'?"},
    {"encap = true", "f:4:9: 'encap' in [tunnel.t]: expected a string, found a boolean"},
    {"mode = 'beet'", "f:4:8: 'mode' in [tunnel.t]: 'beet' is none of \"tunnel\", \"transport\""},
    {"version = 1", "f:4:11: 'version' in [tunnel.t]: 1 is not within 2 to 2"},
    {"peer_port = 65536", "f:4:13: 'peer_port' in [tunnel.t]: 65536 is not within 1 to 65535"},
    {"dpd = 30",
     "f:4:7: 'dpd' in [tunnel.t]: expected a duration such as \"30s\", found an integer"},
    {"dpd = '30'",
     "f:4:7: 'dpd' in [tunnel.t]: '30' is not a duration; write numbers with units, such as "
     "\"30s\", \"5m\", \"1h30m\" or \"1d\""},
    {"ike_rekey = '1s'", "f:4:13: 'ike_rekey' in [tunnel.t]: '1s' is not within 10s to 365d"},
    {"child = 1", "f:4:9: 'child' in [tunnel.t]: expected a table, found an integer"},
    {"child.c = 1", "f:4:11: 'child.c' in [tunnel.t]: expected a table, found an integer"},
    {"child.c.keep = 'up'", "f:4:9: unknown key 'keep' in [tunnel.t.child.c]"},
    {"child.\"\".esp = 'aes128gcm16'",
     "f:4:7: '' is not a name for a CHILD SA; use 1 to 64 printable characters"},
    {"local = '10.1.0.0/16'\nremote = 'fd00::/64'",
     "f:1:9: [tunnel.t]: 'local' and 'remote' are of different address families"},
    {"dpd = '30s", "f:4:11: the string has no closing quote on this line"},
    {"peer = '192.0.2.2'", "f:4:8: cannot redefine existing string 'peer'"},
};
INSTANTIATE_TEST_SUITE_P(Tunnel, BadLines, ::testing::ValuesIn(kBadLines));

TEST(Diagnostics, AreAllGivenAtOnceInTheOrderOfTheFile) {
  EXPECT_THAT(errors("[tunnel.a]\npeer = 1\n[tunel.b]\n[tunnel.c]\npsk = 'k'\n"),
              ElementsAre("f:1:9: [tunnel.a] has no 'psk'; add psk = { file = \"…\" }, or 'cert', "
                          "'key' and 'ca' for "
                          "certificates",
                          "f:2:8: 'peer' in [tunnel.a]: expected a string or an array of strings, "
                          "found an integer",
                          "f:3:2: unknown key 'tunel' in the file; did you mean 'tunnel'?",
                          "f:4:9: [tunnel.c] has no 'peer'; add peer = \"ADDRESS\", or peer = "
                          "\"any\" to accept every address"));
}

TEST(Diagnostics, StopBeforeTheyFloodTheScreen) {
  std::string text = "[tunnel.t]\n";
  for (int i = 0; i < 1000; ++i) text += "z" + std::to_string(i) + " = 1\n";
  EXPECT_THAT(errors(text), SizeIs(100));
}

TEST(Diagnostics, OfPeersAndWhoCanBeCalled) {
  EXPECT_THAT(errors("[tunnel.t]\npsk = 'k'\npeer = '300.1.2.3'"),
              ElementsAre("f:3:8: 'peer' in [tunnel.t]: '300.1.2.3' is not an address, a prefix, a "
                          "range or a host name"));
  EXPECT_THAT(errors("[tunnel.t]\npsk = 'k'\npeer = 'any'\nkeep = 'up'"),
              ElementsAre("f:4:8: 'keep' in [tunnel.t]: there is nobody to call, 'peer' names no "
                          "single address; give 'peer' an address or a host name, or set keep = "
                          "\"passive\""));
  EXPECT_THAT(errors("[tunnel.t]\npsk = 'k'\npeer = '192.0.2.0/24'\nkeep = 'demand'"), SizeIs(1));
  EXPECT_THAT(errors("[tunnel.t]\npsk = 'k'\npeer = '192.0.2.0/24'"), IsEmpty());
}

TEST(Diagnostics, OfTablesThatAreNone) {
  EXPECT_THAT(errors("tunnel = 1"),
              ElementsAre("f:1:10: 'tunnel': expected a table, found an integer; write "
                          "[tunnel.NAME]"));
  EXPECT_THAT(
      errors("[tunnel]\npeer = 'x'"),
      ElementsAre("f:2:8: 'peer' in [tunnel]: expected a table, found a string; each tunnel "
                  "has a table of its own, [tunnel.NAME]"));
  EXPECT_THAT(errors("daemon = []"),
              ElementsAre("f:1:10: 'daemon': expected a table, found an array"));
  EXPECT_THAT(errors("[tunnel.\"a\\u0007\"]\npeer='any'\npsk='k'"),
              ElementsAre("f:1:9: 'a\\x07' is not a name for a tunnel; use 1 to 64 printable "
                          "characters"));
}

TEST(Diagnostics, OfTheDaemon) {
  EXPECT_THAT(
      errors("[daemon]\nworkers = 0\ndevice = 'a/b'\nlog_level = 'verbose'\n"
             "retransmit_base = 'x'\nnat_t_port = 500\nmtu = 1.5\n"),
      ElementsAre("f:1:2: [daemon]: 'ike_port' and 'nat_t_port' must differ",
                  "f:2:11: 'workers' in [daemon]: 0 is not within 1 to 64",
                  "f:3:10: 'device' in [daemon]: 'a/b' is not a name for a network device",
                  "f:4:13: 'log_level' in [daemon]: 'verbose' is none of \"error\", "
                  "\"warning\", \"info\", \"debug\", \"trace\"",
                  "f:5:19: 'retransmit_base' in [daemon]: expected a number, found a string",
                  "f:7:7: 'mtu' in [daemon]: expected an integer, found a number with a "
                  "fraction"));
}

TEST(Diagnostics, OfNestingWithoutEnd) {
  std::string key = "a";
  for (int i = 0; i < 100'000; ++i) key += ".a";
  EXPECT_THAT(errors(key + " = 1"), ElementsAre("f:1:16: a key has too many parts"));
  EXPECT_THAT(errors("x = '''\n.........'''\n[" + key + "]"),
              ElementsAre("f:3:17: a key has too many parts"));
  EXPECT_THAT(errors("x = " + std::string(100'000, '[')), SizeIs(1));
  EXPECT_THAT(errors("# a.b.c.d.e.f.g.h.i\n[tunnel.'a.b.c.d.e.f.g.h.i']\npeer = 'any'\n"
                     "psk = \"\\\"a.b.c.d.e.f.g.h.i.j\"\n"),
              IsEmpty());
}

TEST(Diagnostics, OfTextThatIsNotToml) {
  EXPECT_THAT(errors("a = [1, \u02da]"), SizeIs(1));
  EXPECT_THAT(errors("\xff\xfe"), SizeIs(1));
  EXPECT_THAT(errors(std::string_view("a = 1\0", 6)), SizeIs(1));
  EXPECT_THAT(errors("a = 1\na = 2"),
              ElementsAre(HasSubstr("cannot redefine existing integer 'a'")));
}

// ---- overlaps ----

std::string two_tunnels(std::string_view first, std::string_view second) {
  return "[tunnel.a]\npeer = '192.0.2.1'\npsk = 'k'\n" + std::string(first) +
         "\n[tunnel.b]\npeer = '192.0.2.2'\npsk = 'l'\n" + std::string(second) + "\n";
}

TEST(Overlaps, TheSameTrafficInTwoTunnelsIsAnError) {
  EXPECT_THAT(
      errors(two_tunnels("local = '10.1.0.0/16'\nremote = '10.2.0.0/16'",
                         "local = '10.1.0.0/16'\nremote = ['10.9.0.0/16', '10.2.0.0/16']")),
      ElementsAre("f:10:10: [tunnel.b] sends traffic to 10.2.0.0/16 that is already the traffic of "
                  "[tunnel.a] (line 5); give each tunnel networks of its own"));
}

TEST(Overlaps, APartIsAWarning) {
  EXPECT_THAT(warnings(two_tunnels("remote = '10.2.3.0/24'", "remote = '10.2.0.0/16'")),
              ElementsAre("f:8:10: [tunnel.b] and its 10.2.0.0/16 overlap with 10.2.3.0/24 of "
                          "[tunnel.a] (line 4)"));
}

TEST(Overlaps, OtherLocalNetworksPortsOrRangesAreNone) {
  EXPECT_THAT(warnings(two_tunnels("local = '10.1.0.0/16'\nremote = '10.2.0.0/16'",
                                   "local = '10.3.0.0/16'\nremote = '10.2.0.0/16'")),
              IsEmpty());
  EXPECT_THAT(
      warnings(two_tunnels("remote = '10.2.0.0/16[tcp/80]'", "remote = '10.2.0.0/16[tcp/81]'")),
      IsEmpty());
  EXPECT_THAT(warnings(two_tunnels("remote = '10.2.0.0/17'", "remote = '10.2.128.0/17'")),
              IsEmpty());
  EXPECT_THAT(warnings(two_tunnels("", "")), IsEmpty());
}

TEST(Overlaps, WithinATunnelNameTheChild) {
  EXPECT_THAT(errors_of("[tunnel.t.child.x]\nremote = '10.2.0.0/16'\n"
                        "[tunnel.t.child.y]\nremote = '10.2.0.0/16'"),
              ElementsAre("f:7:10: [tunnel.t] sends traffic to 10.2.0.0/16 that is already the "
                          "traffic of child 'x' (line 5); give each tunnel networks of its own"));
}

// ---- helpers ----

TEST(Durations, AreReadStrictly) {
  using namespace std::chrono_literals;
  EXPECT_EQ(parse_duration("30s"), 30s);
  EXPECT_EQ(parse_duration("1d2h3m4s5ms"), 26h + 3min + 4s + 5ms);
  EXPECT_EQ(parse_duration("0s"), 0s);
  for (const auto* bad : {"", "30", "s", "-1s", "1s1m", "1s1s", "1.5h", "1 h", "9999999999999d",
                          "3651d", "1S", "99999999999999999999s"})
    EXPECT_EQ(parse_duration(bad), std::nullopt) << bad;
}

TEST(Durations, AreWrittenAsTheyAreRead) {
  for (const auto* text : {"0s", "30s", "1h30m", "365d", "1m250ms"})
    EXPECT_EQ(duration_text(*parse_duration(text)), text);
}

TEST(Quotes, ShowWhatCantBePrinted) {
  EXPECT_EQ(in_quotes("a\nb\x7f"), "'a\\x0ab\\x7f'");
  EXPECT_EQ(in_quotes(std::string(70, 'x')), "'" + std::string(64, 'x') + "…'");
}

TEST(Diagnostics, OfShunts) {
  EXPECT_THAT(errors("[shunt.a]\naction = 'keep'\nlocal = '10.0.0.0/8'\n"),
              ElementsAre("f:1:8: [shunt.a] has no 'remote'; add remote = \"PREFIX\", "
                          "\"0.0.0.0/0\" for all of IPv4",
                          "f:2:10: 'action' in [shunt.a]: 'keep' is none of \"pass\", \"drop\""));
  EXPECT_THAT(errors("[tunnel.t]\npeer = '192.0.2.1'\npsk = 'k'\n[shunt.t]\naction = 'pass'\n"
                     "local = '10.0.0.0/8'\nremote = '10.0.0.0/8'\n"),
              ElementsAre("f:4:8: [shunt.t] has the name of [tunnel.t]; give it another one"));
  EXPECT_THAT(errors("[shunt.t]\naction = 'pass'\nlocal = '10.0.0.0/8'\nremote = 'fd00::/8'\n"),
              ElementsAre(HasSubstr("different address families")));
  EXPECT_THAT(errors("shunt = 1\n"), ElementsAre(HasSubstr("expected a table")));
}

TEST(Diagnostics, OfRawPublicKeys) {
  EXPECT_THAT(errors_of("peer_public_key = 'absent.pub'"), ElementsAre(HasSubstr("absent.pub")));
  const std::string file = ::testing::TempDir() + "no.pub";
  std::ofstream(file) << "not a key";
  EXPECT_THAT(errors(fmt::format("[tunnel.t]\npeer = '192.0.2.1'\npublic_key = '{0}'\n"
                                 "peer_public_key = '{0}'\n",
                                 file)),
              ElementsAre(HasSubstr("has 'public_key', but no 'key'"),
                          HasSubstr("is not a file of public keys"),
                          HasSubstr("is not a file of public keys")));
}

TEST(Diagnostics, OfXfrmInterfaces) {
  EXPECT_THAT(errors_of("xfrm_interface = 'a name'"),
              ElementsAre(HasSubstr("'a name' is not a name for a network device")));
  EXPECT_THAT(errors_of("xfrm_interface = 3"), ElementsAre(HasSubstr("a name or a table")));
  EXPECT_THAT(errors_of("xfrm_interface = { mtu = 1400 }"),
              ElementsAre(HasSubstr("no 'name' is given")));
  EXPECT_THAT(errors_of("xfrm_interface = { name = 'x', address = '10.0.0.1/33' }"),
              ElementsAre(HasSubstr("is not an address with a prefix length")));
  EXPECT_THAT(errors_of("xfrm_interface = { name = 'x', mtu = 100 }"), SizeIs(1));
  EXPECT_THAT(errors("[tunnel.a]\npeer = '192.0.2.1'\npsk = 'k'\nremote = '10.1.0.0/16'\n"
                     "xfrm_interface = 'x'\n"
                     "[tunnel.b]\npeer = '192.0.2.1'\npsk = 'k'\nremote = '10.2.0.0/16'\n"
                     "xfrm_interface = { name = 'x', mtu = 1400 }\n"),
              ElementsAre(HasSubstr("tunnels describe the interface 'x' differently")));
}

}  // namespace
}  // namespace culvert::config
