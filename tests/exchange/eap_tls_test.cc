// EAP methods with TLS inside IKE_AUTH: who is believed, who is not and why, and the signature of
// the handshake, which is made elsewhere.
#include <gmock/gmock.h>

#include "tests/exchange/enrolled.h"
#include "trace/render.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr const char* kServer = "vpn.example";
constexpr const char* kUser = "carol@example";

class EapTlsTest : public ::testing::Test {
 protected:
  // Side a is the user's client, b the server.
  void enroll(const Certified& user, const Certified& gateway) {
    world.enroll(world.pair.a, user, ca);
    world.enroll(world.pair.b, gateway, ca);
  }
  void add_user(const std::string& name, std::string_view password, bool enabled = true) {
    for (Gateway* gateway : {&world.pair.a, &world.pair.b}) {
      eap::User user;
      user.name = name;
      user.password = eap::ClearPassword{SecretBytes(as_bytes(password))};
      user.enabled = enabled || gateway == &world.pair.a;
      gateway->shard->command(LoadUser{std::move(user)}, world.pair.now);
    }
  }
  static Identity key_id(std::string_view octets) {
    return {wire::IdType::key_id, to_bytes(as_bytes(octets))};
  }

  void configure(const std::vector<std::string>& methods, std::string_view user = kUser) {
    client = site(true);
    server = site(false);
    client.local.kind = server.remote.kind = AuthKind::eap;
    client.remote.kind = server.local.kind = AuthKind::pubkey;
    client.local.id = *parse_identity(kUser);
    client.local.eap_id = key_id(user);
    client.local.eap_methods = methods;
    client.remote.id = server.local.id = *parse_identity(kServer);
    server.remote.eap_id = Identity{};
    server.remote.eap_methods = methods;
  }
  void run(std::uint64_t id = 1) {
    world.pair.a.load(client, world.pair.now);
    world.pair.b.load(server, world.pair.now);
    initiate(world.pair, "net", id);
    for (int rounds = 0; rounds < 4; ++rounds) world.sign();
  }
  // Up to where the server wants one for its handshake; in IKE, a key proves who it is.
  void wait_for_signature() {
    enroll(carol, vpn);
    configure({"tls"});
    for (Gateway* gateway : {&world.pair.a, &world.pair.b})
      gateway->load_psk("x", "the server's key", {}, world.pair.now);
    client.remote.kind = server.local.kind = AuthKind::psk;
    world.pair.a.load(client, world.pair.now);
    world.pair.b.load(server, world.pair.now);
    initiate(world.pair);
  }
  static std::string last_failure(const Gateway& gateway) {
    std::string text;
    for (const trace::Event& event : gateway.events)
      if (trace::info_of(event).name == "eap_failed") text = trace::sentence_of(event);
    return text;
  }
  void expect_refused(std::string_view here, std::string_view there) {
    run();
    EXPECT_FALSE(world.is_up());
    EXPECT_THAT(last_failure(world.pair.b), HasSubstr(here));
    EXPECT_THAT(last_failure(world.pair.a), HasSubstr(there));
    world.pair.pass(200s);
    EXPECT_EQ(world.pair.a.shard->statistics().ike_sas, 0u);
    EXPECT_EQ(world.pair.b.shard->statistics().ike_sas, 0u);
  }

  Enrolled world;
  ConnectionConfig client, server;
  Certified ca = world.issue("Test CA", nullptr), other_ca = world.issue("Other CA", nullptr);
  Certified vpn = world.issue(kServer, &ca), carol = world.issue(kUser, &ca);
};

TEST_F(EapTlsTest, BringsATunnelUpWithEveryMethod) {
  enroll(carol, vpn);
  add_user(kUser, "secret");
  std::uint64_t id = 0;
  for (const char* method : {"tls", "ttls", "peap"}) {
    configure({method});
    run(++id);
    EXPECT_TRUE(world.is_up()) << method << last_failure(world.pair.b);
    world.pair.a.shard->command(Terminate{{100 + id}, "site"}, world.pair.now);
    world.pair.pass(1s);
    EXPECT_TRUE(world.pair.a.sad.empty() && world.pair.b.sad.empty());
  }
}

TEST_F(EapTlsTest, NakFindsTheMethodThatBothHave) {
  enroll(carol, vpn);
  add_user(kUser, "secret");
  configure({"tls", "peap", "mschapv2"});
  client.local.eap_methods = {"mschapv2", "peap"};
  run();
  EXPECT_TRUE(world.is_up());
  const auto* succeeded = world.pair.b.event<trace::EapSucceeded>();
  ASSERT_TRUE(succeeded);
  EXPECT_EQ(succeeded->method, "EAP-PEAP");
}

// RFC 5998: the certificate in TLS is all that the server shows.
TEST_F(EapTlsTest, TlsMayStandAlone) {
  enroll(carol, vpn);
  configure({"tls"});
  client.remote.kind = server.local.kind = AuthKind::eap;
  run();
  EXPECT_TRUE(world.is_up());
}

TEST_F(EapTlsTest, TheServerInTlsMayBeAnotherOne) {
  const Certified aaa = world.issue("aaa.example", &ca);
  enroll(carol, vpn);
  configure({"tls"});
  client.local.aaa_id = *parse_identity("aaa.example");
  expect_refused("it does not accept our certificate", "does not say that it is aaa.example");
  world.enroll(world.pair.b, aaa, ca);
  server.local.certs = {aaa.data()};
  // The only certificate then serves both, and the name in IKE is still vpn.example.
  client.remote.kind = server.local.kind = AuthKind::eap;
  run(2);
  EXPECT_TRUE(world.is_up());
}

TEST_F(EapTlsTest, AUserOfAnotherCaIsRefused) {
  const Certified stranger = world.issue(kUser, &other_ca);
  enroll(stranger, vpn);
  configure({"tls"});
  expect_refused("which is no trusted CA", "it does not trust the CA of our certificate");
}

TEST_F(EapTlsTest, AnExpiredUserIsRefused) {
  const Certified expired = world.issue(kUser, &ca, std::chrono::days(-1));
  enroll(expired, vpn);
  configure({"tls"});
  expect_refused("expired on", "our certificate has expired");
}

TEST_F(EapTlsTest, ACertificateOfSomebodyElseIsRefused) {
  const Certified dave = world.issue("dave@example", &ca);
  enroll(dave, vpn);
  configure({"tls"});
  client.local.certs = {dave.data()};
  expect_refused("does not say that it is carol@example", "it does not accept our certificate");
}

TEST_F(EapTlsTest, ADisabledUserIsRefusedInSpiteOfTheCertificate) {
  enroll(carol, vpn);
  add_user(kUser, "secret", false);
  configure({"tls"});
  expect_refused("the user is disabled", "it does not accept our certificate");
}

TEST_F(EapTlsTest, AServerOfAnotherCaIsNotBelieved) {
  const Certified stranger = world.issue(kServer, &other_ca);
  world.enroll(world.pair.a, carol, ca);
  world.enroll(world.pair.b, stranger, ca);
  for (const char* method : {"tls", "ttls", "peap"}) {
    SCOPED_TRACE(method);
    add_user(kUser, "secret");
    configure({method});
    client.remote.kind = server.local.kind = AuthKind::eap;
    if (std::string_view(method) != "tls") {  // EAP that is not safe alone is refused before
      client.remote.kind = AuthKind::psk;
      server.local.kind = AuthKind::psk;
      for (Gateway* gateway : {&world.pair.a, &world.pair.b})
        gateway->load_psk("x", "the server's key", {}, world.pair.now);
    }
    expect_refused("it does not trust the CA of our certificate", "which is no trusted CA");
    for (Gateway* gateway : {&world.pair.a, &world.pair.b}) gateway->events.clear();
  }
}

TEST_F(EapTlsTest, WithoutACertificateThereIsNothingToOffer) {
  world.enroll(world.pair.a, carol, ca);
  configure({"ttls"});
  for (Gateway* gateway : {&world.pair.a, &world.pair.b})
    gateway->load_psk("x", "the server's key", {}, world.pair.now);
  client.remote.kind = server.local.kind = AuthKind::psk;
  run();
  EXPECT_EQ(Enrolled::count(world.pair.b, "no_own_certificate"), 1u);
  EXPECT_EQ(world.pair.b.shard->statistics().ike_sas, 0u);
}

TEST_F(EapTlsTest, WithoutASignatureTheLoginFails) {
  wait_for_signature();
  ASSERT_EQ(world.pair.b.to_sign.size(), 1u);
  const JobId job = world.pair.b.to_sign.front().job;
  world.pair.b.shard->complete(job, MadeSignature{{}, "the signing process has died"},
                               world.pair.now);
  world.pair.pass(200s);
  EXPECT_EQ(Enrolled::count(world.pair.b, "signing_failed"), 1u);
  EXPECT_EQ(world.pair.a.shard->statistics().ike_sas + world.pair.b.shard->statistics().ike_sas,
            0u);
}

// The answer of the signer never comes, or comes too late.
TEST_F(EapTlsTest, AnSaThatWaitsForASignatureExpires) {
  wait_for_signature();
  ASSERT_EQ(world.pair.b.to_sign.size(), 1u);
  world.pair.pass(300s);
  EXPECT_EQ(world.pair.b.shard->statistics().ike_sas, 0u);
  world.sign();
  EXPECT_EQ(world.pair.a.shard->statistics().ike_sas + world.pair.b.shard->statistics().ike_sas,
            0u);
}

TEST_F(EapTlsTest, SurvivesTheLossOfAnyOneMessage) {
  enroll(carol, vpn);
  configure({"tls"});
  for (std::size_t lost = 0; lost < 16; ++lost) {
    std::size_t number = 0;
    world.pair.wire = [&](InTransit one) {
      return number++ == lost ? std::vector<InTransit>{} : std::vector<InTransit>{std::move(one)};
    };
    run(10 + lost);
    for (int tries = 0; tries < 4 && !world.is_up(); ++tries) {
      world.pair.pass(10s);
      world.sign();
    }
    EXPECT_TRUE(world.is_up()) << lost;
    world.pair.a.shard->command(Terminate{{50 + lost}, "site"}, world.pair.now);
    world.pair.pass(200s);
    EXPECT_TRUE(world.pair.a.sad.empty() && world.pair.b.sad.empty()) << lost;
  }
}

TEST_F(EapTlsTest, UserNamesMayHoldAnyOctets) {
  std::string name;
  for (int octet = 0; octet < 256; ++octet) name += static_cast<char>(octet);
  enroll(carol, vpn);
  std::uint64_t id = 0;
  for (const char* method : {"ttls", "peap", "mschapv2", "tls"}) {
    SCOPED_TRACE(method);
    add_user(name, "secret");
    configure({method}, name);
    run(++id);
    // Carol's certificate does not name such a user; passwords have nothing against it.
    EXPECT_EQ(world.is_up(), std::string_view(method) != "tls") << last_failure(world.pair.b);
    world.pair.a.shard->command(Terminate{{100 + id}, "site"}, world.pair.now);
    world.pair.pass(200s);
  }
}

}  // namespace
}  // namespace culvert::exchange_test
