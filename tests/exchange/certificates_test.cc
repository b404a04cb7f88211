// IKE_AUTH with certificates: signatures that are made elsewhere, and each reason to refuse one.
#include "tests/exchange/enrolled.h"

namespace culvert::exchange_test {
namespace {

using namespace std::chrono_literals;

class CertificatesTest : public ::testing::Test {
 protected:
  void enroll() {
    world.enroll(world.pair.a, moon, ca);
    world.enroll(world.pair.b, sun, ca);
  }
  // Initiates; all that is to happen happens.
  void run() {
    initiate(world.pair);
    world.sign();
    world.pair.pass(1s);
  }
  void expect_refused_by(Gateway& gateway, std::string_view event) {
    run();
    EXPECT_FALSE(world.is_up());
    EXPECT_EQ(Enrolled::count(gateway, event), 1u);
    EXPECT_EQ(world.pair.a.shard->statistics().ike_sas, 0u);
    EXPECT_EQ(world.pair.b.shard->statistics().ike_sas, 0u);
    ASSERT_TRUE(world.pair.a.done(1));
    EXPECT_FALSE(world.pair.a.done(1)->success);
  }

  Enrolled world;
  Certified ca = world.issue("Test CA", nullptr);
  Certified moon = world.issue("moon.example", &ca), sun = world.issue("sun.example", &ca);
};

TEST_F(CertificatesTest, BringATunnelUp) {
  enroll();
  world.load();
  run();
  EXPECT_TRUE(world.is_up());
}

TEST_F(CertificatesTest, ARepeatedRequestWaitsForTheSignature) {
  enroll();
  world.load();
  initiate(world.pair);
  auto wanted = std::exchange(world.pair.a.to_sign, {});
  ASSERT_EQ(wanted.size(), 1u);
  const auto made = moon.key.sign(wanted[0].scheme, {wanted[0].octets});
  world.pair.a.shard->complete(wanted[0].job, MadeSignature{*made, {}}, world.pair.now);
  world.pair.run();
  ASSERT_EQ(world.pair.b.to_sign.size(), 1u);
  const std::size_t sent = world.pair.sent.size();
  world.pair.pass(5s);  // the request is repeated
  EXPECT_EQ(world.pair.sent.size(), sent + 1);
  EXPECT_EQ(world.pair.b.to_sign.size(), 1u);
  world.sign();
  world.pair.pass(1s);
  EXPECT_TRUE(world.is_up());
}

TEST_F(CertificatesTest, ASignatureThatCanNotBeMadeEndsItOnEitherSide) {
  enroll();
  world.load();
  initiate(world.pair);
  auto wanted = std::exchange(world.pair.a.to_sign, {});
  ASSERT_EQ(wanted.size(), 1u);
  world.pair.a.shard->complete(wanted[0].job, MadeSignature{{}, "no key"}, world.pair.now);
  world.pair.run();
  EXPECT_EQ(Enrolled::count(world.pair.a, "signing_failed"), 1u);
  EXPECT_EQ(world.pair.a.shard->statistics().ike_sas, 0u);
}

TEST_F(CertificatesTest, AnAnswerThatComesTooLateIsNothing) {
  enroll();
  world.load();
  initiate(world.pair);
  auto wanted = std::exchange(world.pair.a.to_sign, {});
  ASSERT_EQ(wanted.size(), 1u);
  world.pair.a.shard->command(Terminate{{2}, "site"}, world.pair.now);
  world.pair.run();
  const std::size_t sent = world.pair.sent.size();
  world.pair.a.shard->complete(wanted[0].job, MadeSignature{Bytes(64, 1), {}}, world.pair.now);
  world.pair.run();
  EXPECT_EQ(world.pair.sent.size(), sent);
  EXPECT_EQ(world.pair.a.shard->statistics().ike_sas, 0u);
}

TEST_F(CertificatesTest, AForgedSignatureIsRefused) {
  enroll();
  world.load();
  world.forge = true;
  expect_refused_by(world.pair.b, "bad_signature");
}

TEST_F(CertificatesTest, AStrangersCaIsRefused) {
  const Certified other = world.issue("Another CA", nullptr);
  const Certified stranger = world.issue("moon.example", &other);
  world.enroll(world.pair.a, stranger, ca);
  world.enroll(world.pair.b, sun, ca);
  world.load();
  expect_refused_by(world.pair.b, "certificate_refused");
}

TEST_F(CertificatesTest, AnExpiredCertificateIsRefused) {
  const Certified old = world.issue("moon.example", &ca, std::chrono::days(-1));
  world.enroll(world.pair.a, old, ca);
  world.enroll(world.pair.b, sun, ca);
  world.load();
  expect_refused_by(world.pair.b, "certificate_refused");
}

TEST_F(CertificatesTest, AnIdentityThatIsNotInTheCertificateIsRefused) {
  const Certified mars = world.issue("mars.example", &ca);
  world.enroll(world.pair.a, mars, ca);
  world.enroll(world.pair.b, sun, ca);
  ConnectionConfig liar = world.connection(true);
  liar.local.certs = {mars.data()};
  world.pair.a.load(liar, world.pair.now);
  world.pair.b.load(world.connection(false), world.pair.now);
  expect_refused_by(world.pair.b, "identity_not_in_certificate");
}

TEST_F(CertificatesTest, TheRespondersIdentityIsLookedAtToo) {
  const Certified mars = world.issue("mars.example", &ca);
  world.enroll(world.pair.a, moon, ca);
  world.enroll(world.pair.b, mars, ca);
  world.pair.a.load(world.connection(true), world.pair.now);
  ConnectionConfig liar = world.connection(false);
  liar.local.certs = {mars.data()};
  world.pair.b.load(liar, world.pair.now);
  run();
  EXPECT_EQ(Enrolled::count(world.pair.a, "identity_not_in_certificate"), 1u);
  EXPECT_EQ(world.pair.a.shard->statistics().ike_sas, 0u);
  EXPECT_TRUE(world.pair.a.sad.empty());
}

TEST_F(CertificatesTest, OnlyTheNamedCertificateIsTaken) {
  enroll();
  const Certified other = world.issue("moon.example", &ca);
  for (const bool named : {true, false}) {
    ConnectionConfig picky = world.connection(false);
    picky.remote.certs = {named ? moon.data() : other.data()};
    world.pair.a.load(world.connection(true), world.pair.now);
    world.pair.b.load(picky, world.pair.now);
    if (!named) break;
    run();
    EXPECT_TRUE(world.is_up());
    world.pair.a.shard->command(Terminate{{5}, "site"}, world.pair.now);
    world.pair.pass(1s);
    world.pair.a.commands.clear();
  }
  expect_refused_by(world.pair.b, "other_certificate_wanted");
}

TEST_F(CertificatesTest, OnlyTheNamedCaIsTaken) {
  enroll();
  const Certified other = world.issue("Another CA", nullptr);
  world.pair.b.shard->command(LoadCertificate{other.certificate, true}, world.pair.now);
  ConnectionConfig picky = world.connection(false);
  picky.remote.cacerts = {other.data()};
  world.pair.a.load(world.connection(true), world.pair.now);
  world.pair.b.load(picky, world.pair.now);
  expect_refused_by(world.pair.b, "other_ca_wanted");
}

TEST_F(CertificatesTest, APreSharedKeyDoesNotDoInsteadOfOne) {
  enroll();
  ConnectionConfig keyed = world.connection(true);
  keyed.local.kind = AuthKind::psk;
  world.pair.a.load(keyed, world.pair.now);
  world.pair.a.load_psk("x", "secret", {}, world.pair.now);
  world.pair.b.load(world.connection(false), world.pair.now);
  world.pair.b.load_psk("x", "secret", {}, world.pair.now);
  expect_refused_by(world.pair.b, "wrong_auth_method");
}

TEST_F(CertificatesTest, WithoutACertificateOfOurOwnWeSaySo) {
  world.load();
  run();
  EXPECT_EQ(Enrolled::count(world.pair.a, "no_own_certificate"), 1u);
  EXPECT_EQ(world.pair.a.shard->statistics().ike_sas, 0u);
  EXPECT_FALSE(world.pair.a.done(1)->success);
}

// ---- EAP ----

class EapTest : public ::testing::Test {
 protected:
  EapTest() {
    for (Gateway* gateway : {&pair.a, &pair.b}) {
      gateway->load_psk("x", "the server's key", {}, pair.now);
      gateway->shard->command(SetDate{kToday}, pair.now);
    }
  }
  void add_user(Gateway& gateway, std::string_view password) {
    eap::User user;
    user.name = "carol";
    user.password = eap::ClearPassword{SecretBytes(as_bytes(password))};
    gateway.shard->command(LoadUser{std::move(user)}, pair.now);
  }
  void load(std::vector<std::string> methods = {"mschapv2"}) {
    ConnectionConfig client = site(true), server = site(false);
    client.local.kind = server.remote.kind = AuthKind::eap;
    client.local.eap_id = *parse_identity("keyid:carol");
    server.remote.eap_id = Identity{};
    server.remote.eap_methods = std::move(methods);
    pair.a.load(client, pair.now);
    pair.b.load(server, pair.now);
  }
  bool is_up() const {
    return pair.a.sad.size() == 2 && pair.b.sad.size() == 2 && sads_agree(pair);
  }

  Pair pair;
};

TEST_F(EapTest, BringsATunnelUpWithEveryMethod) {
  for (const char* method : {"mschapv2", "md5"}) {
    add_user(pair.a, "secret");
    add_user(pair.b, "secret");
    load({method});
    initiate(pair);
    pair.pass(1s);
    EXPECT_TRUE(is_up()) << method;
    pair.a.shard->command(Terminate{{7}, "site"}, pair.now);
    pair.pass(1s);
    EXPECT_TRUE(pair.a.sad.empty() && pair.b.sad.empty());
  }
}

// Carol may say in IDi that she is dave; his IKE SA is none of hers.
TEST_F(EapTest, AClaimInIkesIdentityEndsNobodyElsesSa) {
  add_user(pair.a, "secret");
  add_user(pair.b, "secret");
  load();
  initiate(pair);
  pair.pass(1s);
  ASSERT_TRUE(is_up());
  // Another host, which has never heard of that IKE SA, logs in as another user under its identity.
  Pair other({}, {}, "192.0.2.1", "192.0.2.2");
  other.a.load_psk("x", "the server's key", {}, pair.now);
  eap::User dave;
  dave.name = "dave";
  dave.password = eap::ClearPassword{SecretBytes(as_bytes("his own"))};
  pair.b.shard->command(LoadUser{{"dave", eap::clone(dave.password)}}, pair.now);
  other.a.shard->command(LoadUser{std::move(dave)}, pair.now);
  ConnectionConfig client = site(true);
  client.local.kind = AuthKind::eap;
  client.local.eap_id = *parse_identity("keyid:dave");
  client.unique = Unique::replace;
  std::swap(pair.a.shard, other.a.shard);
  pair.a.load(client, pair.now);
  initiate(pair, "net", 2);
  pair.pass(1s);
  EXPECT_EQ(pair.b.shard->statistics().ike_sas, 2u);
  std::swap(pair.a.shard, other.a.shard);
}

TEST_F(EapTest, SurvivesTheLossOfAnyOneMessage) {
  add_user(pair.a, "secret");
  add_user(pair.b, "secret");
  load();
  for (std::size_t lost = 0; lost < 14; ++lost) {
    std::size_t number = 0;
    pair.wire = [&](InTransit one) {
      return number++ == lost ? std::vector<InTransit>{} : std::vector<InTransit>{std::move(one)};
    };
    initiate(pair, "net", 10 + lost);
    pair.pass(20s);
    EXPECT_TRUE(is_up()) << lost;
    pair.a.shard->command(Terminate{{50 + lost}, "site"}, pair.now);
    pair.pass(200s);  // until a delete without an answer is given up
    EXPECT_TRUE(pair.a.sad.empty() && pair.b.sad.empty()) << lost;
  }
}

TEST_F(EapTest, AWrongPasswordAndAnUnknownUserAreRefused) {
  add_user(pair.a, "wrong");
  load({"md5"});
  for (const bool known : {false, true}) {
    if (known) add_user(pair.b, "secret");
    pair.b.events.clear();
    initiate(pair, "net", known ? 2 : 1);
    pair.pass(1s);
    EXPECT_FALSE(is_up());
    EXPECT_EQ(Enrolled::count(pair.b, "eap_failed"), 1u);
    EXPECT_EQ(pair.a.shard->statistics().ike_sas + pair.b.shard->statistics().ike_sas, 0u);
  }
}

TEST_F(EapTest, AServerThatProvesNothingIsNotBelieved) {
  add_user(pair.a, "secret");
  add_user(pair.b, "secret");
  load({"md5"});
  ConnectionConfig client = site(true), server = site(false);
  client.local.kind = server.remote.kind = AuthKind::eap;
  client.remote.kind = server.local.kind = AuthKind::eap;  // EAP alone: RFC 5998
  client.local.eap_id = *parse_identity("keyid:carol");
  server.remote.eap_id = Identity{};
  server.remote.eap_methods = {"md5"};
  pair.a.load(client, pair.now);
  pair.b.load(server, pair.now);
  initiate(pair);
  pair.pass(1s);
  EXPECT_FALSE(is_up());
  EXPECT_EQ(Enrolled::count(pair.a, "eap_not_safe_alone"), 1u);
  EXPECT_TRUE(pair.a.sad.empty());
}

}  // namespace
}  // namespace culvert::exchange_test
