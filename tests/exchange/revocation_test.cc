// IKE_AUTH where it has to be asked elsewhere whether a certificate was revoked.
#include "pki/crl_issuing.h"
#include "pki/ocsp_issuing.h"
#include "tests/exchange/enrolled.h"

namespace culvert::exchange_test {
namespace {

constexpr const char* kCrl = "http://pki.example/ca.crl";
constexpr const char* kOcsp = "http://ocsp.example/";

class RevocationTest : public ::testing::Test {
 protected:
  void enroll(const Sources& sources, Revocation revocation) {
    moon = world.issue("moon.example", &ca, std::chrono::days(1), sources);
    world.enroll(world.pair.a, moon, ca);
    world.enroll(world.pair.b, sun, ca);
    ConnectionConfig caller = world.connection(true), careful = world.connection(false);
    caller.local.certs = {moon.data()};
    careful.local.certs = {sun.data()};
    careful.remote.revocation = revocation;
    if (by_eap_tls) {
      caller.local.kind = careful.remote.kind = AuthKind::eap;
      caller.local.eap_methods = careful.remote.eap_methods = {"tls"};
    }
    world.pair.a.load(caller, world.pair.now);
    world.pair.b.load(careful, world.pair.now);
  }
  // Until the responder waits for news.
  void run() {
    initiate(world.pair);
    world.sign();
  }
  Bytes crl(const Certified& issuer, std::vector<pki::RevokedEntry> revoked,
            std::chrono::days validity = std::chrono::days(1)) {
    pki::CrlContents contents;
    contents.number = 1;
    contents.this_update = kToday - std::chrono::days(7);
    contents.next_update = kToday + validity;
    contents.revoked = std::move(revoked);
    return *pki::issue_crl(
        contents, {issuer.name, to_bytes(issuer.certificate->key->key_id()), issuer.key, kScheme});
  }
  Bytes crl_with_moon() {
    return crl(ca, {{to_bytes(moon.certificate->serial),
                     {kToday - std::chrono::days(8), pki::RevocationReason::key_compromise}}});
  }
  Bytes ocsp(const Certified& signer, ByteView request, pki::CertificateState state) {
    const pki::StatusSource source{
        .status_of = [state](ByteView) { return pki::CertificateStatus{state, {kToday, {}}}; },
        .this_update = kToday - std::chrono::hours(1),
        .next_update = kToday + std::chrono::hours(1)};
    return *pki::answer_ocsp_request(
        request,
        {ca.certificate->der, signer.key, kScheme, to_bytes(signer.certificate->key->key_id()),
         &signer == &ca ? Bytes{} : signer.certificate->der},
        source, kToday);
  }
  // What the responder asks for, once.
  FetchRequest asked() {
    auto jobs = std::exchange(world.pair.b.to_fetch, {});
    EXPECT_EQ(jobs.size(), 1u);
    if (jobs.empty() || jobs[0].requests.size() != 1) return {};
    job = jobs[0].job;
    return jobs[0].requests[0];
  }
  void answer(Bytes octets, std::string error = {}) {
    FetchedEvidence fetched;
    fetched.answers.push_back({std::move(octets), "http://from.example/", std::move(error)});
    world.pair.b.shard->complete(job, std::move(fetched), world.pair.now);
    world.pair.run();
    world.sign();
    world.pair.pass(1s);
  }
  void expect_refused(std::string_view why) {
    EXPECT_FALSE(world.is_up());
    const auto* refused = world.pair.b.event<trace::CertificateRefused>();
    ASSERT_TRUE(refused);
    EXPECT_NE(refused->why.find(why), std::string::npos) << refused->why;
    EXPECT_EQ(world.pair.a.shard->statistics().ike_sas, 0u);
    EXPECT_EQ(world.pair.b.shard->statistics().ike_sas, 0u);
  }

  static constexpr SignatureScheme kScheme{SignatureKind::ecdsa, Hash::sha2_256, 0};
  Enrolled world;
  Certified ca = world.issue("Test CA", nullptr);
  Certified moon = world.issue("moon.example", &ca), sun = world.issue("sun.example", &ca);
  JobId job;
  bool by_eap_tls = false;
};

TEST_F(RevocationTest, ACrlThatDoesNotNameThePeerLetsItIn) {
  enroll({{kCrl}, {}}, Revocation::strict);
  run();
  EXPECT_FALSE(world.is_up());
  const FetchRequest wanted = asked();
  EXPECT_EQ(wanted.kind, FetchRequest::Kind::crl);
  EXPECT_EQ(wanted.urls, std::vector<std::string>{kCrl});
  answer(crl(ca, {}));
  EXPECT_TRUE(world.is_up());
  // The next time it is known.
  world.pair.a.shard->command(Terminate{{5}, "site"}, world.pair.now);
  world.pair.pass(1s);
  initiate(world.pair, "net", 2);
  world.sign();
  world.pair.pass(1s);
  EXPECT_TRUE(world.is_up());
  EXPECT_TRUE(world.pair.b.to_fetch.empty());
}

TEST_F(RevocationTest, ARevokedCertificateIsRefusedWithDateAndReason) {
  enroll({{kCrl}, {}}, Revocation::relaxed);
  run();
  asked();
  answer(crl_with_moon());
  expect_refused("was revoked on 2026-11-15 00:00:00 UTC (key compromise)");
}

TEST_F(RevocationTest, TheInitiatorAsksToo) {
  sun = world.issue("sun.example", &ca, std::chrono::days(1), {{kCrl}, {}});
  enroll({}, Revocation::relaxed);
  run();
  world.sign();
  ASSERT_EQ(world.pair.a.to_fetch.size(), 1u);
  EXPECT_TRUE(world.pair.a.sad.empty());
  // The responder is content already, and may ask something: that has to wait and does no harm.
  world.pair.b.shard->command(Rekey{{3}, "site"}, world.pair.now);
  world.pair.run();
  FetchedEvidence fetched;
  fetched.answers.push_back({crl(ca, {}), kCrl, {}});
  world.pair.a.shard->complete(world.pair.a.to_fetch[0].job, std::move(fetched), world.pair.now);
  world.pair.pass(10s);
  EXPECT_TRUE(world.pair.a.done(1) && world.pair.a.done(1)->success);
  EXPECT_TRUE(sads_agree(world.pair));
  EXPECT_EQ(world.pair.a.shard->statistics().ike_sas, 1u);
}

TEST_F(RevocationTest, AnInitiatorRefusesARevokedResponder) {
  sun = world.issue("sun.example", &ca, std::chrono::days(1), {{kCrl}, {}});
  enroll({}, Revocation::relaxed);
  run();
  world.sign();
  ASSERT_EQ(world.pair.a.to_fetch.size(), 1u);
  FetchedEvidence fetched;
  fetched.answers.push_back(
      {crl(ca, {{to_bytes(sun.certificate->serial), {kToday, {}}}}), kCrl, {}});
  world.pair.a.shard->complete(world.pair.a.to_fetch[0].job, std::move(fetched), world.pair.now);
  world.pair.pass(2s);
  EXPECT_EQ(Enrolled::count(world.pair.a, "certificate_refused"), 1u);
  EXPECT_TRUE(world.pair.a.sad.empty() && world.pair.b.sad.empty());
  EXPECT_EQ(world.pair.b.shard->statistics().ike_sas, 0u);
}

TEST_F(RevocationTest, OcspGoesBeforeTheCrl) {
  enroll({{kCrl}, {kOcsp}}, Revocation::strict);
  run();
  const FetchRequest wanted = asked();
  EXPECT_EQ(wanted.kind, FetchRequest::Kind::ocsp);
  answer(ocsp(ca, wanted.body, pki::CertificateState::good));
  EXPECT_TRUE(world.is_up());
}

TEST_F(RevocationTest, ARevokedAnswerByOcspIsEnough) {
  enroll({{kCrl}, {kOcsp}}, Revocation::relaxed);
  run();
  answer(ocsp(ca, asked().body, pki::CertificateState::revoked));
  EXPECT_TRUE(world.pair.b.to_fetch.empty());
  expect_refused("was revoked");
}

TEST_F(RevocationTest, ASilentResponderIsFollowedByTheCrl) {
  enroll({{kCrl}, {kOcsp}}, Revocation::strict);
  run();
  EXPECT_EQ(asked().kind, FetchRequest::Kind::ocsp);
  answer({}, "the server does not answer");
  EXPECT_EQ(asked().kind, FetchRequest::Kind::crl);
  answer(crl(ca, {}));
  EXPECT_TRUE(world.is_up());
  const auto* told = world.pair.b.event<trace::RevocationNotTold>();
  ASSERT_TRUE(told);
  EXPECT_NE(told->why.find("does not answer"), std::string::npos);
}

TEST_F(RevocationTest, WhenNothingIsToBeHadThePolicyDecides) {
  for (const auto& [revocation, up] :
       {std::pair{Revocation::relaxed, true}, std::pair{Revocation::if_uri, false},
        std::pair{Revocation::strict, false}}) {
    world.pair.a.commands.clear();
    enroll({{kCrl}, {}}, revocation);
    run();
    asked();
    answer({}, "the server answers with status 404");
    EXPECT_EQ(world.is_up(), up);
    if (!up) expect_refused("the server answers with status 404");
    world.pair.a.shard->command(Terminate{{9}, "site"}, world.pair.now);
    world.pair.pass(1s);
  }
}

TEST_F(RevocationTest, StrangersAndStaleNewsDoNotCount) {
  const Certified other = world.issue("Test CA", nullptr);
  enroll({{kCrl}, {}}, Revocation::strict);
  run();
  asked();
  answer(crl(other, {}));
  expect_refused("is not for this CA");
  run();
  asked();
  answer(crl(ca, {}, std::chrono::days(-1)));
  expect_refused("was to be renewed by");
  enroll({{}, {kOcsp}}, Revocation::strict);
  run();
  answer(ocsp(sun, asked().body, pki::CertificateState::good));  // has no right to say so
  expect_refused("is not signed by the CA");
}

TEST_F(RevocationTest, AnAnswerThatComesTooLateIsNothing) {
  enroll({{kCrl}, {}}, Revocation::strict);
  run();
  asked();
  world.pair.pass(60s);
  EXPECT_EQ(world.pair.b.shard->statistics().ike_sas, 0u);
  answer(crl(ca, {}));
  EXPECT_FALSE(world.is_up());
}

// ---- in the TLS handshake of an EAP method ----

class RevocationInTlsTest : public RevocationTest {
 protected:
  RevocationInTlsTest() { by_eap_tls = true; }
};

TEST_F(RevocationInTlsTest, ACrlThatDoesNotNameTheUserLetsItIn) {
  enroll({{kCrl}, {}}, Revocation::strict);
  run();
  EXPECT_FALSE(world.is_up());
  EXPECT_EQ(asked().urls, std::vector<std::string>{kCrl});
  answer(crl(ca, {}));
  EXPECT_TRUE(world.is_up());
}

TEST_F(RevocationInTlsTest, OcspIsFollowedByTheCrl) {
  enroll({{kCrl}, {kOcsp}}, Revocation::strict);
  run();
  EXPECT_EQ(asked().kind, FetchRequest::Kind::ocsp);
  answer({}, "the server does not answer");
  EXPECT_EQ(asked().kind, FetchRequest::Kind::crl);
  answer(crl(ca, {}));
  EXPECT_TRUE(world.is_up());
  EXPECT_EQ(Enrolled::count(world.pair.b, "revocation_not_told"), 1u);
}

TEST_F(RevocationInTlsTest, ARevokedUserIsToldSoInTls) {
  enroll({{kCrl}, {}}, Revocation::relaxed);
  run();
  asked();
  answer(crl_with_moon());
  EXPECT_FALSE(world.is_up());
  EXPECT_EQ(Enrolled::count(world.pair.b, "eap_succeeded"), 0u);
  const auto* refused = world.pair.b.event<trace::EapFailed>();
  ASSERT_TRUE(refused);
  EXPECT_NE(refused->explanation.find("was revoked on 2026-11-15"), std::string::npos)
      << refused->explanation;
  const auto* told = world.pair.a.event<trace::EapFailed>();
  ASSERT_TRUE(told);
  EXPECT_NE(told->explanation.find("revoked"), std::string::npos) << told->explanation;
  EXPECT_EQ(world.pair.a.shard->statistics().ike_sas, 0u);
  EXPECT_EQ(world.pair.b.shard->statistics().ike_sas, 0u);
}

// RFC 5998: the server shows itself in TLS alone.
TEST_F(RevocationInTlsTest, TheClientAsksAboutTheServer) {
  for (const bool revoked : {true, false}) {
    sun = world.issue("sun.example", &ca, std::chrono::days(1), {{kCrl}, {}});
    enroll({}, Revocation::relaxed);
    ConnectionConfig caller = world.connection(true), server = world.connection(false);
    for (ConnectionConfig* config : {&caller, &server})
      config->local.kind = config->remote.kind = AuthKind::eap;
    caller.local.certs = {moon.data()};
    server.local.certs = {sun.data()};
    caller.local.eap_methods = server.remote.eap_methods = {"tls"};
    world.pair.a.load(caller, world.pair.now);
    world.pair.b.load(server, world.pair.now);
    run();
    ASSERT_EQ(world.pair.a.to_fetch.size(), 1u);
    std::vector<pki::RevokedEntry> entries;
    if (revoked) entries.push_back({to_bytes(sun.certificate->serial), {kToday, {}}});
    FetchedEvidence fetched;
    fetched.answers.push_back({crl(ca, entries), kCrl, {}});
    const JobId asked = std::exchange(world.pair.a.to_fetch, {})[0].job;
    world.pair.a.shard->complete(asked, std::move(fetched), world.pair.now);
    world.pair.run();
    world.sign();
    world.pair.pass(1s);
    EXPECT_EQ(world.is_up(), !revoked);
    EXPECT_EQ(world.pair.a.shard->statistics().ike_sas, revoked ? 0u : 1u);
    // The CRL is known now, for as long as it is valid.
    ca = world.issue("Next CA", nullptr);
    moon = world.issue("moon.example", &ca);
  }
}

TEST_F(RevocationInTlsTest, NewsThatComeTooLateAreNothing) {
  enroll({{kCrl}, {}}, Revocation::strict);
  run();
  asked();
  world.pair.pass(60s);
  EXPECT_EQ(world.pair.b.shard->statistics().ike_sas, 0u);
  answer(crl(ca, {}));
  EXPECT_FALSE(world.is_up());
}

}  // namespace
}  // namespace culvert::exchange_test
