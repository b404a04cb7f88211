// Private keys in the files that openssl and strongSwan's pki write.
#include "crypto/private_key.h"

#include <fstream>

#include "crypto/pem.h"
#include "vectors.h"

namespace culvert {
namespace {

using namespace testing;

Bytes file(const std::string& name) {
  std::ifstream in(std::string(CULVERT_VECTORS) + "/pki/keys/" + name, std::ios::binary);
  if (!in) throw std::runtime_error("missing " + name);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

struct KeyFile {
  const char* name;
  KeyKind kind;
  unsigned bits;
};
// Each kind by openssl (PKCS#8, and its traditional form) and by pki, as PEM and as DER.
const KeyFile kFiles[] = {
    {"rsa-pkcs8.pem", KeyKind::rsa, 2'048},
    {"rsa-pkcs1.pem", KeyKind::rsa, 2'048},
    {"rsa-pkcs1.der", KeyKind::rsa, 2'048},
    {"rsa-pkcs8.der", KeyKind::rsa, 2'048},
    {"p256-sec1.pem", KeyKind::ecdsa_p256, 256},
    {"p256-sec1.der", KeyKind::ecdsa_p256, 256},
    {"p384-pkcs8.pem", KeyKind::ecdsa_p384, 384},
    {"p521-pkcs8.der", KeyKind::ecdsa_p521, 521},
    {"ed25519.pem", KeyKind::ed25519, 256},
    {"ed448.pem", KeyKind::ed448, 456},
    {"pki-rsa.pem", KeyKind::rsa, 2'048},
    {"pki-ecdsa.der", KeyKind::ecdsa_p256, 256},
    {"pki-ed25519.pem", KeyKind::ed25519, 256},
    {"after-certificate.pem", KeyKind::ecdsa_p256, 256},
};

TEST(PrivateKeyTest, ReadsTheFilesOfOthers) {
  const auto provider = make_openssl_provider();
  for (const KeyFile& row : kFiles) {
    SCOPED_TRACE(row.name);
    const auto key = PrivateKey::load(file(row.name));
    ASSERT_TRUE(key) << describe(key.error());
    EXPECT_EQ(key->kind(), row.kind);
    EXPECT_EQ(key->bits(), row.bits);
    const auto scheme = choose_scheme({key->kind(), key->bits()}, kAnnouncedHashes);
    const auto signature = key->sign(*scheme, {as_bytes("x")});
    ASSERT_TRUE(signature);
    const auto public_key = provider->load_public_key(key->spki());
    ASSERT_TRUE(public_key);
    EXPECT_TRUE(provider->verify(**public_key, *scheme, {as_bytes("x")}, *signature));
  }
}

TEST(PrivateKeyTest, PasswordsAreNeededAndChecked) {
  for (const char* name : {"encrypted.pem", "encrypted.der", "encrypted-traditional.pem"}) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(PrivateKey::load(file(name), "secret"));
    EXPECT_EQ(PrivateKey::load(file(name)).error(), KeyFileProblem::password_needed);
    EXPECT_EQ(PrivateKey::load(file(name), "wrong").error(), KeyFileProblem::wrong_password);
    EXPECT_EQ(PrivateKey::load(file(name), std::string(5'000, 'x')).error(),
              KeyFileProblem::wrong_password);
  }
}

TEST(PrivateKeyTest, Pkcs12BringsItsCertificates) {
  const auto opened = PrivateKey::load_pkcs12(file("chain.p12"), "secret");
  ASSERT_TRUE(opened) << describe(opened.error());
  EXPECT_EQ(opened->key.kind(), KeyKind::ecdsa_p256);
  ASSERT_EQ(opened->certificates.size(), 2u);
  // The first is the key's own: it holds the public key.
  const ByteView spki = opened->key.spki();
  EXPECT_TRUE(as_text(opened->certificates[0]).contains(as_text(spki)));
  EXPECT_FALSE(as_text(opened->certificates[1]).contains(as_text(spki)));
  EXPECT_EQ(PrivateKey::load_pkcs12(file("chain.p12"), "wrong").error(),
            KeyFileProblem::wrong_password);
  EXPECT_EQ(PrivateKey::load_pkcs12(file("chain.p12")).error(), KeyFileProblem::password_needed);
  EXPECT_EQ(PrivateKey::load_pkcs12(file("ed25519.pem")).error(), KeyFileProblem::malformed);
}

TEST(PrivateKeyTest, RefusesWhatIsNoKeyOfOurs) {
  EXPECT_EQ(PrivateKey::load({}).error(), KeyFileProblem::malformed);
  EXPECT_EQ(PrivateKey::load(as_bytes("hello")).error(), KeyFileProblem::malformed);
  EXPECT_EQ(PrivateKey::load(file("public.pem")).error(), KeyFileProblem::no_key);
  EXPECT_EQ(PrivateKey::load(file("rsa-512.pem")).error(), KeyFileProblem::unsupported);
  EXPECT_EQ(PrivateKey::load(file("secp256k1.pem")).error(), KeyFileProblem::unsupported);
  EXPECT_EQ(PrivateKey::load(file("dsa.pem")).error(), KeyFileProblem::unsupported);
  const Bytes whole = file("p256-sec1.der");
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(PrivateKey::load(ByteView(whole).first(size))) << size;
}

TEST(PrivateKeyTest, WhatIsWrittenIsReadAgain) {
  for (const KeyKind kind : {KeyKind::rsa, KeyKind::ecdsa_p521, KeyKind::ed448}) {
    const auto key = PrivateKey::generate(kind, 2'048);
    ASSERT_TRUE(key);
    EXPECT_EQ(PrivateKey::load(key->to_pem()->view())->spki(), key->spki());
    EXPECT_EQ(PrivateKey::load(key->to_pkcs8()->view())->spki(), key->spki());
    const auto encrypted = key->to_pem("secret");
    ASSERT_TRUE(encrypted);
    EXPECT_TRUE(as_text(encrypted->view()).contains("BEGIN ENCRYPTED PRIVATE KEY"));
    EXPECT_EQ(PrivateKey::load(encrypted->view(), "secret")->spki(), key->spki());
    EXPECT_EQ(PrivateKey::load(encrypted->view()).error(), KeyFileProblem::password_needed);
    EXPECT_EQ(PrivateKey::load(key->to_pkcs8("secret")->view(), "secret")->spki(), key->spki());
  }
  EXPECT_FALSE(PrivateKey::generate(KeyKind::rsa, 1'024));
}

TEST(PemTest, BlocksWithTextAround) {
  const Bytes der = counting(100);
  const std::string text = "Certificate:\n  x\n" + write_pem("CERTIFICATE", der) +
                           "between -----\n" + write_pem("PRIVATE KEY", der) + "\r\n" +
                           write_pem("X509 CRL", Bytes{1}) + "after";
  const auto blocks = read_pem(text);
  ASSERT_TRUE(blocks);
  ASSERT_EQ(blocks->size(), 2u);
  EXPECT_EQ((*blocks)[0].label, "CERTIFICATE");
  EXPECT_EQ((*blocks)[0].der, der);
  EXPECT_EQ((*blocks)[1].label, "X509 CRL");
  EXPECT_EQ((*blocks)[1].der, Bytes{1});
  EXPECT_TRUE(is_pem(as_bytes(text)));
  EXPECT_FALSE(is_pem(der));
}

TEST(PemTest, SaysWhereAFileIsBroken) {
  const std::string good = write_pem("CERTIFICATE", Bytes{1, 2, 3});
  for (const char* bad :
       {"-----BEGIN CERTIFICATE-----\nAQID\n",
        "-----BEGIN CERTIFICATE-----\nAQI\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nA=ID\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nA*ID\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nAQID\n-----END X509 CRL-----", "-----BEGIN CERTIFICATE",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"}) {
    const auto blocks = read_pem(good + bad);
    ASSERT_FALSE(blocks) << bad;
    EXPECT_EQ(blocks.error().offset, good.size()) << bad;
  }
}

}  // namespace
}  // namespace culvert
