// The tables: sizes against the RFCs, names against IANA's registry, unknown numbers unharmed.
#include "crypto/transforms.h"

#include <gtest/gtest.h>

namespace culvert {
namespace {

struct SizeCase {
  CipherSpec spec;
  int key, salt, integ_key, iv, icv, block;
};

TEST(Transforms, SizesAreThoseOfTheRfcs) {
  const SizeCase cases[] = {
      {{Encr::aes_cbc, 128, Integ::hmac_sha1_96}, 16, 0, 20, 16, 12, 16},
      {{Encr::aes_cbc, 256, Integ::hmac_sha2_256_128}, 32, 0, 32, 16, 16, 16},
      {{Encr::aes_cbc, 192, Integ::hmac_sha2_384_192}, 24, 0, 48, 16, 24, 16},
      {{Encr::aes_ctr, 128, Integ::hmac_sha2_512_256}, 20, 4, 64, 8, 32, 1},
      {{Encr::aes_ctr, 256, Integ::aes_xcbc_96}, 36, 4, 16, 8, 12, 1},
      {{Encr::triple_des, 0, Integ::hmac_md5_96}, 24, 0, 16, 8, 12, 8},
      {{Encr::triple_des, 192, Integ::hmac_md5_96}, 24, 0, 16, 8, 12, 8},
      {{Encr::null, 0, Integ::aes_cmac_96}, 0, 0, 16, 0, 12, 1},
      {{Encr::none, 0, Integ::hmac_sha2_256_128}, 0, 0, 32, 0, 16, 1},
      {{Encr::aes_gcm_8, 128}, 20, 4, 0, 8, 8, 1},
      {{Encr::aes_gcm_12, 192}, 28, 4, 0, 8, 12, 1},
      {{Encr::aes_gcm_16, 256}, 36, 4, 0, 8, 16, 1},
      {{Encr::aes_ccm_8, 128}, 19, 3, 0, 8, 8, 1},
      {{Encr::aes_ccm_12, 192}, 27, 3, 0, 8, 12, 1},
      {{Encr::aes_ccm_16, 256}, 35, 3, 0, 8, 16, 1},
      {{Encr::chacha20_poly1305, 0}, 36, 4, 0, 8, 16, 1},
      {{Encr::chacha20_poly1305, 256}, 36, 4, 0, 8, 16, 1},
  };
  for (const SizeCase& c : cases) {
    SCOPED_TRACE(name_of(c.spec.encr));
    const auto sizes = sizes_of(c.spec);
    ASSERT_TRUE(sizes);
    EXPECT_EQ(sizes->key, c.key);
    EXPECT_EQ(sizes->salt, c.salt);
    EXPECT_EQ(sizes->integ_key, c.integ_key);
    EXPECT_EQ(sizes->iv, c.iv);
    EXPECT_EQ(sizes->icv, c.icv);
    EXPECT_EQ(sizes->block, c.block);
  }
}

TEST(Transforms, NothingWithoutIntegrityHasSizes) {
  EXPECT_FALSE(sizes_of({Encr::aes_cbc, 128, Integ::none}));
  EXPECT_FALSE(sizes_of({Encr::aes_ctr, 128, Integ::none}));
  EXPECT_FALSE(sizes_of({Encr::triple_des, 0, Integ::none}));
  EXPECT_FALSE(sizes_of({Encr::null, 0, Integ::none}));
  EXPECT_FALSE(sizes_of({Encr::none, 0, Integ::none}));
}

TEST(Transforms, WrongCombinationsHaveNoSizes) {
  EXPECT_FALSE(sizes_of({Encr::aes_gcm_16, 128, Integ::hmac_sha2_256_128}));
  EXPECT_FALSE(sizes_of({Encr::aes_gcm_16, 0}));
  EXPECT_FALSE(sizes_of({Encr::aes_gcm_16, 512}));
  EXPECT_FALSE(sizes_of({Encr::aes_cbc, 129, Integ::hmac_sha1_96}));
  EXPECT_FALSE(sizes_of({Encr::chacha20_poly1305, 128}));
  EXPECT_FALSE(sizes_of({Encr::null, 128, Integ::hmac_sha1_96}));
  EXPECT_FALSE(sizes_of({Encr::des, 0, Integ::hmac_sha1_96}));
  EXPECT_FALSE(sizes_of({Encr::aes_cbc, 128, static_cast<Integ>(9)}));
  EXPECT_FALSE(sizes_of({static_cast<Encr>(1024), 128}));
}

TEST(Transforms, CombinedModes) {
  for (Encr encr :
       {Encr::aes_ccm_8, Encr::aes_ccm_12, Encr::aes_ccm_16, Encr::aes_gcm_8, Encr::aes_gcm_12,
        Encr::aes_gcm_16, Encr::chacha20_poly1305, Encr::null_auth_aes_gmac})
    EXPECT_TRUE(is_aead(encr)) << name_of(encr);
  for (Encr encr : {Encr::none, Encr::null, Encr::aes_cbc, Encr::aes_ctr, Encr::triple_des,
                    static_cast<Encr>(65535)})
    EXPECT_FALSE(is_aead(encr)) << name_of(encr);
}

TEST(Transforms, PrfSizes) {
  EXPECT_EQ(prf_size(Prf::hmac_md5), 16u);
  EXPECT_EQ(prf_size(Prf::hmac_sha1), 20u);
  EXPECT_EQ(prf_size(Prf::aes128_xcbc), 16u);
  EXPECT_EQ(prf_size(Prf::hmac_sha2_256), 32u);
  EXPECT_EQ(prf_size(Prf::hmac_sha2_384), 48u);
  EXPECT_EQ(prf_size(Prf::hmac_sha2_512), 64u);
  EXPECT_EQ(prf_size(Prf::aes128_cmac), 16u);
  EXPECT_FALSE(prf_size(Prf::none));
  EXPECT_FALSE(prf_size(static_cast<Prf>(3)));
  EXPECT_TRUE(prf_has_fixed_key(Prf::aes128_xcbc));
  EXPECT_TRUE(prf_has_fixed_key(Prf::aes128_cmac));
  EXPECT_FALSE(prf_has_fixed_key(Prf::hmac_sha2_256));
}

TEST(Transforms, PublicValueSizes) {
  EXPECT_EQ(public_value_size(Ke::modp2048), 256u);
  EXPECT_EQ(public_value_size(Ke::modp8192), 1024u);
  EXPECT_EQ(public_value_size(Ke::ecp256), 64u);
  EXPECT_EQ(public_value_size(Ke::ecp384), 96u);
  EXPECT_EQ(public_value_size(Ke::ecp521), 132u);
  EXPECT_EQ(public_value_size(Ke::x25519), 32u);
  EXPECT_EQ(public_value_size(Ke::x448), 56u);
  EXPECT_FALSE(public_value_size(Ke::none));
  EXPECT_FALSE(public_value_size(static_cast<Ke>(1000)));
}

TEST(Transforms, NamesAndUnknownNumbers) {
  EXPECT_EQ(name_of(TransformType::addke7), "ADDKE7");
  EXPECT_EQ(name_of(Encr::aes_gcm_16), "ENCR_AES_GCM_16");
  EXPECT_EQ(name_of(Encr::chacha20_poly1305), "ENCR_CHACHA20_POLY1305");
  EXPECT_EQ(name_of(Prf::hmac_sha2_384), "PRF_HMAC_SHA2_384");
  EXPECT_EQ(name_of(Integ::hmac_sha2_256_128), "AUTH_HMAC_SHA2_256_128");
  EXPECT_EQ(name_of(Ke::x25519), "CURVE25519");
  EXPECT_EQ(name_of(Esn::yes), "ESN");
  EXPECT_EQ(name_of(static_cast<TransformType>(13)), "");
  EXPECT_EQ(name_of(static_cast<Encr>(1)), "");
  EXPECT_EQ(name_of(static_cast<Prf>(3)), "");
  EXPECT_EQ(name_of(static_cast<Integ>(9)), "");
  EXPECT_EQ(name_of(static_cast<Ke>(40000)), "");
  EXPECT_EQ(name_of(static_cast<Esn>(2)), "");
}

}  // namespace
}  // namespace culvert
