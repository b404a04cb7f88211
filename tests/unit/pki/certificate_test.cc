#include "pki/certificate.h"

#include "crypto/pem.h"
#include "crypto/private_key.h"
#include "files.h"
#include "pki/asn1_time.h"
#include "pki/identity_match.h"

namespace culvert::pki {
namespace {

using namespace testing;

class CertificateTest : public PkiTest {};

TEST_F(CertificateTest, HoldsWhatWasIssued) {
  const CertificateRef leaf = load("leaf"), sub = load("sub"), root = load("root");
  EXPECT_EQ(name_text(leaf->subject), "C=CH, O=Culvert, CN=leaf.example.org");
  EXPECT_EQ(name_text(leaf->issuer), "C=CH, O=Culvert, CN=Sub CA");
  EXPECT_EQ(serial_text(leaf->serial), "10:00");
  EXPECT_EQ(leaf->not_before, day(2026, 1, 1));
  EXPECT_EQ(to_string(leaf->not_after), "2126-01-01 00:00:00 UTC");
  EXPECT_TRUE(leaf->is_valid_at(leaf->not_before));
  EXPECT_TRUE(leaf->is_valid_at(leaf->not_after));
  EXPECT_FALSE(leaf->is_valid_at(leaf->not_after + std::chrono::seconds(1)));
  EXPECT_FALSE(leaf->is_ca);
  EXPECT_EQ(leaf->key_usage, kDigitalSignature);
  EXPECT_EQ(leaf->extended_key_usage, kServerAuth | kClientAuth);
  EXPECT_EQ(leaf->policies, std::vector<std::string>{"1.2.3.4"});
  EXPECT_EQ(leaf->crl_urls, std::vector<std::string>{"http://crl.example.org/sub.crl"});
  EXPECT_EQ(leaf->ocsp_urls, std::vector<std::string>{"http://ocsp.example.org/"});
  EXPECT_EQ(leaf->scheme, (SignatureScheme{SignatureKind::ecdsa, Hash::sha2_256}));
  EXPECT_TRUE(equal(leaf->subject_key_id, leaf->key->key_id()));
  EXPECT_EQ(leaf->authority_key_id, sub->subject_key_id);
  EXPECT_TRUE(sub->is_ca);
  EXPECT_EQ(sub->path_length, 0u);
  EXPECT_EQ(root->path_length, std::nullopt);
  EXPECT_TRUE(root->is_self_issued());
  EXPECT_FALSE(sub->is_self_issued());
}

TEST_F(CertificateTest, AlternativeNames) {
  std::vector<std::string> names;
  const CertificateRef leaf = load("leaf");
  for (const GeneralName& name : leaf->alternative_names) names.push_back(to_string(name));
  EXPECT_EQ(names, (std::vector<std::string>{"DNS leaf.example.org", "DNS *.wild.example.org",
                                             "e-mail leaf@example.org", "address 192.0.2.1",
                                             "address 2001:db8::1", "URI https://leaf.example.org/",
                                             "DN \"C=CH, CN=other name\""}));
  EXPECT_EQ(to_string(GeneralName{NameType::dns, {'a', 0, 'b'}}), "DNS a\\x00b");
}

TEST_F(CertificateTest, EveryKindOfKeyAndOfIssuer) {
  for (const auto& [name, kind] : {std::pair{"rsa", KeyKind::rsa},
                                   {"rsa-pss", KeyKind::rsa},
                                   {"p384", KeyKind::ecdsa_p384},
                                   {"p521", KeyKind::ecdsa_p521},
                                   {"ed25519", KeyKind::ed25519},
                                   {"ed448", KeyKind::ed448}}) {
    SCOPED_TRACE(name);
    const CertificateRef leaf = load(std::string("leaf-") + name);
    ASSERT_TRUE(leaf->key && leaf->scheme);
    EXPECT_EQ(leaf->key->kind(), kind);
    const CertificateRef ca = load(std::string("ca-") + name);
    EXPECT_TRUE(provider_->verify(*ca->key, *leaf->scheme, {leaf->tbs}, leaf->signature));
    EXPECT_FALSE(provider_->verify(*ca->key, *leaf->scheme, {ca->tbs}, leaf->signature));
  }
  const CertificateRef by_pki = load("leaf-pki");
  EXPECT_EQ(by_pki->crl_urls, std::vector<std::string>{"http://crl.example.org/pki.crl"});
  EXPECT_TRUE(
      provider_->verify(*load("ca-pki")->key, *by_pki->scheme, {by_pki->tbs}, by_pki->signature));
}

TEST_F(CertificateTest, FilesHoldSeveralInAnyOrder) {
  const auto text = [](const char* name) { return std::string(as_text(file(name))); };
  const std::string both = "Some text.\n" + text("leaf.pem") + text("leaf.key") + "\nmore\n" +
                           text("root.pem") + text("root.crl") + text("sub.pem");
  const auto certificates = read_certificates(*provider_, as_bytes(both));
  ASSERT_TRUE(certificates);
  ASSERT_EQ(certificates->size(), 3u);
  EXPECT_TRUE((*certificates)[1]->is_self_issued());
  EXPECT_EQ(read_certificates(*provider_, (*certificates)[0]->der)->front()->fingerprint,
            (*certificates)[0]->fingerprint);
  EXPECT_EQ(read_certificates(*provider_, file("leaf.key")).error().reason, Reason::not_found);
  const std::string broken = text("leaf.pem") + write_pem("CERTIFICATE", Bytes{0x30, 0});
  const auto failed = read_certificates(*provider_, as_bytes(broken));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().offset, text("leaf.pem").size());
}

TEST_F(CertificateTest, RefusesWhatIsMalformed) {
  const Bytes& good = load("leaf")->der;
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(parse_certificate(*provider_, ByteView(good).first(size))) << size;
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_FALSE(parse_certificate(*provider_, longer));
  EXPECT_EQ(parse_certificate(*provider_, Bytes(70'000, 0x30)).error().reason, Reason::too_large);
  EXPECT_FALSE(parse_certificate(*provider_, file("twice.der"))) << "an extension twice";
  // Whatever octet is changed, nothing worse happens than a refusal or another certificate.
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const std::uint8_t value : {0x00, 0x7f, 0x80, 0xff}) {
      Bytes changed = good;
      changed[at] = value;
      if (const auto parsed = parse_certificate(*provider_, changed)) {
        EXPECT_EQ((*parsed)->der, changed);
      }
    }
  }
}

TEST_F(CertificateTest, ExponentOneIsNoKey) {
  const auto certificate = parse_certificate(*provider_, file("exponent-1.der"));
  ASSERT_TRUE(certificate);
  EXPECT_FALSE((*certificate)->key);
  EXPECT_EQ((*certificate)->key_error.reason, Reason::bad_value);
}

TEST_F(CertificateTest, IdentitiesAreProvedExactly) {
  const CertificateRef leaf = load("leaf");
  const auto proves = [&leaf](const char* text) { return certifies(*leaf, *parse_identity(text)); };
  for (const char* good : {"leaf.example.org", "LEAF.example.org", "leaf@example.org", "192.0.2.1",
                           "2001:db8::1", "C=CH, O=Culvert, CN=leaf.example.org",
                           "C=ch, O=culvert,CN=leaf.example.org", "C=CH, CN=other name"})
    EXPECT_TRUE(proves(good)) << good;
  for (const char* bad :
       {"example.org", "a.wild.example.org", "192.0.2.2", "other@example.org", "*", "*.example.org",
        "fqdn:*", "C=CH, O=Culvert, CN=*", "CN=leaf.example.org", "%any", "fqdn:192.0.2.1",
        "fqdn:leaf@example.org", "keyid:leaf.example.org"})
    EXPECT_FALSE(proves(bad)) << bad;
  EXPECT_FALSE(
      certifies(*leaf, {wire::IdType::fqdn, to_bytes(as_bytes({"leaf.example.org\0x", 18}))}));
  EXPECT_TRUE(certifies(*leaf, {wire::IdType::key_id, leaf->subject_key_id}));
  EXPECT_TRUE(certifies(*leaf, {wire::IdType::key_id, to_bytes(leaf->key->spki_hash())}));
  EXPECT_FALSE(certifies(*leaf, {wire::IdType::key_id, {}}));
  // What stands in the common name only is no host name.
  EXPECT_FALSE(certifies(*load("leaf-rsa"), *parse_identity("leaf-rsa")));
}

TEST_F(CertificateTest, PatternsOfOurs) {
  const CertificateRef leaf = load("leaf");
  const auto fits = [&leaf](const char* text) {
    return match_certificate(*parse_identity(text), *leaf);
  };
  EXPECT_EQ(fits("leaf.example.org"), kExactMatch);
  EXPECT_GT(fits("*.example.org"), kAnyMatch);
  EXPECT_LT(fits("*.example.org"), kExactMatch);
  EXPECT_EQ(fits("%any"), kAnyMatch);
  EXPECT_GT(fits("C=CH, O=Culvert, CN=*"), kAnyMatch);
  EXPECT_GT(fits("CN=*, C=CH, O=Culvert"), kAnyMatch) << "in another order";
  EXPECT_EQ(fits("C=CH, O=Other, CN=*"), 0);
  EXPECT_EQ(fits("C=CH, O=Culvert"), 0);
  EXPECT_EQ(fits("*.example.net"), 0);
}

TEST(TimeTest, OneFormOnly) {
  const auto read = [](std::uint8_t tag, std::string_view text) {
    Bytes der{tag, static_cast<std::uint8_t>(text.size())};
    append(der, as_bytes(text));
    Reader reader(der);
    return read_time(reader);
  };
  EXPECT_EQ(read(0x17, "300601000000Z"), day(2030));
  EXPECT_EQ(read(0x17, "500101000000Z"), day(1950, 1, 1));
  EXPECT_EQ(read(0x17, "491231235959Z"), day(2050, 1, 1) - std::chrono::seconds(1));
  EXPECT_EQ(read(0x18, "21260101000000Z"), day(2126, 1, 1));
  EXPECT_EQ(read(0x18, "20240229000000Z"), day(2024, 2, 29));
  for (const char* bad :
       {"20230229000000Z", "20301301000000Z", "20300100000000Z", "20300101240000Z",
        "20300101006000Z", "20300101000060Z", "20300101000000", "203001010000Z",
        "20300101000000+0100", "2030010100000.Z", "20300101000000.5Z", ""})
    EXPECT_FALSE(read(0x18, bad)) << bad;
  EXPECT_FALSE(read(0x13, "300601000000Z"));
}

}  // namespace
}  // namespace culvert::pki
