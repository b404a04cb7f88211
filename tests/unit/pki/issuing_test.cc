// Certificates, requests and PKCS#12 files that we make, as libcrypto reads them.
#include "pki/issuing.h"

#include <openssl/pkcs12.h>

#include "pki/der_values.h"
#include "pki/pkcs12_issuing.h"
#include "tests/unit/pki/issued.h"

namespace culvert::pki {
namespace {

class EveryKey : public ::testing::TestWithParam<KeyKind> {};

INSTANTIATE_TEST_SUITE_P(Kinds, EveryKey,
                         ::testing::Values(KeyKind::rsa, KeyKind::ecdsa_p256, KeyKind::ecdsa_p384,
                                           KeyKind::ecdsa_p521, KeyKind::ed25519, KeyKind::ed448));

TEST_P(EveryKey, SignsCertificatesThatVerify) {
  const TestAuthority ca(GetParam());
  const auto root = parse_x509(ca.certificate);
  ASSERT_TRUE(root);
  EXPECT_EQ(X509_verify(root.get(), X509_get0_pubkey(root.get())), 1);
  EXPECT_EQ(X509_check_ca(root.get()), 1);
  const PrivateKey key = *PrivateKey::generate(KeyKind::ed25519);
  const auto leaf = parse_x509(ca.issue(TestAuthority::contents_for(key, "CN=moon")));
  ASSERT_TRUE(leaf);
  EXPECT_EQ(X509_verify(leaf.get(), X509_get0_pubkey(root.get())), 1);
  EXPECT_EQ(X509_check_issued(root.get(), leaf.get()), X509_V_OK);
  EXPECT_EQ(X509_check_ca(leaf.get()), 0);
}

TEST_P(EveryKey, SignsRequestsThatAreReadBack) {
  const PrivateKey key = *PrivateKey::generate(GetParam(), 2'048);
  RequestContents contents{.subject = *encode_name("C=CH, CN=moon"), .public_key = key.spki()};
  contents.subject_alt_names = {*general_name(*parse_identity("moon.example.org")),
                                *general_name(*parse_identity("2001:db8::1"))};
  contents.challenge_password = "sesam";
  const auto der = make_request(contents, key, scheme_of(key.kind()));
  ASSERT_TRUE(der);
  const auto read = read_request(*der);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->subject, contents.subject);
  EXPECT_EQ(read->public_key, contents.public_key);
  EXPECT_EQ(read->subject_alt_names, contents.subject_alt_names);

  // Somebody else's key in it: the signature is not that key's.
  contents.public_key = PrivateKey::generate(GetParam(), 2'048)->spki();
  const auto stolen = make_request(contents, key, scheme_of(key.kind()));
  ASSERT_TRUE(stolen);
  const auto refused = read_request(*stolen);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::bad_integrity);
}

TEST(Issuing, PssSignsToo) {
  const PrivateKey key = *PrivateKey::generate(KeyKind::rsa, 2'048);
  const auto contents = TestAuthority::contents_for(key, "CN=moon");
  const auto der = issue_certificate(
      contents, {contents.subject, contents.key_id, key, rsa_pss(Hash::sha2_384)});
  ASSERT_TRUE(der);
  const auto certificate = parse_x509(*der);
  ASSERT_TRUE(certificate);
  EXPECT_EQ(X509_get_signature_nid(certificate.get()), NID_rsassaPss);
  EXPECT_EQ(X509_verify(certificate.get(), X509_get0_pubkey(certificate.get())), 1);
}

TEST(Issuing, WhatWasAskedForIsInIt) {
  const TestAuthority ca;
  const PrivateKey key = *PrivateKey::generate(KeyKind::ed25519);
  CertificateContents contents = TestAuthority::contents_for(key, "C=CH, CN=moon");
  for (const char* name : {"moon.example.org", "192.0.2.1", "ann@example.org", "C=CH, CN=alias"})
    contents.subject_alt_names.push_back(*general_name(*parse_identity(name)));
  contents.subject_alt_names.push_back(uri_name("https://example.org/"));
  contents.purposes = {KeyPurpose::server_auth, KeyPurpose::client_auth,
                       KeyPurpose::ike_intermediate};
  contents.crl_uris = {"http://example.org/a.crl", "http://example.org/b.crl"};
  contents.ocsp_uris = {"http://ocsp.example.org/"};
  contents.policies = {*der::oid_from_text("1.3.6.1.4.1.32473.1")};
  const auto certificate = parse_x509(ca.issue(contents));
  ASSERT_TRUE(certificate);
  const auto text = [&](int nid) { return extension_text(certificate.get(), nid); };
  EXPECT_EQ(
      text(NID_subject_alt_name),
      "DNS:moon.example.org, IP Address:192.0.2.1, email:ann@example.org, DirName:/C=CH/CN=ali"
      "as, URI:https://example.org/");
  EXPECT_EQ(text(NID_key_usage), "critical, Digital Signature");
  EXPECT_EQ(text(NID_ext_key_usage),
            "TLS Web Server Authentication, TLS Web Client Authentication, 1.3.6.1.5.5.8.2.2");
  EXPECT_EQ(text(NID_basic_constraints), "CA:FALSE");
  EXPECT_NE(text(NID_crl_distribution_points).find("http://example.org/a.crl"), std::string::npos);
  EXPECT_NE(text(NID_crl_distribution_points).find("http://example.org/b.crl"), std::string::npos);
  EXPECT_EQ(text(NID_info_access), "OCSP - URI:http://ocsp.example.org/");
  EXPECT_EQ(text(NID_certificate_policies), "Policy: 1.3.6.1.4.1.32473.1");
  EXPECT_EQ(text(NID_name_constraints), "");
  EXPECT_EQ(text(NID_id_pkix_OCSP_noCheck), "");
  EXPECT_EQ(ASN1_INTEGER_get(X509_get0_serialNumber(certificate.get())), 0x1234);
  EXPECT_EQ(X509_get_version(certificate.get()), 2);  // which is v3
}

TEST(Issuing, CaHasItsBounds) {
  const TestAuthority ca;
  const PrivateKey key = *PrivateKey::generate(KeyKind::ed25519);
  CertificateContents contents = TestAuthority::contents_for(key, "CN=below");
  contents.ca = true;
  contents.path_length = 0;
  contents.permitted = {*general_name(*parse_identity("example.org")),
                        prefix_name(*Prefix::parse("192.0.2.0/25"))};
  contents.excluded = {prefix_name(*Prefix::parse("2001:db8::/33"))};
  const auto certificate = parse_x509(ca.issue(contents));
  ASSERT_TRUE(certificate);
  EXPECT_EQ(extension_text(certificate.get(), NID_basic_constraints),
            "critical, CA:TRUE, pathlen:0");
  EXPECT_EQ(extension_text(certificate.get(), NID_key_usage),
            "critical, Certificate Sign, CRL Sign");
  EXPECT_EQ(extension_text(certificate.get(), NID_name_constraints),
            "critical, Permitted:\n  DNS:example.org\n  IP:192.0.2.0/255.255.255.128\n"
            "Excluded:\n  IP:2001:DB8:0:0:0:0:0:0/FFFF:FFFF:8000:0:0:0:0:0");
}

TEST(Issuing, SubjectAltNameIsCriticalWithoutSubject) {
  const TestAuthority ca;
  CertificateContents contents = TestAuthority::contents_for(ca.key, "CN=x");
  contents.subject = der::sequence({});
  contents.subject_alt_names = {*general_name(*parse_identity("moon.example.org"))};
  const auto certificate = parse_x509(ca.issue(contents));
  EXPECT_EQ(extension_text(certificate.get(), NID_subject_alt_name),
            "critical, DNS:moon.example.org");
}

TEST(Issuing, ResponderNeedsNoCheckOfItself) {
  const TestAuthority ca;
  CertificateContents contents = TestAuthority::contents_for(ca.key, "CN=ocsp");
  contents.purposes = {KeyPurpose::ocsp_signing};
  const auto certificate = parse_x509(ca.issue(contents));
  EXPECT_GE(X509_get_ext_by_NID(certificate.get(), NID_id_pkix_OCSP_noCheck, -1), 0);
}

TEST(Issuing, SerialsArePositiveWhateverTheOctets) {
  for (const std::uint8_t octet : {0x00, 0x7f, 0x80, 0xff}) {
    const Bytes serial = serial_from_random(Bytes(kSerialSize, octet));
    EXPECT_EQ(serial.size(), kSerialSize);
    EXPECT_EQ(serial.front() & 0xc0, 0x40);
  }
}

TEST(Issuing, IdentitiesWithoutGeneralNameAreRefused) {
  EXPECT_FALSE(general_name(*parse_identity("keyid:moon")));
  EXPECT_FALSE(general_name(*parse_identity("%any")));
}

TEST(Issuing, BrokenRequestsAreRefused) {
  const PrivateKey key = *PrivateKey::generate(KeyKind::ed25519);
  const RequestContents contents{.subject = *encode_name("CN=moon"), .public_key = key.spki()};
  const Bytes good = *make_request(contents, key, scheme_of(key.kind()));
  ASSERT_TRUE(read_request(good));
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(read_request(ByteView(good).first(size)));
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes changed = good;
    changed[at] ^= 0x01;
    EXPECT_FALSE(read_request(changed)) << at;
  }
  EXPECT_FALSE(read_request(Bytes(65 * 1'024, 0x30)));
}

TEST(Pkcs12, OpensWithItsPasswordInBothForms) {
  const TestAuthority ca;
  const PrivateKey key = *PrivateKey::generate(KeyKind::ecdsa_p384);
  const Bytes leaf = ca.issue(TestAuthority::contents_for(key, "CN=ann"));
  const Pkcs12Contents contents{.key = key, .name = "Ann's", .chain = {leaf, ca.certificate}};
  for (const auto form : {Pkcs12Form::aes, Pkcs12Form::legacy}) {
    const auto file = make_pkcs12(contents, "sesam", form);
    ASSERT_TRUE(file);
    const auto opened = PrivateKey::load_pkcs12(file->view(), "sesam");
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->key.spki(), key.spki());
    EXPECT_EQ(opened->certificates, contents.chain);
    EXPECT_FALSE(PrivateKey::load_pkcs12(file->view(), "wrong"));
  }
  const Pkcs12Contents other{.key = ca.key, .chain = {leaf}};
  EXPECT_FALSE(make_pkcs12(other, "sesam", Pkcs12Form::aes));
  EXPECT_FALSE(make_pkcs12({.key = key, .chain = {}}, "sesam", Pkcs12Form::aes));
}

}  // namespace
}  // namespace culvert::pki
