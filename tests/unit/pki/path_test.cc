#include "pki/path.h"

#include "crypto/private_key.h"
#include "files.h"
#include "pki/issuing.h"
#include "policy/distinguished_name.h"

namespace culvert::pki {
namespace {

using namespace testing;

class PathTest : public PkiTest {
 protected:
  using Outcome = std::expected<Path, PathFailure>;
  Outcome check(const std::string& leaf, std::vector<CertificateRef> received = {},
                const Evidence& evidence = {}) {
    return PathChecker(*provider_, store_, signatures_, revocations_)
        .check(load(leaf), received, options_, evidence);
  }
  PathProblem problem(const std::string& leaf, std::vector<CertificateRef> received = {},
                      const Evidence& evidence = {}) {
    const Outcome outcome = check(leaf, std::move(received), evidence);
    if (outcome) throw std::runtime_error(leaf + " was accepted");
    sentence_ = to_sentence(outcome.error());
    return outcome.error().problem;
  }
  void trust(const char* name) { store_.add_ca(load(name)); }

  TrustStore store_;
  SignatureCache signatures_;
  RevocationCache revocations_;
  PathOptions options_{.now = kNow};
  std::string sentence_;
};

TEST_F(PathTest, OverReceivedIntermediatesInAnyOrder) {
  trust("root");
  const auto path = check("leaf", {load("expired"), load("sub"), load("root")});
  ASSERT_TRUE(path) << to_sentence(path.error());
  ASSERT_EQ(path->certificates.size(), 3u);
  EXPECT_EQ(path->certificates[1]->fingerprint, load("sub")->fingerprint);
  EXPECT_TRUE(path->needs.empty());
  EXPECT_EQ(problem("leaf"), PathProblem::untrusted);
  EXPECT_EQ(sentence_,
            "certificate \"C=CH, O=Culvert, CN=leaf.example.org\" was issued by \"C=CH, O=Culvert, "
            "CN=Sub CA\", which is no trusted CA and was not sent along: add that CA's certificate "
            "here, or send the intermediate certificates there");
  store_.add_certificate(load("sub"));
  EXPECT_TRUE(check("leaf"));
}

TEST_F(PathTest, AnIntermediateMayBeTrustedByItself) {
  trust("sub");
  EXPECT_EQ(check("leaf")->certificates.size(), 2u);
  EXPECT_EQ(problem("expired-ca"), PathProblem::expired);
}

TEST_F(PathTest, EveryKindOfKey) {
  for (const char* kind : {"rsa", "rsa-pss", "p384", "p521", "ed25519", "ed448", "pki"}) {
    trust((std::string("ca-") + kind).c_str());
    const auto path = check(std::string("leaf-") + kind);
    EXPECT_TRUE(path) << kind << ": " << to_sentence(path.error());
  }
}

struct Bad {
  const char* leaf;
  std::vector<const char*> received;
  PathProblem problem;
  const char* words;
};
const Bad kBad[] = {
    {"expired", {}, PathProblem::expired, "expired on 2021-01-01 00:00:00 UTC"},
    {"not-yet", {}, PathProblem::not_yet_valid, "not valid before 2100-01-01"},
    {"wrong-eku", {}, PathProblem::wrong_extended_key_usage, "serverAuth"},
    {"wrong-ku", {}, PathProblem::wrong_key_usage, "digitalSignature"},
    {"critical", {}, PathProblem::unknown_critical_extension, "1.2.3.4"},
    {"sha1", {}, PathProblem::weak_hash, "SHA-1"},
    {"weak", {}, PathProblem::weak_key, "only 1024 bits"},
    {"self-signed", {}, PathProblem::self_signed, "signed by itself"},
    {"below-expired", {"expired-ca"}, PathProblem::expired, "\"CN=expired CA\" expired"},
    {"below-false", {"false-ca"}, PathProblem::not_a_ca, "\"CN=false CA\""},
    {"below-no-sign", {"no-sign"}, PathProblem::wrong_key_usage, "keyCertSign"},
    {"too-deep", {"too-deep-ca", "sub"}, PathProblem::path_too_long, "allows only 0 CAs below it"},
    {"forged", {"impostor"}, PathProblem::bad_signature, "not of \"C=CH, O=Culvert, CN=Root CA\""},
    {"in-loop",
     {"loop-a", "loop-b", "loop-a-by-b", "loop-b-by-a", "loop-a-again"},
     PathProblem::untrusted,
     "\"CN=loop"},
    {"names-dns",
     {"named"},
     PathProblem::name_constraint,
     "CN=named does not allow DNS a.example.net"},
    {"names-suffix", {"named"}, PathProblem::name_constraint, "badexample.org"},
    {"names-excluded", {"named"}, PathProblem::name_constraint, "x.secret.example.org"},
    {"names-email", {"named"}, PathProblem::name_constraint, "u@example.net"},
    {"names-ip", {"named"}, PathProblem::name_constraint, "198.51.100.1"},
    {"policy-other", {"policy-ca"}, PathProblem::policy, "no policy is valid"},
};

TEST_F(PathTest, NamesWhatIsWrong) {
  trust("root");
  for (const Bad& bad : kBad) {
    SCOPED_TRACE(bad.leaf);
    std::vector<CertificateRef> received;
    for (const char* name : bad.received) received.push_back(load(name));
    EXPECT_EQ(name_of(problem(bad.leaf, received)), name_of(bad.problem));
    EXPECT_TRUE(sentence_.contains(bad.words)) << sentence_;
  }
  // The same rules let the good ones pass.
  for (const auto& [leaf, ca] : {std::pair{"names-ok", "named"}, {"policy-ok", "policy-ca"}})
    EXPECT_TRUE(check(leaf, {load(ca)})) << leaf;
}

TEST_F(PathTest, WeakOnesPassWhereTheyAreAllowed) {
  trust("root");
  options_.allow_weak = true;
  EXPECT_TRUE(check("sha1"));
  EXPECT_TRUE(check("weak"));
  options_.now = day(2020);
  EXPECT_EQ(problem("sha1"), PathProblem::not_yet_valid);
}

TEST_F(PathTest, Purposes) {
  trust("root");
  options_.purpose = PathPurpose::any;
  EXPECT_TRUE(check("wrong-eku"));
  options_.purpose = PathPurpose::tls_client;
  EXPECT_EQ(problem("stranger"), PathProblem::wrong_extended_key_usage) << "serverAuth only";
  options_.purpose = PathPurpose::tls_server;
  EXPECT_TRUE(check("stranger"));
  EXPECT_EQ(problem("responder"), PathProblem::wrong_extended_key_usage);
}

TEST_F(PathTest, WantedPolicies) {
  trust("root");
  options_.policies = {"1.2.3.4", "1.2.3.9"};
  EXPECT_TRUE(check("policy-ok", {load("policy-ca")}));
  EXPECT_EQ(problem("fine"), PathProblem::policy);
}

TEST_F(PathTest, CrossSignedCasLeadOverTheWayThatIsValid) {
  trust("old-root");
  EXPECT_EQ(problem("crossed", {load("cross-old")}), PathProblem::expired);
  trust("root");
  EXPECT_TRUE(check("crossed", {load("cross-old"), load("cross")}));
  EXPECT_TRUE(check("crossed", {load("cross"), load("cross-old")}));
}

TEST_F(PathTest, LongChainsEnd) {
  const auto chain = read_certificates(*provider_, file("chain.pem"));
  ASSERT_TRUE(chain);
  ASSERT_EQ(chain->size(), 31u);
  trust("deep-0");
  const auto outcome = PathChecker(*provider_, store_, signatures_, revocations_)
                           .check(chain->front(), *chain, options_);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().problem, PathProblem::chain_too_long);
  // With a CA that is nearer it is short enough.
  store_.add_ca((*chain)[10]);
  EXPECT_EQ(PathChecker(*provider_, store_, signatures_, revocations_)
                .check(chain->front(), *chain, options_)
                ->certificates.size(),
            11u);
}

// Strangers' CAs that all issued each other: there are more ways through them than can be walked.
TEST_F(PathTest, MeshesOfCasEnd) {
  constexpr std::size_t kCas = 7;
  std::vector<PrivateKey> keys;
  for (std::size_t i = 0; i < kCas; ++i)
    keys.push_back(std::move(*PrivateKey::generate(KeyKind::ed25519)));
  const auto name = [](std::size_t i) { return *encode_name("CN=mesh " + std::to_string(i)); };
  const auto issued = [&](std::size_t subject, std::size_t issuer, bool ca) {
    CertificateContents contents;
    contents.serial = {1};
    contents.subject = name(subject);
    contents.public_key = keys[subject].spki();
    contents.not_before = day(2026);
    contents.not_after = day(2040);
    contents.ca = ca;
    const auto der =
        issue_certificate(contents, {name(issuer), {}, keys[issuer], {SignatureKind::ed25519, {}}});
    return *parse_certificate(*provider_, *der);
  };
  std::vector<CertificateRef> mesh;
  for (std::size_t i = 0; i < kCas; ++i)
    for (std::size_t j = 0; j < kCas; ++j)
      if (i != j) mesh.push_back(issued(i, j, true));
  trust("root");
  const auto outcome = PathChecker(*provider_, store_, signatures_, revocations_)
                           .check(issued(0, 1, false), mesh, options_);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().problem, PathProblem::chain_too_long);
}

TEST_F(PathTest, OneVerificationForEachLoginOnceTheCasAreKnown) {
  trust("root");
  EXPECT_EQ(check("leaf", {load("sub")})->signatures_verified, 2u);
  EXPECT_EQ(check("leaf", {load("sub")})->signatures_verified, 1u);
  // What did not lead to a trusted CA is not remembered.
  TrustStore nothing;
  SignatureCache cache;
  EXPECT_FALSE(PathChecker(*provider_, nothing, cache, revocations_)
                   .check(load("leaf"), std::vector{load("sub")}, options_));
  EXPECT_FALSE(cache.contains(load("sub")->fingerprint, *load("root")->key));
}

TEST_F(PathTest, OwnChainWithoutTheRoot) {
  trust("root");
  store_.add_certificate(load("sub"));
  const auto chain = chain_to_send(load("leaf"), store_);
  ASSERT_EQ(chain.size(), 2u);
  EXPECT_EQ(chain[1]->fingerprint, load("sub")->fingerprint);
  EXPECT_EQ(chain_to_send(load("leaf-rsa"), store_).size(), 1u);
}

TEST_F(PathTest, StoreFindsByHashAndKey) {
  trust("root");
  trust("root");
  store_.add_certificate(load("leaf"));
  EXPECT_EQ(store_.authority_hashes(), to_bytes(load("root")->key->spki_hash()));
  EXPECT_TRUE(store_.ca_with_spki_hash(load("root")->key->spki_hash()));
  EXPECT_FALSE(store_.ca_with_spki_hash(load("leaf")->key->spki_hash()));
  EXPECT_EQ(store_.with_key_id(load("leaf")->subject_key_id).size(), 1u);
  EXPECT_EQ(store_.authorities().size(), 1u);
  EXPECT_EQ(store_.certificates().size(), 1u);
}

}  // namespace
}  // namespace culvert::pki
