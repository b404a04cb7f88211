// CRLs, OCSP and what a path check makes of them.
#include "files.h"

namespace culvert::pki {
namespace {

using namespace testing;

class RevocationTest : public PkiTest {
 protected:
  RevocationTest() { store_.add_ca(load("root")); }
  // "ok", "needs", or the problem's name.
  std::string check(const std::string& leaf, RevocationPolicy policy, const Evidence& evidence = {},
                    bool may_fetch = false) {
    options_.revocation = policy;
    options_.may_fetch = may_fetch;
    const auto outcome = PathChecker(*provider_, store_, signatures_, revocations_)
                             .check(load(leaf), {}, options_, evidence);
    if (!outcome) {
      sentence_ = to_sentence(outcome.error());
      return std::string(name_of(outcome.error().problem));
    }
    needs_ = outcome->needs;
    return needs_.empty() ? "ok" : "needs";
  }
  std::string with_crl(const std::string& leaf, const std::string& crl) {
    const std::vector crls{load_crl(crl)};
    return check(leaf, RevocationPolicy::strict, {.crls = crls});
  }
  std::string with_ocsp(const std::string& leaf, const std::string& response, ByteView nonce = {}) {
    const std::vector responses{load_ocsp(response)};
    revocations_.clear();
    return check(leaf, RevocationPolicy::strict, {.ocsp = responses, .nonce = nonce});
  }

  TrustStore store_;
  SignatureCache signatures_;
  RevocationCache revocations_;
  PathOptions options_{.now = kNow};
  std::vector<RevocationNeed> needs_;
  std::string sentence_;
};

TEST_F(RevocationTest, PoliciesDifferWhereNothingIsKnown) {
  EXPECT_EQ(check("fine", RevocationPolicy::off), "ok");
  EXPECT_EQ(check("fine", RevocationPolicy::relaxed), "ok");
  EXPECT_EQ(check("fine", RevocationPolicy::ifuri), "revocation_unknown");
  EXPECT_EQ(check("fine", RevocationPolicy::strict), "revocation_unknown");
  EXPECT_TRUE(sentence_.contains("there is no CRL and no OCSP response")) << sentence_;
  // Without an address to ask, only strict fails.
  EXPECT_EQ(check("responder", RevocationPolicy::ifuri), "wrong_extended_key_usage");
  options_.purpose = PathPurpose::any;
  EXPECT_EQ(check("responder", RevocationPolicy::ifuri), "ok");
  EXPECT_EQ(check("responder", RevocationPolicy::strict, {}, true), "revocation_unknown");
}

TEST_F(RevocationTest, WhatIsUnknownIsAskedForFirst) {
  for (const auto policy :
       {RevocationPolicy::relaxed, RevocationPolicy::ifuri, RevocationPolicy::strict}) {
    ASSERT_EQ(check("fine", policy, {}, true), "needs");
    ASSERT_EQ(needs_.size(), 1u);
    EXPECT_EQ(needs_[0].crl_urls, std::vector<std::string>{"http://crl.example.org/root.crl"});
    EXPECT_EQ(needs_[0].ocsp_urls, std::vector<std::string>{"http://ocsp.example.org/"});
    EXPECT_EQ(needs_[0].issuer->fingerprint, load("root")->fingerprint);
  }
  EXPECT_EQ(check("fine", RevocationPolicy::off, {}, true), "ok");
  const std::vector crls{load_crl("root")};
  EXPECT_EQ(check("fine", RevocationPolicy::strict, {.crls = crls}, true), "ok");
  EXPECT_EQ(check("fine", RevocationPolicy::strict, {}, true), "ok") << "it is remembered";
}

TEST_F(RevocationTest, CrlsListTheRevoked) {
  EXPECT_EQ(with_crl("revoked", "before"), "ok");
  EXPECT_EQ(with_crl("revoked", "root"), "revoked") << "of the same time, with a higher number";
}

TEST_F(RevocationTest, RevokedInWordsAndForEveryPolicy) {
  store_.add_crl(load_crl("root"));
  for (const auto policy :
       {RevocationPolicy::relaxed, RevocationPolicy::ifuri, RevocationPolicy::strict})
    EXPECT_EQ(check("revoked", policy), "revoked");
  EXPECT_TRUE(sentence_.contains("(key compromise)")) << sentence_;
  EXPECT_TRUE(sentence_.contains("was revoked on 20")) << sentence_;
  EXPECT_EQ(check("held", RevocationPolicy::relaxed), "revoked");
  EXPECT_TRUE(sentence_.contains("(on hold)")) << sentence_;
  EXPECT_EQ(check("fine", RevocationPolicy::strict), "ok");
  EXPECT_EQ(check("revoked", RevocationPolicy::off), "ok");
}

TEST_F(RevocationTest, AStaleListStillTellsWhatWasRevoked) {
  EXPECT_EQ(with_crl("fine", "stale"), "revocation_unknown");
  EXPECT_TRUE(sentence_.contains("to be renewed by 2021-01-01 00:00:00 UTC")) << sentence_;
  EXPECT_EQ(check("fine", RevocationPolicy::relaxed), "ok");
  EXPECT_EQ(check("revoked", RevocationPolicy::relaxed), "revoked");
  options_.now = day(2025);
  EXPECT_EQ(check("fine", RevocationPolicy::relaxed), "not_yet_valid");
}

TEST_F(RevocationTest, ListsOfOthersAndForOthersDoNotCount) {
  EXPECT_EQ(with_crl("fine", "sub"), "revocation_unknown") << "of another CA";
  EXPECT_EQ(with_crl("fine", "part"), "revocation_unknown") << "of another distribution point";
  EXPECT_EQ(with_crl("fine", "users"), "ok");
  EXPECT_FALSE(load_crl("users")->covers(*load("sub")));
  const auto delta = parse_crl(*provider_, file("delta.crl"));
  ASSERT_FALSE(delta);
  EXPECT_EQ(delta.error().reason, Reason::unsupported);
}

TEST_F(RevocationTest, CrlsAreVerified) {
  const CrlRef crl = load_crl("root");
  EXPECT_TRUE(verify(*provider_, *crl, *load("root")));
  EXPECT_EQ(verify(*provider_, *crl, *load("sub")).error().reason, Reason::no_match);
  EXPECT_FALSE(verify(*provider_, *crl, *load("impostor"))) << "same name, other key";
  Bytes changed = crl->der;
  changed[changed.size() - 1] ^= 1;
  const auto broken = parse_crl(*provider_, changed);
  ASSERT_TRUE(broken);
  EXPECT_EQ(verify(*provider_, **broken, *load("root")).error().reason, Reason::bad_integrity);
  for (std::size_t size = 0; size < crl->der.size(); ++size)
    EXPECT_FALSE(parse_crl(*provider_, ByteView(crl->der).first(size))) << size;
}

TEST_F(RevocationTest, OcspAnswers) {
  EXPECT_EQ(with_ocsp("fine", "good"), "ok");
  EXPECT_EQ(check("fine", RevocationPolicy::strict), "ok") << "it is remembered";
  EXPECT_EQ(with_ocsp("revoked", "revoked"), "revoked");
  EXPECT_TRUE(sentence_.contains("(key compromise)")) << sentence_;
  EXPECT_EQ(with_ocsp("fine", "by-ca"), "ok");
  EXPECT_EQ(with_ocsp("fine", "no-nonce"), "ok");
  EXPECT_EQ(with_ocsp("fine", "revoked"), "revocation_unknown") << "about another certificate";
}

TEST_F(RevocationTest, OcspByStrangersDoesNotCount) {
  EXPECT_EQ(with_ocsp("fine", "by-stranger"), "revocation_unknown");
  EXPECT_EQ(with_ocsp("fine", "by-sub"), "revocation_unknown");
  const auto verified = verify(*provider_, *load_ocsp("by-stranger"), *load("root"), kNow, {});
  EXPECT_EQ(verified.error().reason, Reason::refused);
}

TEST_F(RevocationTest, OcspNonces) {
  const Bytes ours = load_ocsp("good")->nonce;
  EXPECT_FALSE(ours.empty());
  EXPECT_EQ(with_ocsp("fine", "good", ours), "ok");
  EXPECT_EQ(with_ocsp("fine", "good", as_bytes("another nonce")), "revocation_unknown");
  EXPECT_EQ(with_ocsp("fine", "no-nonce", as_bytes("another nonce")), "ok");
}

TEST_F(RevocationTest, OcspResponsesAreParsedStrictly) {
  const Bytes whole = file("ocsp-good.der");
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(parse_ocsp_response(*provider_, ByteView(whole).first(size))) << size;
  const auto later = parse_ocsp_response(*provider_, file("ocsp-try-later.der"));
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().reason, Reason::refused);
  EXPECT_EQ(ocsp_status_text(later.error().offset), "tryLater");
}

// openssl's responder understands the request: its answer to the same one was to this CertID.
TEST_F(RevocationTest, OcspRequestsNameTheCertificate) {
  const auto request =
      make_ocsp_request(*provider_, *load("fine"), *load("root"), as_bytes("0123456789"));
  ASSERT_TRUE(request);
  const OcspResponseRef response = load_ocsp("good");
  const std::string_view octets = as_text(*request);
  EXPECT_TRUE(octets.contains(as_text(response->answers.at(0).issuer_key_hash)));
  EXPECT_TRUE(octets.contains(as_text(response->answers.at(0).issuer_name_hash)));
  EXPECT_TRUE(octets.contains("0123456789"));
}

TEST_F(RevocationTest, CachesAreBounded) {
  const PublicKeyRef key = load("root")->key;
  for (std::uint32_t i = 0; i < 70'000; ++i) {
    Bytes serial(4);
    store_be(serial.data(), i);
    OcspAnswer answer{.serial = serial, .status = OcspAnswer::Status::good, .this_update = kNow};
    answer.next_update = kNow + std::chrono::seconds(i);
    revocations_.add(*key, answer);
  }
  EXPECT_EQ(revocations_.find_status(*key, Bytes{0, 0, 0, 1}), nullptr) << "expires first";
  EXPECT_NE(revocations_.find_status(*key, Bytes{0, 1, 0x11, 0x6f}), nullptr);
}

}  // namespace
}  // namespace culvert::pki
