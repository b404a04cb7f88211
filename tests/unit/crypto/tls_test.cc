#include "crypto/tls.h"

#include <gmock/gmock.h>

#include "base/limits.h"
#include "tests/unit/crypto/tls_credentials.h"

namespace culvert::testing {
namespace {

using ::testing::HasSubstr;
using tls::Alert;
using tls::Failure;
using tls::State;
using tls::Version;

struct Arrangement {
  KeyKind kind = KeyKind::ecdsa_p256;
  Version server_min = Version::v1_2, server_max = Version::v1_3;
  Version client_min = Version::v1_2, client_max = Version::v1_3;
  bool mutual = true, client_has_certificate = true;
  std::time_t client_clock = kTestNow, server_clock = kTestNow;
  bool client_trusts_another = false, server_trusts_another = false;
  std::string extra;
  tls::Signer server_signer;
  bool asks_signatures = false;  // of whoever drives the sessions
};

const TestCertificate& root() {
  static const TestCertificate made = issue({.name = "Test CA"}, nullptr);
  return made;
}
const TestCertificate& another_root() {
  static const TestCertificate made = issue({.name = "Another CA"}, nullptr);
  return made;
}

struct Ends {
  std::unique_ptr<tls::Session> client, server;
  tls::Signer server_signs, client_signs;  // when asked
  std::size_t asked = 0;

  explicit Ends(const Arrangement& setup) {
    const auto certificate =
        issue({.name = "server", .kind = setup.kind, .extra = setup.extra}, &root());
    tls::Credential credential = certificate.credential();
    server_signs = credential.sign;
    if (setup.asks_signatures) credential.sign = nullptr;
    if (setup.server_signer) credential.sign = setup.server_signer;
    auto server_context = tls::Context::make({.credential = std::move(credential),
                                              .authorities = {root().der()},
                                              .min = setup.server_min,
                                              .max = setup.server_max});
    tls::Settings mine{.min = setup.client_min, .max = setup.client_max};
    if (setup.client_has_certificate)
      mine.credential = issue({.name = "client", .kind = setup.kind}, &root()).credential();
    client_signs = mine.credential.sign;
    if (setup.asks_signatures) mine.credential.sign = nullptr;
    auto client_context = tls::Context::make(std::move(mine));
    client =
        tls::Session::make(client_context.value(),
                           {.verify = trust(setup.client_trusts_another ? another_root() : root(),
                                            setup.client_clock),
                            .server_name = "vpn.example.org"})
            .value();
    server =
        tls::Session::make(server_context.value(),
                           {.side = tls::Side::server,
                            .ask_certificate = setup.mutual,
                            .verify = trust(setup.server_trusts_another ? another_root() : root(),
                                            setup.server_clock)})
            .value();
  }

  // Carries octets to and fro, `step` at a time, until neither side has more to say.
  void run(std::size_t step = 1'000'000) {
    while (carry(*client, *server, step) || carry(*server, *client, step) ||
           sign(*client, client_signs) || sign(*server, server_signs)) {
    }
  }
  bool sign(tls::Session& session, const tls::Signer& signer) {
    const SignatureRequest* wanted = session.wanted();
    if (!wanted) return false;
    ++asked;
    session.signature_made(signer(wanted->scheme, wanted->octets).value_or(Bytes{}));
    return true;
  }
  static bool carry(tls::Session& from, tls::Session& to, std::size_t step) {
    const Bytes octets = from.output();
    for (std::size_t at = 0; at < octets.size(); at += step)
      to.feed(ByteView(octets).subspan(at, std::min(step, octets.size() - at)));
    return !octets.empty();
  }
};

class TlsKinds : public ::testing::TestWithParam<std::tuple<KeyKind, Version>> {};

TEST_P(TlsKinds, BothSidesAgreeOnKeysAndSeeEachOthersCertificates) {
  const auto [kind, version] = GetParam();
  Ends ends({.kind = kind, .server_max = version});
  ends.run();
  ASSERT_EQ(ends.client->state(), State::established) << to_text(ends.client->failure());
  ASSERT_EQ(ends.server->state(), State::established) << to_text(ends.server->failure());
  EXPECT_EQ(ends.client->version(), version);
  EXPECT_EQ(ends.server->version(), version);
  EXPECT_EQ(ends.client->peer_chain().size(), 1u);
  EXPECT_EQ(ends.server->peer_chain().size(), 1u);

  const Bytes type{0x0d};
  const auto here = ends.client->export_keying_material("EXPORTER_test", ByteView(type), 128);
  const auto there = ends.server->export_keying_material("EXPORTER_test", ByteView(type), 128);
  const auto other = ends.server->export_keying_material("EXPORTER_other", ByteView(type), 128);
  ASSERT_TRUE(here && there && other);
  EXPECT_TRUE(equal(here->view(), there->view()));
  EXPECT_FALSE(equal(here->view(), other->view()));
}
INSTANTIATE_TEST_SUITE_P(
    All, TlsKinds,
    ::testing::Combine(::testing::Values(KeyKind::rsa, KeyKind::ecdsa_p256, KeyKind::ecdsa_p384,
                                         KeyKind::ecdsa_p521, KeyKind::ed25519, KeyKind::ed448),
                       ::testing::Values(Version::v1_2, Version::v1_3)));

TEST_P(TlsKinds, SignaturesCanBeAskedFor) {
  const auto [kind, version] = GetParam();
  Ends ends({.kind = kind, .server_max = version, .asks_signatures = true});
  ends.run();
  ASSERT_EQ(ends.client->state(), State::established) << to_text(ends.client->failure());
  ASSERT_EQ(ends.server->state(), State::established) << to_text(ends.server->failure());
  EXPECT_EQ(ends.asked, 2u);
  EXPECT_EQ(ends.client->peer_chain().size(), 1u);
  EXPECT_EQ(ends.server->peer_chain().size(), 1u);
}

// Lets the client speak until the server wants a signature.
void let_server_wait(Ends& ends) {
  Ends::carry(*ends.client, *ends.server, 1'000'000);
  ASSERT_NE(ends.server->wanted(), nullptr);
}

TEST(TlsAsked, ASessionThatWaitsMayGo) {
  for (const Version version : {Version::v1_2, Version::v1_3}) {
    Ends ends({.server_max = version, .asks_signatures = true});
    let_server_wait(ends);
    ends.server.reset();
  }
}

TEST(TlsAsked, ManyWaitAtOnceAndGoOnInAnyOrder) {
  std::vector<std::unique_ptr<Ends>> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(std::make_unique<Ends>(Arrangement{.asks_signatures = true}));
    let_server_wait(*all.back());
  }
  for (auto at = all.rbegin(); at != all.rend(); ++at) {
    (*at)->run();
    EXPECT_EQ((*at)->server->state(), State::established);
  }
}

TEST(TlsAsked, NothingMovesWhileItWaits) {
  Ends ends({.asks_signatures = true});
  let_server_wait(ends);
  EXPECT_TRUE(ends.server->output().empty());
  ends.server->feed({});
  EXPECT_NE(ends.server->wanted(), nullptr);
  EXPECT_EQ(ends.server->state(), State::handshaking);
}

TEST(TlsAsked, NoSignatureOrAWrongOneEndsTheHandshake) {
  for (const bool none : {true, false}) {
    Ends ends({.asks_signatures = true});
    ends.server_signs = [none](const SignatureScheme&, ByteView) {
      return Result<Bytes>(Bytes(none ? 0 : 64, std::uint8_t{1}));
    };
    ends.run();
    EXPECT_NE(ends.client->state(), State::established);
    EXPECT_NE(ends.server->state(), State::established);
    if (none) {
      EXPECT_EQ(ends.server->failure().kind, Failure::Kind::signing_failed);
    }
  }
}

TEST(TlsAsked, RefusedCertificatesAreToldWhy) {
  for (const bool of_server : {true, false}) {
    Ends ends({.client_trusts_another = of_server,
               .server_trusts_another = !of_server,
               .asks_signatures = true});
    ends.run();
    const tls::Session& judge = of_server ? *ends.client : *ends.server;
    EXPECT_EQ(judge.failure().kind, Failure::Kind::certificate_refused);
    EXPECT_THAT(to_text(judge.failure()), HasSubstr("unable to get local issuer certificate"));
  }
}

TEST(Tls, ApplicationDataPassesHoweverTheStreamIsSplit) {
  Ends ends({});
  ends.run(1);
  ASSERT_EQ(ends.server->state(), State::established);
  ASSERT_TRUE(ends.client->write(as_bytes("first ")));
  ASSERT_TRUE(ends.client->write(as_bytes("second")));
  ends.run(7);
  EXPECT_EQ(as_text(ends.server->input().view()), "first second");
  EXPECT_TRUE(ends.server->input().empty());
  ends.server->close();
  ends.run();
  EXPECT_EQ(ends.client->state(), State::closed);
  EXPECT_FALSE(ends.client->write(as_bytes("late")));
}

TEST(Tls, ServerMayDoWithoutACertificateOfTheClient) {
  Ends ends({.mutual = false, .client_has_certificate = false});
  ends.run();
  EXPECT_EQ(ends.server->state(), State::established);
  EXPECT_TRUE(ends.server->peer_chain().empty());
}

TEST(Tls, NothingIsExportedOrWrittenBeforeTheHandshakeIsDone) {
  Ends ends({});
  EXPECT_FALSE(ends.client->export_keying_material("EXPORTER_test", std::nullopt, 64));
  EXPECT_FALSE(ends.client->write(as_bytes("early")));
}

struct Refused {
  const char* name;
  Arrangement setup;
  Failure::Kind client, server;
  Alert alert;  // that both know of
  const char* client_text;
  const char* server_text;
};

class TlsRefused : public ::testing::TestWithParam<Refused> {};

TEST_P(TlsRefused, BothSidesSayWhy) {
  const Refused& row = GetParam();
  for (const Version version : {Version::v1_2, Version::v1_3}) {
    Arrangement setup = row.setup;
    if (setup.server_max == Version::v1_3 && setup.client_max == Version::v1_3)
      setup.client_max = version;
    Ends ends(setup);
    ends.run();
    EXPECT_EQ(ends.client->state(), State::failed);
    EXPECT_EQ(ends.server->state(), State::failed);
    EXPECT_EQ(ends.client->failure().kind, row.client);
    EXPECT_EQ(ends.server->failure().kind, row.server);
    EXPECT_EQ(ends.client->failure().alert, row.alert);
    EXPECT_EQ(ends.server->failure().alert, row.alert);
    EXPECT_THAT(to_text(ends.client->failure()), HasSubstr(row.client_text));
    EXPECT_THAT(to_text(ends.server->failure()), HasSubstr(row.server_text));
    ends.server->feed(as_bytes("more"));
    EXPECT_TRUE(ends.server->output().empty());
  }
}

using enum Failure::Kind;
INSTANTIATE_TEST_SUITE_P(
    All, TlsRefused,
    ::testing::Values(Refused{"untrusted_server",
                              {.client_trusts_another = true},
                              certificate_refused,
                              alert_received,
                              Alert::unknown_ca,
                              "unable to get local issuer certificate",
                              "it does not trust the CA of our certificate"},
                      Refused{"untrusted_client",
                              {.server_trusts_another = true},
                              alert_received,
                              certificate_refused,
                              Alert::unknown_ca,
                              "it does not trust the CA of our certificate",
                              "(TLS alert 48, unknown_ca sent)"},
                      Refused{"expired_server",
                              {.client_clock = kTestNow + 2 * kTestYear},
                              certificate_refused,
                              alert_received,
                              Alert::certificate_expired,
                              "certificate has expired",
                              "our certificate has expired or is not valid yet"},
                      Refused{"client_not_yet_valid",
                              {.server_clock = kTestNow - 2 * kTestYear},
                              alert_received,
                              certificate_refused,
                              Alert::certificate_expired,
                              "our certificate has expired or is not valid yet",
                              "certificate is not yet valid"},
                      Refused{"no_version",
                              {.server_max = Version::v1_2, .client_min = Version::v1_3},
                              alert_received,
                              no_agreement,
                              Alert::protocol_version,
                              "no TLS version in common",
                              "no TLS version"},
                      Refused{
                          "signer_refuses",
                          {.server_signer = [](const SignatureScheme&, ByteView) -> Result<Bytes> {
                            return fail(Fault::internal, Reason::system);
                          }},
                          alert_received,
                          signing_failed,
                          Alert::internal_error,
                          "internal_error",
                          "our private key did not sign"}),
    [](const auto& row) { return row.param.name; });

TEST(Tls, ServerWantsACertificate) {
  for (const Version version : {Version::v1_2, Version::v1_3}) {
    Ends ends({.client_max = version, .client_has_certificate = false});
    ends.run();
    EXPECT_EQ(ends.server->failure().kind, no_certificate);
    EXPECT_EQ(ends.client->failure().kind, alert_received);
  }
}

TEST(Tls, HandshakeThatNeverEndsIsGivenUp) {
  Ends ends({});
  // One handshake message that claims 16 MiB, in records that are each legal.
  Bytes record{22, 3, 1, 0x40, 0x00};
  record.resize(5 + 0x4000, 0);
  std::size_t sent = 0;
  while (ends.server->state() == State::handshaking && sent < 4 * limits::kMaxTlsHandshake) {
    ends.server->feed(record);
    sent += record.size();
  }
  EXPECT_EQ(ends.server->state(), State::failed);
  // Octets that OpenSSL waits for patiently: a record that never becomes complete.
  Ends slow({});
  const Bytes one{22};
  slow.server->feed(Bytes{22, 3, 1, 0x40, 0x00});
  for (std::size_t i = 0; i < 0x3fff; ++i) slow.server->feed(one);
  EXPECT_EQ(slow.server->state(), State::handshaking);
  slow.server->feed(Bytes(limits::kMaxTlsHandshake));
  EXPECT_EQ(slow.server->failure().kind, too_large);
}

TEST(Tls, HugeCertificateIsRefused) {
  Ends ends({.extra = std::string(limits::kMaxTlsCertificates, 'x')});
  ends.run();
  EXPECT_EQ(ends.client->state(), State::failed);
  EXPECT_NE(ends.server->state(), State::established);
}

TEST(Tls, UnreadApplicationDataIsBounded) {
  Ends ends({});
  ends.run();
  const Bytes data(16'000);
  for (std::size_t sent = 0; sent <= limits::kMaxTlsUnread; sent += data.size())
    ASSERT_TRUE(ends.client->write(data));
  ends.run();
  EXPECT_EQ(ends.server->failure().kind, too_large);
}

TEST(Tls, ContextRefusesCertificatesThatCannotBeUsed) {
  tls::Credential garbage = root().credential();
  garbage.chain.front().push_back(0);
  EXPECT_FALSE(tls::Context::make({.credential = garbage}));
  EXPECT_FALSE(tls::Context::make({.authorities = {Bytes{1, 2, 3}}}));
}

TEST(Tls, EverySideThatJudgesNeedsAVerifier) {
  const auto context = tls::Context::make({}).value();
  EXPECT_FALSE(tls::Session::make(context, {}));
  EXPECT_FALSE(tls::Session::make(context, {.side = tls::Side::server, .ask_certificate = true}));
}

}  // namespace
}  // namespace culvert::testing
