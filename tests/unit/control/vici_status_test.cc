// Field names, order and value forms of the status messages, as charon 5.9 has them.
#include "control/vici_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/vici_load.h"
#include "tests/unit/control/fake_backend.h"

namespace culvert::vici {
namespace {

using control::FakeBackend;

// "key=value key=[a b] name{…}": a section in one line.
std::string text(const Section& section) {
  std::string out;
  for (const auto& element : section.elements()) {
    if (!out.empty()) out += ' ';
    out += element.name;
    if (const auto* value = std::get_if<std::string>(&element.value)) {
      out += "=" + *value;
    } else if (const auto* list = std::get_if<List>(&element.value)) {
      out += "=[";
      for (const auto& item : *list) out += (&item == &list->front() ? "" : " ") + item;
      out += "]";
    } else {
      out += "{" + text(std::get<Section>(element.value)) + "}";
    }
  }
  return out;
}

CounterQuery counters_of(const FakeBackend& backend) {
  return [&backend](SaPairId pair) { return backend.counters(pair); };
}

TEST(ViciStatus, ListSa) {
  FakeBackend backend;
  const auto event =
      list_sa_event(control::example_sa("gw", 1), {}, backend.now(), counters_of(backend));
  EXPECT_EQ(
      text(event),
      "gw{uniqueid=1 version=2 state=ESTABLISHED local-host=192.0.2.1 local-port=4500 "
      "local-id=moon.example.org remote-host=192.0.2.2 remote-port=4500 "
      "remote-id=sun.example.org initiator=yes initiator-spi=0123456789abcdef "
      "responder-spi=00000000000000fe nat-remote=yes nat-any=yes encr-alg=AES_CBC "
      "encr-keysize=256 integ-alg=HMAC_SHA2_256_128 prf-alg=PRF_HMAC_SHA2_256 "
      "dh-group=CURVE_25519 established=100 rekey-time=9000 tasks-active=[CHILD_CREATE] "
      "child-sas{net-101{name=net uniqueid=101 reqid=7 state=INSTALLED mode=TUNNEL protocol=ESP "
      "encap=yes spi-in=00c0ffee spi-out=deadbeef encr-alg=AES_GCM_16 encr-keysize=128 esn=1 "
      "bytes-in=1001 packets-in=10 use-in=3 bytes-out=2001 packets-out=20 rekey-time=3000 "
      "life-time=3400 install-time=50 local-ts=[10.1.0.0/16] remote-ts=[10.2.0.0/16]}}}");
}

TEST(ViciStatus, ListSaWithoutWhatDoesNotApply) {
  auto sa = control::example_sa("gw", 1);
  sa.state = "CONNECTING";
  sa.initiator = sa.nat_remote = false;
  sa.suite = {};
  sa.tasks_active.clear();
  sa.children[0].state = "CREATED";
  FakeBackend backend;
  const auto line = text(list_sa_event(sa, {}, backend.now(), counters_of(backend)));
  for (const auto* absent : {"initiator=", "nat-", "encr-", "integ-", "prf-", "dh-", "established",
                             "rekey-time", "tasks-", "spi-in", "bytes-"})
    EXPECT_EQ(line.find(absent), std::string::npos) << absent;
}

TEST(ViciStatus, UpDownShowsTheOneChild) {
  FakeBackend backend;
  auto sa = control::example_sa("gw", 1);
  sa.children.push_back(sa.children[0]);
  sa.children[1].unique_id = 102;
  const auto child = updown_event({true, 1, sa}, backend.now(), counters_of(backend));
  EXPECT_EQ(child.get("up"), "yes");
  const auto* children = child.find_section("gw")->find_section("child-sas");
  ASSERT_EQ(children->elements().size(), 1u);
  EXPECT_EQ(children->elements()[0].name, "net-102");
  const auto ike = updown_event({false, std::nullopt, sa}, backend.now(), counters_of(backend));
  EXPECT_EQ(ike.find("up"), nullptr);
  EXPECT_EQ(ike.find_section("gw")->find_section("child-sas"), nullptr);
}

TEST(ViciStatus, MarksAndInterfaceNumbers) {
  FakeBackend backend;
  auto sa = control::example_sa("gw", 1);
  sa.if_id_out = 16;
  sa.children[0].mark_in = {5, 0xffff'ffff};
  sa.children[0].mark_out = {6, 0xff};
  sa.children[0].if_id_in = 9;
  const auto line = text(list_sa_event(sa, {}, backend.now(), counters_of(backend)));
  EXPECT_NE(line.find("nat-any=yes if-id-out=00000010 encr-alg"), std::string::npos);
  EXPECT_NE(line.find("spi-out=deadbeef mark-in=00000005 mark-out=00000006 "
                      "mark-mask-out=000000ff if-id-in=00000009 encr-alg"),
            std::string::npos);
}

TEST(ViciStatus, News) {
  FakeBackend backend;
  auto old = control::example_sa("gw", 1), successor = control::example_sa("gw", 2);
  old.children.clear();
  successor.children.clear();
  const SaNews ike = IkeSaRekeyed{old, successor};
  EXPECT_EQ(name_of(ike), "ike-rekey");
  const auto ike_event = news_event(ike, backend.now(), counters_of(backend));
  EXPECT_EQ(ike_event.find_section("gw")->find_section("old")->get("uniqueid"), "1");
  EXPECT_EQ(ike_event.find_section("gw")->find_section("new")->get("uniqueid"), "2");

  auto both = control::example_sa("gw", 1);
  both.children.push_back(both.children[0]);
  both.children[1].unique_id = 102;
  const SaNews child = ChildSaRekeyed{both};
  EXPECT_EQ(name_of(child), "child-rekey");
  const auto child_event = news_event(child, backend.now(), counters_of(backend));
  const auto* section = child_event.find_section("gw");
  EXPECT_EQ(section->get("uniqueid"), "1");
  const auto* net = section->find_section("child-sas")->find_section("net");
  EXPECT_EQ(net->find_section("old")->get("uniqueid"), "101");
  EXPECT_EQ(net->find_section("new")->get("uniqueid"), "102");

  const SaNews update = EndpointsChanging{{*IpAddress::parse("192.0.2.7"), 4'500}, old.remote, old};
  EXPECT_EQ(name_of(update), "ike-update");
  const auto update_event = news_event(update, backend.now(), counters_of(backend));
  EXPECT_EQ(text(update_event)
                .find("local-host=192.0.2.7 local-port=4500 remote-host=192.0.2.2 "
                      "remote-port=4500 gw{uniqueid=1 "),
            0u);
}

TEST(ViciStatus, ListConn) {
  Message request;
  auto& section = request.add_section("gw");
  section.add("version", "2").add("dpd_delay", "30s").add_list("remote_addrs", {"192.0.2.2"});
  section.add_section("local").add("auth", "psk").add("id", "moon.example.org");
  section.add_section("remote").add("auth", "psk");
  section.add_section("children")
      .add_section("net")
      .add_list("remote_ts", {"10.2.0.0/16"})
      .add("dpd_action", "restart");
  EXPECT_EQ(text(list_conn_event(load_connections(request)->at(0))),
            "gw{local_addrs=[%any] remote_addrs=[192.0.2.2] version=IKEv2 reauth_time=0 "
            "rekey_time=14400 unique=UNIQUE_NO dpd_delay=30 "
            "local-1{class=pre-shared key id=moon.example.org groups=[] cert_policy=[] certs=[] "
            "cacerts=[]} remote-1{class=pre-shared key groups=[] cert_policy=[] certs=[] "
            "cacerts=[]} children{net{mode=TUNNEL rekey_time=3600 rekey_bytes=0 rekey_packets=0 "
            "dpd_action=start close_action=none local-ts=[dynamic] remote-ts=[10.2.0.0/16]}}}");
}

TEST(ViciStatus, ListPolicy) {
  const auto sa = control::example_sa("gw", 1);
  const PolicyStatus policy{"net", "gw", Mode::drop, true, sa.children[0].local_ts, {}};
  EXPECT_EQ(text(list_policy_event(policy)),
            "gw/net{child=net ike=gw mode=DROP local-ts=[10.1.0.0/16] remote-ts=[]}");
}

TEST(ViciStatus, Stats) {
  FakeBackend backend;
  backend.sas = {control::example_sa("gw", 1)};
  const auto stats =
      stats_response(backend, std::chrono::system_clock::now() - std::chrono::seconds(200));
  EXPECT_EQ(stats.find_section("uptime")->get("running"), "3 minutes");
  EXPECT_EQ(text(*stats.find_section("ikesas")), "total=1 half-open=0");
  EXPECT_EQ(stats.find_section("workers")->get("total"), "2");
  EXPECT_EQ(stats.find_section("queues")->get("low"), "0");
}

TEST(ViciStatus, Durations) {
  EXPECT_EQ(duration_text(std::chrono::seconds(1)), "1 second");
  EXPECT_EQ(duration_text(std::chrono::seconds(120)), "120 seconds");
  EXPECT_EQ(duration_text(std::chrono::hours(3)), "3 hours");
  EXPECT_EQ(duration_text(std::chrono::days(10)), "10 days");
}

TEST(ViciStatus, AlgorithmsAreThoseOfTheProvider) {
  FakeBackend backend;
  const auto algorithms = algorithms_response(backend.crypto());
  EXPECT_EQ(algorithms.find_section("encryption")->get("AES_CBC"), "openssl");
  EXPECT_EQ(algorithms.find_section("aead")->get("AES_GCM_16"), "openssl");
  EXPECT_EQ(algorithms.find_section("aead")->get("CHACHA20_POLY1305"), "openssl");
  EXPECT_EQ(algorithms.find_section("integrity")->get("HMAC_SHA2_256_128"), "openssl");
  EXPECT_EQ(algorithms.find_section("prf")->get("PRF_HMAC_SHA2_512"), "openssl");
  EXPECT_EQ(algorithms.find_section("dh")->get("CURVE_25519"), "openssl");
  EXPECT_EQ(algorithms.find_section("encryption")->find("DES_CBC"), nullptr);
}

TEST(ViciStatus, Log) {
  trace::Event event{{"gw", {}, 5, 0, {}, {}}, trace::Notice{"hello"}};
  EXPECT_EQ(text(log_event(event)),
            "group=CFG level=1 thread=1 ikesa-name=gw ikesa-uniqueid=5 msg=hello");
  EXPECT_EQ(log_level({{}, trace::MessageSent{}}), 1u);
  EXPECT_EQ(log_level({{}, trace::LivenessCheck{}}), 2u);
}

}  // namespace
}  // namespace culvert::vici
