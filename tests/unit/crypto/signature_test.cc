// Signature schemes, public keys and verification: the RFCs' blobs, Wycheproof, and our own keys.
#include "crypto/signature.h"

#include "base/der.h"
#include "crypto/private_key.h"
#include "vectors.h"

namespace culvert {
namespace {

using namespace testing;

constexpr SignatureScheme kRsaSha1{SignatureKind::rsa_pkcs1, Hash::sha1};
constexpr SignatureScheme kRsaSha256{SignatureKind::rsa_pkcs1, Hash::sha2_256};
constexpr SignatureScheme kEcdsaSha256{SignatureKind::ecdsa, Hash::sha2_256};
constexpr SignatureScheme kEcdsaSha384{SignatureKind::ecdsa, Hash::sha2_384};

struct Blob {
  const char* hex;
  SignatureScheme scheme;
};
// RFC 7427, appendix A; RFC 8420, appendix A.
const Blob kBlobs[] = {
    {"300d06092a864886f70d0101050500", kRsaSha1},
    {"300d06092a864886f70d01010b0500", kRsaSha256},
    {"300d06092a864886f70d01010c0500", {SignatureKind::rsa_pkcs1, Hash::sha2_384}},
    {"300d06092a864886f70d01010d0500", {SignatureKind::rsa_pkcs1, Hash::sha2_512}},
    {"300906072a8648ce3d0401", {SignatureKind::ecdsa, Hash::sha1}},
    {"300a06082a8648ce3d040302", kEcdsaSha256},
    {"300a06082a8648ce3d040303", kEcdsaSha384},
    {"300a06082a8648ce3d040304", {SignatureKind::ecdsa, Hash::sha2_512}},
    {"300506032b6570", {SignatureKind::ed25519, {}}},
    {"300506032b6571", {SignatureKind::ed448, {}}},
};
// With the trailer field spelt out, as RFC 7427, A.4.3 has it.
constexpr char kPss256[] =
    "304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06092a864886f70d010108"
    "300d06096086480165030402010500a203020120a303020101";

TEST(SchemeTest, BlobsOfTheRfcs) {
  for (const Blob& blob : kBlobs) {
    SCOPED_TRACE(blob.hex);
    const auto decoded = decode_scheme(from_hex(blob.hex));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, blob.scheme);
    EXPECT_EQ(encode_scheme(blob.scheme), from_hex(blob.hex));
  }
}

TEST(SchemeTest, PssParameters) {
  EXPECT_EQ(decode_scheme(from_hex(kPss256)), rsa_pss(Hash::sha2_256));
  // RFC 7427, A.4.1 and A.4.2: empty parameters, and the default ones spelt out.
  const SignatureScheme by_default{SignatureKind::rsa_pss, Hash::sha1, 20};
  EXPECT_EQ(decode_scheme(from_hex("300d06092a864886f70d01010a3000")), by_default);
  EXPECT_EQ(
      decode_scheme(from_hex("303e06092a864886f70d01010a3031a00b300906052b0e03021a0500a1183016"
                             "06092a864886f70d010108300906052b0e03021a0500a203020114a30302010"
                             "1")),
      by_default);
  for (const Hash hash : {Hash::sha2_256, Hash::sha2_384, Hash::sha2_512})
    EXPECT_EQ(decode_scheme(encode_scheme(rsa_pss(hash))), rsa_pss(hash));
  const SignatureScheme long_salt{SignatureKind::rsa_pss, Hash::sha2_256, 222};
  EXPECT_EQ(decode_scheme(encode_scheme(long_salt)), long_salt);
  const Bytes blob = from_hex(kPss256);
  const auto patched = [&blob](std::size_t at, std::uint8_t value) {
    Bytes copy = blob;
    copy[at] = value;
    return copy;
  };
  EXPECT_FALSE(decode_scheme(patched(blob.size() - 1, 2))) << "another trailer";
  EXPECT_FALSE(decode_scheme(patched(blob.size() - 6, 0x80))) << "a negative salt";
  EXPECT_FALSE(decode_scheme(patched(31, 2))) << "MGF1 with another hash";
  EXPECT_FALSE(decode_scheme(from_hex("300b06092a864886f70d01010a"))) << "no parameters";
}

TEST(SchemeTest, RefusesWhatNamesNoSchemeOfOurs) {
  const char* const bad[] = {
      "",
      "3000",
      "300d06092a864886f70d0101040500",      // md5WithRSA
      "300d06092a864886f70d01010e0500",      // SHA-224
      "300906072a8648ce380403",              // DSA
      "300d06092a864886f70d01010b0501",      // NULL with a length
      "300d06092a864886f70d01010b3000",      // parameters of another type
      "300c06082a8648ce3d0403020500",        // ECDSA with NULL
      "300706032b65700500",                  // Ed25519 with NULL
      "300d06092a864886f70d01010b050000",    // something after it
      "300f06092a864886f70d01010b05000500",  // two parameters
      "30800609",
  };
  for (const char* hex : bad) EXPECT_FALSE(decode_scheme(from_hex(hex))) << hex;
  const Bytes blob = from_hex(kPss256);
  for (std::size_t size = 0; size < blob.size(); ++size)
    EXPECT_FALSE(decode_scheme(ByteView(blob).first(size))) << size;
}

TEST(SchemeTest, ChoiceFollowsTheKeyAndThePeer) {
  using enum SignatureHash;
  const SignatureHash all[] = {sha1, sha2_256, sha2_384, sha2_512, identity};
  const SignatureHash only_512[] = {sha2_512}, only_sha1[] = {sha1};
  EXPECT_EQ(choose_scheme({KeyKind::rsa, 3'072}, all), kRsaSha256);
  EXPECT_EQ(choose_scheme({KeyKind::rsa, 4'096}, all)->hash, Hash::sha2_384);
  EXPECT_EQ(choose_scheme({KeyKind::rsa, 8'192}, all)->hash, Hash::sha2_512);
  EXPECT_EQ(choose_scheme({KeyKind::rsa, 2'048, true}, all), rsa_pss(Hash::sha2_256));
  EXPECT_EQ(choose_scheme({KeyKind::ecdsa_p384, 384}, all), kEcdsaSha384);
  EXPECT_EQ(choose_scheme({KeyKind::ecdsa_p256, 256}, only_512)->hash, Hash::sha2_512);
  EXPECT_EQ(choose_scheme({KeyKind::rsa, 2'048}, only_sha1), std::nullopt);
  EXPECT_EQ(choose_scheme({KeyKind::ed448, 456}, all)->kind, SignatureKind::ed448);
  EXPECT_EQ(choose_scheme({KeyKind::ed25519, 256}, only_512), std::nullopt);
  EXPECT_EQ(signature_hash(kRsaSha1), sha1);
  EXPECT_EQ(signature_hash(rsa_pss(Hash::sha2_512)), sha2_512);
}

class VerifyTest : public ::testing::Test {
 protected:
  int check_wycheproof(const char* file, const SignatureScheme& scheme) {
    const auto keys = load_vectors(file, "keys");
    int invalid = 0;
    for (const auto& v : load_vectors(file, "tests")) {
      SCOPED_TRACE(file + std::string(" ") + v["comment"].get<std::string>());
      const auto key = provider_->load_public_key(
          from_hex(keys[v["key"].get<std::size_t>()].get<std::string>()));
      if (!key) {
        ADD_FAILURE() << "key refused";
        continue;
      }
      const Bytes message = octets(v, "msg");
      const std::size_t cut = message.size() / 2;
      const auto result = provider_->verify(
          **key, scheme, {ByteView(message).first(cut), ByteView(message).subspan(cut)},
          octets(v, "sig"));
      if (v["result"] != "acceptable") {
        EXPECT_EQ(result.has_value(), v["result"] == "valid");
      }
      if (v["result"] == "invalid") ++invalid;
      const bool told = result || result.error().reason == Reason::bad_integrity;
      EXPECT_TRUE(told);
    }
    return invalid;
  }
  std::unique_ptr<Provider> provider_ = make_openssl_provider();
};

TEST_F(VerifyTest, Wycheproof) {
  EXPECT_GE(check_wycheproof("wycheproof/rsa_signature_2048_sha256_test.json", kRsaSha256), 30);
  EXPECT_GE(check_wycheproof("wycheproof/rsa_signature_3072_sha384_test.json",
                             {SignatureKind::rsa_pkcs1, Hash::sha2_384}),
            30);
  EXPECT_GE(
      check_wycheproof("wycheproof/rsa_pss_2048_sha256_mgf1_32_test.json", rsa_pss(Hash::sha2_256)),
      7);
  EXPECT_GE(check_wycheproof("wycheproof/ecdsa_secp256r1_sha256_test.json", kEcdsaSha256), 20);
  EXPECT_GE(check_wycheproof("wycheproof/ecdsa_secp384r1_sha384_test.json", kEcdsaSha384), 20);
  EXPECT_GE(check_wycheproof("wycheproof/ed25519_test.json", {SignatureKind::ed25519, {}}), 10);
  EXPECT_GE(check_wycheproof("wycheproof/ed448_test.json", {SignatureKind::ed448, {}}), 5);
}

struct Case {
  KeyKind kind;
  SignatureScheme scheme;
};
class RoundTripTest : public VerifyTest, public ::testing::WithParamInterface<Case> {};

TEST_P(RoundTripTest, SignedByUsVerifiesAndNothingElseDoes) {
  const auto [kind, scheme] = GetParam();
  const auto key = PrivateKey::generate(kind, 2'048);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->kind(), kind);
  const auto signature = key->sign(scheme, {as_bytes("one"), as_bytes("two")});
  ASSERT_TRUE(signature);
  const auto public_key = provider_->load_public_key(key->spki());
  ASSERT_TRUE(public_key);
  EXPECT_EQ((*public_key)->kind(), kind);
  EXPECT_EQ((*public_key)->bits(), key->bits());
  EXPECT_TRUE(equal((*public_key)->spki(), key->spki()));
  EXPECT_TRUE(
      provider_->verify(**public_key, scheme, {as_bytes("onet"), as_bytes("wo")}, *signature));
  EXPECT_FALSE(provider_->verify(**public_key, scheme, {as_bytes("onetw0")}, *signature));
  for (std::size_t at : {std::size_t{0}, signature->size() / 2, signature->size() - 1}) {
    Bytes broken = *signature;
    broken[at] ^= 1;
    EXPECT_FALSE(provider_->verify(**public_key, scheme, {as_bytes("onetwo")}, broken));
  }
  Bytes longer = *signature;
  longer.push_back(0);
  EXPECT_FALSE(provider_->verify(**public_key, scheme, {as_bytes("onetwo")}, longer));
  EXPECT_FALSE(provider_->verify(**public_key, scheme, {as_bytes("onetwo")}, {}));
  // With every other scheme, suitable or not.
  for (const Blob& blob : kBlobs) {
    const auto other =
        provider_->verify(**public_key, blob.scheme, {as_bytes("onetwo")}, *signature);
    EXPECT_EQ(other.has_value(), blob.scheme == scheme);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, RoundTripTest,
    ::testing::Values(Case{KeyKind::rsa, kRsaSha1}, Case{KeyKind::rsa, kRsaSha256},
                      Case{KeyKind::rsa, rsa_pss(Hash::sha2_384)},
                      Case{KeyKind::ecdsa_p256, kEcdsaSha256},
                      Case{KeyKind::ecdsa_p256, {SignatureKind::ecdsa_raw, Hash::sha2_256}},
                      Case{KeyKind::ecdsa_p384, kEcdsaSha384},
                      Case{KeyKind::ecdsa_p384, {SignatureKind::ecdsa_raw, Hash::sha2_384}},
                      Case{KeyKind::ecdsa_p521, {SignatureKind::ecdsa, Hash::sha2_512}},
                      Case{KeyKind::ecdsa_p521, {SignatureKind::ecdsa_raw, Hash::sha2_512}},
                      Case{KeyKind::ed25519, {SignatureKind::ed25519, {}}},
                      Case{KeyKind::ed448, {SignatureKind::ed448, {}}}));

// A SubjectPublicKeyInfo of RSA with this modulus and exponent.
Bytes rsa_spki(ByteView modulus, ByteView exponent) {
  const Bytes algorithm = from_hex("300d06092a864886f70d0101010500");
  const Bytes key = der::element(der::kSequence, {der::element(der::kInteger, {modulus}),
                                                  der::element(der::kInteger, {exponent})});
  const Bytes zero{0};
  return der::element(der::kSequence, {algorithm, der::element(der::kBitString, {zero, key})});
}
Bytes modulus(std::size_t bits) {
  Bytes value(bits / 8 + 1, 0x5b);
  value[0] = 0;
  value[1] = 0x80;
  return value;
}

TEST_F(VerifyTest, RsaKeysHaveBounds) {
  const Bytes f4{1, 0, 1};
  for (const std::size_t bits : {1'024, 2'048, 16'384})
    EXPECT_TRUE(provider_->load_public_key(rsa_spki(modulus(bits), f4))) << bits;
  for (const std::size_t bits : {64, 512, 1'016, 16'392, 65'536})
    EXPECT_FALSE(provider_->load_public_key(rsa_spki(modulus(bits), f4))) << bits;
  EXPECT_TRUE((*provider_->load_public_key(rsa_spki(modulus(1'536), f4)))->is_weak());
  EXPECT_FALSE((*provider_->load_public_key(rsa_spki(modulus(2'048), f4)))->is_weak());
  for (const Bytes& exponent :
       {Bytes{0}, Bytes{1}, Bytes{2}, Bytes{4}, Bytes{0xff}, Bytes{0, 3}, Bytes{}, Bytes(9, 0x7f)})
    EXPECT_FALSE(provider_->load_public_key(rsa_spki(modulus(2'048), exponent)));
  EXPECT_TRUE(provider_->load_public_key(rsa_spki(modulus(2'048), Bytes{3})));
  Bytes even = modulus(2'048);
  even.back() = 0x5a;
  EXPECT_FALSE(provider_->load_public_key(rsa_spki(even, f4)));
}

TEST_F(VerifyTest, PointsLieOnTheirCurve) {
  for (const KeyKind kind : {KeyKind::ecdsa_p256, KeyKind::ecdsa_p384, KeyKind::ecdsa_p521}) {
    const auto key = PrivateKey::generate(kind);
    ASSERT_TRUE(key);
    Bytes spki = key->spki();
    EXPECT_TRUE(provider_->load_public_key(spki));
    spki.back() ^= 1;
    const auto off = provider_->load_public_key(spki);
    ASSERT_FALSE(off);
    EXPECT_EQ(off.error().reason, Reason::bad_public_value);
    for (std::size_t size = 0; size < spki.size(); ++size)
      EXPECT_FALSE(provider_->load_public_key(ByteView(spki).first(size)));
  }
}

// `openssl x509` prints the same as subject key identifier.
TEST_F(VerifyTest, KeyIdentifiers) {
  const Bytes spki = from_hex(
      "302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
  const auto key = provider_->load_public_key(spki);
  ASSERT_TRUE(key);
  Bytes want(20);
  ASSERT_TRUE(provider_->hash(Hash::sha1, {ByteView(spki).subspan(12)}, want));
  EXPECT_TRUE(equal((*key)->key_id(), want));
  ASSERT_TRUE(provider_->hash(Hash::sha1, {spki}, want));
  EXPECT_TRUE(equal((*key)->spki_hash(), want));
}

}  // namespace
}  // namespace culvert
