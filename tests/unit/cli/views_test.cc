// What the daemon answers, as the operator sees it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "cli/json.h"
#include "cli/log_view.h"
#include "cli/status_view.h"

namespace culvert::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using vici::Message;

Message sa_event() {
  Message event;
  auto& sa = event.add_section("branch");
  sa.add("uniqueid", "7").add("state", "ESTABLISHED");
  sa.add("local-id", "a.example.org").add("remote-id", "b.example.org");
  sa.add("remote-host", "192.0.2.1").add("remote-port", "4500");
  sa.add("encr-alg", "AES_GCM_16").add("encr-keysize", "128");
  sa.add("prf-alg", "PRF_HMAC_SHA2_256").add("dh-group", "CURVE_25519");
  sa.add("established", "11520").add("rekey-time", "2880");
  auto& child = sa.add_section("child-sas").add_section("lan-3");
  child.add("name", "lan").add("uniqueid", "3").add("state", "INSTALLED").add("encap", "yes");
  child.add("spi-in", "c1234567").add("spi-out", "c89abcde");
  child.add("encr-alg", "AES_GCM_16").add("encr-keysize", "128").add("esn", "1");
  child.add("bytes-in", "1536").add("packets-in", "9");
  child.add("bytes-out", "0").add("packets-out", "0");
  child.add("install-time", "42").add("rekey-time", "3000");
  child.add_list("local-ts", {"10.1.0.0/16"}).add_list("remote-ts", {"10.2.0.0/16", "10.3.0.0/16"});
  return event;
}

Message conn_event(const std::string& name) {
  Message event;
  event.add_section(name).add_list("remote_addrs", {"198.51.100.7"});
  return event;
}

Message failure() {
  Message answer;
  answer.add("success", "yes").add("connection", "office").add("failed", "yes");
  answer.add("event", "wrong_secret").add("text", "the keys differ").add("ago", "12");
  return answer;
}

TEST(Status, ShowsSasAndTheirChildren) {
  EXPECT_EQ(status_text({{conn_event("branch")}, {sa_event()}, {}, {}}, false),
            "CONNECTION  STATE        SINCE  PEER            IDENTITIES                     SUITE"
            "                                         REKEY IN\n"
            "branch[7]   established  3h12m  192.0.2.1:4500  a.example.org - b.example.org  "
            "AES_GCM_16-128/PRF_HMAC_SHA2_256/CURVE_25519  48m\n"
            "\n"
            "CHILD SA  OF         STATE      SELECTORS                                SPI IN    "
            "SPI OUT   IN           OUT      AGE  REKEY IN  SUITE\n"
            "lan{3}    branch[7]  installed  10.1.0.0/16 === 10.2.0.0/16 10.3.0.0/16  c1234567  "
            "c89abcde  1.5 KiB (9)  0 B (0)  42s  50m       AES_GCM_16-128/ESN in UDP\n");
}

TEST(Status, ShowsWhatIsDownAndWhy) {
  const StatusInput input{{conn_event("branch"), conn_event("home"), conn_event("office")},
                          {sa_event()},
                          {{"office", failure()}},
                          {}};
  EXPECT_THAT(idle_connections(input), ElementsAre("home", "office"));
  const auto text = status_text(input, false);
  EXPECT_THAT(text, HasSubstr("home        down         -      198.51.100.7\n"));
  EXPECT_THAT(text, HasSubstr("office      failed       12s    198.51.100.7    wrong_secret; see: "
                              "culvert why office\n"));
}

TEST(Status, TellsPoliciesFromTunnelsThatAreDown) {
  auto event = conn_event("shunts");
  auto& children = event.elements()[0].value;
  auto& section = std::get<vici::Section>(children).add_section("children");
  section.add_section("mail").add("mode", "DROP");
  section.add_section("lan").add("mode", "PASS");
  EXPECT_THAT(status_text({{event}, {}, {}, {}}, false), HasSubstr("drop mail, pass lan"));
}

TEST(Status, SaysWhenThereIsNothing) {
  EXPECT_EQ(status_text({}, false), "no connections are loaded\n");
}

TEST(Status, TellsOfTheDataPlane) {
  StatusInput input;
  input.daemon.add_list("data-plane", {"userspace", "2 workers"});
  EXPECT_EQ(status_text(input, false),
            "no connections are loaded\n\ndata plane: userspace\n            2 workers\n");
}

TEST(Status, PutsIpv6PeersInBrackets) {
  Message event;
  event.add_section("six").add("remote-host", "2001:db8::1").add("remote-port", "500");
  EXPECT_THAT(status_text({{}, {event}, {}, {}}, false), HasSubstr("[2001:db8::1]:500"));
}

TEST(Status, AsJsonHasEverySa) {
  const auto json =
      to_json(status_message({{conn_event("branch")}, {sa_event(), sa_event()}, {}, {}}));
  EXPECT_THAT(json, HasSubstr(R"("connections":{"branch":{"remote_addrs":["198.51.100.7"]}})"));
  EXPECT_THAT(json, HasSubstr(R"("branch-7":{"name":"branch","uniqueid":"7",)"));
  EXPECT_THAT(json, HasSubstr(R"("remote-ts":["10.2.0.0/16","10.3.0.0/16"])"));
  EXPECT_THAT(json, Not(HasSubstr("\n")));
}

TEST(Json, SurvivesTextThatIsNotUtf8) {
  Message message;
  message.add("a", "x\xff\"\n");
  EXPECT_EQ(to_json(message), "{\"a\":\"x\xef\xbf\xbd\\\"\\n\"}");
}

Message log_event(const std::string& group, const std::string& text) {
  Message event;
  event.add("group", group).add("level", "1").add("ikesa-name", "branch");
  event.add("ikesa-uniqueid", "7").add("msg", text);
  return event;
}

TEST(Ladder, PointsMessagesAtTheirReceiver) {
  EXPECT_EQ(ladder_line(log_event("ENC", "sent IKE_SA_INIT request 0: SA"), 4ms),
            "  0.004 s  --> IKE_SA_INIT request 0: SA");
  EXPECT_EQ(ladder_line(log_event("ENC", "received IKE_AUTH response 1: SK{}"), 12'345ms),
            " 12.345 s  <-- IKE_AUTH response 1: SK{}");
  EXPECT_EQ(ladder_line(log_event("IKE", "sent nothing"), 0ms), "  0.000 s      sent nothing");
}

TEST(Log, IsOneLineAnEvent) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  const std::chrono::sys_seconds noon{12h};
  EXPECT_EQ(log_line(log_event("IKE", "two\nlines\x1b"), noon, false),
            "12:00:00 IKE branch[7] two lines?");
  Message bare;
  bare.add("group", "NET").add("msg", "text");
  EXPECT_EQ(log_line(bare, noon, false), "12:00:00 NET text");
  EXPECT_EQ(level_of(bare), 1u);
  bare.add("level", "3");
  EXPECT_EQ(level_of(bare), 3u);
}

TEST(Why, IsOneLine) {
  EXPECT_EQ(why_text(failure()), "office, 12s ago: the keys differ");
  auto of_child = failure();
  of_child.add("child", "lan");
  EXPECT_EQ(why_text(of_child), "office child lan, 12s ago: the keys differ");
  Message none;
  none.add("success", "yes").add("connection", "home").add("failed", "no");
  EXPECT_EQ(why_text(none), "home: no failure is known");
}

}  // namespace
}  // namespace culvert::cli
