// The key schedule against NIST's vectors, and prf+ at its limits.
#include "crypto/ikev2_keys.h"

#include "vectors.h"

namespace culvert {
namespace {

using namespace testing;

// NIST's names for the values of one derivation.
struct Kdf {
  Prf prf;
  CipherSpec cipher;  // chosen so that it consumes as much of DKM as there is
  Bytes ni, nr, gir, gir_new, spis, skeyseed, dkm, dkm_child, dkm_child_dh, skeyseed_rekey;
};

std::vector<Kdf> load_kdfs() {
  std::vector<Kdf> kdfs;
  const CipherSpec cbc256{Encr::aes_cbc, 256, Integ::hmac_sha2_256_128};
  for (const auto& v : load_vectors("nist/ikev2-kdf.json", "tests"))
    kdfs.push_back({v["hash"] == "SHA256" ? Prf::hmac_sha2_256 : Prf::hmac_sha2_512, cbc256,
                    octets(v, "ni"), octets(v, "nr"), octets(v, "gir"), octets(v, "girNew"),
                    joined({octets(v, "spii"), octets(v, "spir")}), octets(v, "skeyseed"),
                    octets(v, "dkm"), octets(v, "dkmChild"), octets(v, "dkmChildDh"),
                    octets(v, "skeyseedRekey")});
  const auto v = load_vectors("nist/cavp-samples.json", "sets")["ikev2"]["fields"];
  kdfs.push_back({Prf::hmac_sha1,
                  {Encr::aes_gcm_16, 256},
                  octets(v, "Ni"),
                  octets(v, "Nr"),
                  octets(v, "g^ir"),
                  octets(v, "g^ir (new)"),
                  joined({octets(v, "SPIi"), octets(v, "SPIr")}),
                  octets(v, "SKEYSEED"),
                  octets(v, "DKM"),
                  octets(v, "DKM(Child SA)"),
                  octets(v, "DKM(Child SA D-H)"),
                  octets(v, "SKEYSEED(Rekey)")});
  return kdfs;
}

class Ikev2KeysTest : public ::testing::Test {
 protected:
  Bytes expand(Prf prf, ByteView key, std::initializer_list<ByteView> seed, std::size_t size) {
    Bytes out(size);
    EXPECT_TRUE(prf_plus(*provider_, prf, key, seed, out));
    return out;
  }
  static IkeKeyInputs inputs(const Kdf& kdf, ByteView shared_secret) {
    return {kdf.prf,
            kdf.cipher,
            kdf.ni,
            kdf.nr,
            shared_secret,
            load_be<std::uint64_t>(kdf.spis.data()),
            load_be<std::uint64_t>(kdf.spis.data() + 8)};
  }
  static Bytes all(const IkeKeys& k) {
    return joined({k.sk_d.view(), k.sk_ai.view(), k.sk_ar.view(), k.sk_ei.view(), k.sk_er.view(),
                   k.sk_pi.view(), k.sk_pr.view()});
  }
  static Bytes all(const ChildKeys& k) {
    return joined(
        {k.encryption_i.view(), k.integrity_i.view(), k.encryption_r.view(), k.integrity_r.view()});
  }
  static void expect_prefix(const Bytes& got, const Bytes& of) {
    ASSERT_LE(got.size(), of.size());
    EXPECT_EQ(got, copy(ByteView(of).first(got.size())));
  }
  std::unique_ptr<Provider> provider_ = make_openssl_provider();
};

TEST_F(Ikev2KeysTest, Nist) {
  const auto kdfs = load_kdfs();
  ASSERT_EQ(kdfs.size(), 4u);
  int rekeys = 0, children = 0, children_with_dh = 0;
  for (const Kdf& kdf : kdfs) {
    SCOPED_TRACE(name_of(kdf.prf));
    EXPECT_EQ(expand(kdf.prf, kdf.skeyseed, {kdf.ni, kdf.nr, kdf.spis}, kdf.dkm.size()), kdf.dkm);
    const auto keys = derive_ike_keys(*provider_, inputs(kdf, kdf.gir));
    ASSERT_TRUE(keys);
    expect_prefix(all(*keys), kdf.dkm);

    ChildKeyInputs child{kdf.prf, kdf.cipher, keys->sk_d.view(), kdf.ni, kdf.nr, {}};
    if (!kdf.dkm_child.empty()) {
      expect_prefix(all(*derive_child_keys(*provider_, child)), kdf.dkm_child);
      ++children;
    }
    if (!kdf.dkm_child_dh.empty()) {
      child.shared_secret = kdf.gir_new;
      expect_prefix(all(*derive_child_keys(*provider_, child)), kdf.dkm_child_dh);
      ++children_with_dh;
    }
    if (!kdf.skeyseed_rekey.empty()) {
      const auto rekeyed =
          derive_rekeyed_ike_keys(*provider_, inputs(kdf, kdf.gir_new), kdf.prf, keys->sk_d.view());
      ASSERT_TRUE(rekeyed);
      const Bytes got = all(*rekeyed);
      EXPECT_EQ(got, expand(kdf.prf, kdf.skeyseed_rekey, {kdf.ni, kdf.nr, kdf.spis}, got.size()));
      ++rekeys;
    }
  }
  EXPECT_EQ(children, 3);
  EXPECT_EQ(children_with_dh, 2);
  EXPECT_EQ(rekeys, 3);
}

TEST_F(Ikev2KeysTest, KeysHaveTheSizesOfTheirAlgorithms) {
  const Bytes nonce = counting(32), secret = counting(32, 9);
  const auto keys = derive_ike_keys(
      *provider_, {Prf::hmac_sha2_384, {Encr::aes_gcm_16, 256}, nonce, nonce, secret, 1, 2});
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->sk_d.size(), 48u);
  EXPECT_EQ(keys->sk_ai.size(), 0u);
  EXPECT_EQ(keys->sk_ei.size(), 36u);
  EXPECT_EQ(keys->sk_pr.size(), 48u);
  const auto ah = derive_child_keys(*provider_, {Prf::hmac_sha2_384,
                                                 {Encr::none, 0, Integ::hmac_sha2_512_256},
                                                 keys->sk_d.view(),
                                                 nonce,
                                                 nonce,
                                                 {}});
  ASSERT_TRUE(ah);
  EXPECT_EQ(ah->encryption_i.size(), 0u);
  EXPECT_EQ(ah->integrity_r.size(), 64u);
}

// RFC 7296, 2.14: of long nonces, a PRF with a fixed key takes the first 8 octets each as its key,
// and the whole of them in prf+.
TEST_F(Ikev2KeysTest, FixedKeyPrfsTruncateTheNoncesOfSkeyseedOnly) {
  for (Prf prf : {Prf::aes128_xcbc, Prf::aes128_cmac}) {
    const Bytes ni = counting(32), nr = counting(20, 100), secret = counting(32, 9);
    const CipherSpec cipher{Encr::aes_cbc, 128, Integ::aes_xcbc_96};
    const auto keys = derive_ike_keys(*provider_, {prf, cipher, ni, nr, secret, 1, 2});
    ASSERT_TRUE(keys);
    Bytes skeyseed(16);
    const Bytes key = joined({ByteView(ni).first(8), ByteView(nr).first(8)});
    ASSERT_TRUE(provider_->prf(prf, key, {secret}, skeyseed));
    const Bytes spis = from_hex("00000000000000010000000000000002"), got = all(*keys);
    EXPECT_EQ(got, expand(prf, skeyseed, {ni, nr, spis}, got.size())) << name_of(prf);
  }
}

TEST_F(Ikev2KeysTest, RekeyUsesTheOldPrfForSkeyseedAndTheNewOneAfter) {
  const Bytes ni = counting(32), nr = counting(32, 50), secret = counting(32, 9);
  const Bytes old_sk_d = counting(20, 7);
  const CipherSpec cipher{Encr::aes_gcm_16, 128};
  const auto keys = derive_rekeyed_ike_keys(
      *provider_, {Prf::hmac_sha2_256, cipher, ni, nr, secret, 3, 4}, Prf::hmac_sha1, old_sk_d);
  ASSERT_TRUE(keys);
  Bytes skeyseed(20);
  ASSERT_TRUE(provider_->prf(Prf::hmac_sha1, old_sk_d, {secret, ni, nr}, skeyseed));
  const Bytes spis = from_hex("00000000000000030000000000000004"), got = all(*keys);
  EXPECT_EQ(got, expand(Prf::hmac_sha2_256, skeyseed, {ni, nr, spis}, got.size()));
}

TEST_F(Ikev2KeysTest, PrfPlusGoesTo255BlocksAndNoFurther) {
  const Bytes key = counting(32), seed = counting(48);
  const Bytes most = expand(Prf::hmac_sha2_256, key, {seed}, 255 * 32);
  // Block n is prf(K, block n-1 | S | n): checked for the last one, by hand.
  Bytes last(32);
  const std::uint8_t counter = 255;
  ASSERT_TRUE(provider_->prf(Prf::hmac_sha2_256, key,
                             {ByteView(most).subspan(253 * 32, 32), seed, ByteView(&counter, 1)},
                             last));
  EXPECT_EQ(copy(ByteView(most).last(32)), last);
  EXPECT_EQ(expand(Prf::hmac_sha2_256, key, {seed}, 45), copy(ByteView(most).first(45)));
  Bytes too_much(255 * 32 + 1);
  EXPECT_EQ(prf_plus(*provider_, Prf::hmac_sha2_256, key, {seed}, too_much).error().reason,
            Reason::invalid_argument);
  EXPECT_TRUE(prf_plus(*provider_, Prf::hmac_sha2_256, key, {seed}, {}));
}

TEST_F(Ikev2KeysTest, PskAuthIsNestedAsRfc7296Says) {
  const Bytes secret = counting(10), message = counting(200), nonce = counting(32, 3),
              sk_p = counting(32, 4), id = counting(12, 5);
  Bytes auth(32), padded(32), id_mac(32), want(32);
  ASSERT_TRUE(psk_auth(*provider_, Prf::hmac_sha2_256, secret, message, nonce, sk_p, id, auth));
  ASSERT_TRUE(provider_->prf(Prf::hmac_sha2_256, secret, {as_bytes("Key Pad for IKEv2")}, padded));
  ASSERT_TRUE(provider_->prf(Prf::hmac_sha2_256, sk_p, {id}, id_mac));
  ASSERT_TRUE(provider_->prf(Prf::hmac_sha2_256, padded, {message, nonce, id_mac}, want));
  EXPECT_EQ(auth, want);
  Bytes short_auth(31);
  EXPECT_FALSE(
      psk_auth(*provider_, Prf::hmac_sha2_256, secret, message, nonce, sk_p, id, short_auth));
}

TEST_F(Ikev2KeysTest, UnknownAlgorithmsAreRefused) {
  const Bytes bytes = counting(32);
  Bytes out(16);
  const CipherSpec good{Encr::aes_gcm_16, 128}, bad{Encr::aes_cbc, 128, Integ::none};
  const auto reason = [](const auto& result) { return result.error().reason; };
  EXPECT_EQ(reason(derive_ike_keys(*provider_, {Prf::none, good, bytes, bytes, bytes, 1, 2})),
            Reason::unsupported);
  EXPECT_EQ(
      reason(derive_ike_keys(*provider_, {Prf::hmac_sha2_256, bad, bytes, bytes, bytes, 1, 2})),
      Reason::unsupported);
  EXPECT_EQ(
      reason(derive_rekeyed_ike_keys(
          *provider_, {Prf::hmac_sha2_256, good, bytes, bytes, bytes, 1, 2}, Prf::none, bytes)),
      Reason::unsupported);
  EXPECT_EQ(
      reason(derive_child_keys(*provider_, {Prf::hmac_sha2_256, bad, bytes, bytes, bytes, {}})),
      Reason::unsupported);
  EXPECT_EQ(reason(psk_auth(*provider_, Prf::none, bytes, bytes, bytes, bytes, bytes, out)),
            Reason::unsupported);
  EXPECT_EQ(reason(prf_plus(*provider_, Prf::none, bytes, {bytes}, out)), Reason::unsupported);
}

}  // namespace
}  // namespace culvert
