// seal() and open(): published vectors, tampering with every operand, contexts used in any order.
#include "vectors.h"

namespace culvert {
namespace {

using namespace testing;

// Every cipher that SK payloads and ESP may use; non-AEADs with different MACs.
const CipherSpec kSpecs[] = {
    {Encr::aes_cbc, 128, Integ::hmac_sha1_96},
    {Encr::aes_cbc, 192, Integ::hmac_sha2_384_192},
    {Encr::aes_cbc, 256, Integ::hmac_sha2_256_128},
    {Encr::aes_cbc, 256, Integ::aes_cmac_96},
    {Encr::triple_des, 0, Integ::hmac_md5_96},
    {Encr::aes_ctr, 128, Integ::aes_xcbc_96},
    {Encr::aes_ctr, 192, Integ::hmac_sha2_256_128},
    {Encr::aes_ctr, 256, Integ::hmac_sha2_512_256},
    {Encr::null, 0, Integ::hmac_sha2_256_128},
    {Encr::aes_gcm_8, 128},
    {Encr::aes_gcm_12, 192},
    {Encr::aes_gcm_16, 128},
    {Encr::aes_gcm_16, 256},
    {Encr::aes_ccm_8, 128},
    {Encr::aes_ccm_12, 192},
    {Encr::aes_ccm_16, 256},
    {Encr::chacha20_poly1305, 0},
    {Encr::chacha20_poly1305, 256},
};

// Operands that own their octets, so that a test can spoil one at a time.
struct Sample {
  CipherSpec spec;
  Bytes key, integrity_key, iv, aad, suffix, data, icv;

  explicit Sample(const CipherSpec& s, std::size_t blocks = 5) : spec(s) {
    const CipherSizes sizes = *sizes_of(spec);
    key = counting(sizes.key, 1);
    integrity_key = counting(sizes.integ_key, 101);
    iv = counting(sizes.iv, 201);
    aad = counting(32, 30);
    if (!is_aead(spec.encr)) suffix = counting(4, 60);
    data = counting(sizes.block * blocks + (sizes.block == 1 ? 40 : 0), 77);
    icv.resize(sizes.icv);
  }
  Provider::Operands operands() const { return {key, integrity_key, iv, aad, suffix}; }
  Result<> seal(Provider& provider) { return provider.seal(spec, operands(), data, icv); }
  Result<> open(Provider& provider) { return provider.open(spec, operands(), data, icv); }
};

class CipherTest : public ::testing::Test {
 protected:
  std::unique_ptr<Provider> provider_ = make_openssl_provider();
};

TEST_F(CipherTest, SealThenOpenInAnyOrderOfAlgorithms) {
  std::vector<Sample> sealed;
  for (const CipherSpec& spec : kSpecs) {
    ASSERT_TRUE(provider_->supports(spec)) << name_of(spec.encr);
    ASSERT_TRUE(sealed.emplace_back(spec).seal(*provider_));
  }
  for (auto sample = sealed.rbegin(); sample != sealed.rend(); ++sample) {
    SCOPED_TRACE(name_of(sample->spec.encr));
    const Bytes plain = Sample(sample->spec).data;
    if (sample->spec.encr != Encr::null) {
      EXPECT_NE(sample->data, plain);
    }
    // A forgery in between must not disturb the context.
    Sample forged = *sample;
    forged.icv[0] ^= 1;
    EXPECT_EQ(forged.open(*provider_).error().reason, Reason::bad_integrity);
    ASSERT_TRUE(sample->open(*provider_));
    EXPECT_EQ(sample->data, plain);
    const Bytes icv = sample->icv;
    ASSERT_TRUE(sample->seal(*provider_));
    EXPECT_EQ(sample->icv, icv);
  }
}

TEST_F(CipherTest, EmptyDataAndEmptyAad) {
  for (const CipherSpec& spec : kSpecs) {
    SCOPED_TRACE(name_of(spec.encr));
    Sample sample(spec);
    sample.data.clear();
    sample.aad.clear();
    ASSERT_TRUE(sample.seal(*provider_));
    EXPECT_TRUE(sample.open(*provider_));
    sample.icv.back() ^= 0x80;
    EXPECT_EQ(sample.open(*provider_).error().reason, Reason::bad_integrity);
  }
}

TEST_F(CipherTest, TamperingWithAnyOperandIsDetected) {
  for (const CipherSpec& spec : kSpecs) {
    SCOPED_TRACE(name_of(spec.encr));
    Sample sealed(spec);
    ASSERT_TRUE(sealed.seal(*provider_));
    for (Bytes Sample::* operand : {&Sample::iv, &Sample::aad, &Sample::suffix, &Sample::data,
                                    &Sample::icv, &Sample::integrity_key}) {
      const std::size_t size = (sealed.*operand).size();
      for (std::size_t i = 0; i < size; ++i) {
        Sample bad = sealed;
        (bad.*operand)[i] ^= static_cast<std::uint8_t>(1 << (i % 8));
        const auto opened = bad.open(*provider_);
        ASSERT_FALSE(opened) << "octet " << i;
        EXPECT_EQ(opened.error().reason, Reason::bad_integrity);
        EXPECT_EQ(opened.error().fault, Fault::peer_misbehaved);
      }
    }
    // The key of an AEAD, its salt included, takes part in the tag.
    for (std::size_t i = 0; is_aead(spec.encr) && i < sealed.key.size(); ++i) {
      Sample bad = sealed;
      bad.key[i] ^= 2;
      EXPECT_FALSE(bad.open(*provider_)) << "key octet " << i;
    }
  }
}

TEST_F(CipherTest, WrongSizesAreRefused) {
  for (const CipherSpec& spec : kSpecs) {
    SCOPED_TRACE(name_of(spec.encr));
    for (Bytes Sample::* operand :
         {&Sample::key, &Sample::integrity_key, &Sample::iv, &Sample::icv}) {
      Sample longer(spec), shorter(spec);
      (longer.*operand).push_back(0);
      EXPECT_EQ(longer.seal(*provider_).error().reason, Reason::invalid_argument);
      EXPECT_EQ(longer.open(*provider_).error().reason, Reason::invalid_argument);
      if ((shorter.*operand).empty()) continue;
      (shorter.*operand).pop_back();
      EXPECT_EQ(shorter.seal(*provider_).error().reason, Reason::invalid_argument);
      EXPECT_EQ(shorter.open(*provider_).error().reason, Reason::invalid_argument);
    }
    if (is_aead(spec.encr)) {
      Sample sample(spec);
      sample.suffix = counting(4);
      EXPECT_EQ(sample.seal(*provider_).error().reason, Reason::invalid_argument);
    }
  }
}

TEST_F(CipherTest, PartialBlocks) {
  const CipherSpec cbc{Encr::aes_cbc, 128, Integ::hmac_sha2_256_128};
  Sample sample(cbc);
  sample.data.pop_back();
  EXPECT_EQ(sample.seal(*provider_).error().reason, Reason::invalid_argument);
  // Authentic, yet not a whole number of blocks: the peer's mistake. The MAC of any octets comes
  // from ENCR_NULL, whose MAC input is built alike.
  Sample forged = sample;
  const CipherSpec null{Encr::null, 0, Integ::hmac_sha2_256_128};
  const Bytes aad = joined({sample.aad, sample.iv});
  ASSERT_TRUE(provider_->seal(null, {{}, sample.integrity_key, {}, aad, sample.suffix}, forged.data,
                              forged.icv));
  EXPECT_EQ(forged.open(*provider_).error().reason, Reason::bad_length);
}

TEST_F(CipherTest, UnsupportedSpecs) {
  for (const CipherSpec& spec :
       {CipherSpec{Encr::aes_cbc, 128, Integ::none}, CipherSpec{Encr::none, 0, Integ::none},
        CipherSpec{Encr::aes_gcm_16, 127},
        CipherSpec{Encr::camellia_cbc, 128, Integ::hmac_sha1_96}}) {
    EXPECT_FALSE(provider_->supports(spec));
    Bytes data(16), icv(16);
    EXPECT_EQ(provider_->seal(spec, {}, data, icv).error().reason, Reason::unsupported);
    EXPECT_EQ(provider_->open(spec, {}, data, icv).error().reason, Reason::unsupported);
  }
}

TEST_F(CipherTest, AhHasNothingToSeal) {
  const CipherSpec ah{Encr::none, 0, Integ::hmac_sha2_256_128};
  EXPECT_TRUE(provider_->supports(ah));
  Bytes data(16), icv(16);
  EXPECT_EQ(provider_->seal(ah, {}, data, icv).error().reason, Reason::unsupported);
  EXPECT_EQ(provider_->open(ah, {}, data, icv).error().reason, Reason::unsupported);
}

TEST_F(CipherTest, VectorsOfTheRfcs) {
  const auto vectors = load_vectors("rfc/crypto.json", "cipher");
  ASSERT_EQ(vectors.size(), 18u);
  for (const auto& v : vectors) {
    SCOPED_TRACE(v["source"].get<std::string>());
    CipherSpec spec{named<Encr>(v["encr"].get<std::string>())};
    const Bytes key = octets(v, "key"), iv = octets(v, "iv"), aad = octets(v, "aad");
    const bool aead = is_aead(spec.encr);
    const std::size_t salt = spec.encr == Encr::aes_cbc ? 0 : 4;
    spec.key_bits = static_cast<std::uint16_t>((key.size() - salt) * 8);
    if (!aead) spec.integ = Integ::hmac_sha1_96;
    const Bytes integrity_key = counting(aead ? 0 : 20);
    Bytes data = octets(v, "plaintext"), icv(aead ? 16 : 12);
    ASSERT_TRUE(provider_->seal(spec, {key, integrity_key, iv, aad}, data, icv));
    EXPECT_EQ(data, octets(v, "ciphertext"));
    if (aead) {
      EXPECT_EQ(icv, octets(v, "icv"));
    }
    ASSERT_TRUE(provider_->open(spec, {key, integrity_key, iv, aad}, data, icv));
    EXPECT_EQ(data, octets(v, "plaintext"));
  }
}

// RFC 7634, appendix B: an IKE message as it stands on the wire.
TEST_F(CipherTest, IkeMessageOfRfc7634) {
  const auto v = load_vectors("rfc/crypto.json", "ike_message");
  const Bytes message = octets(v, "message"), key = octets(v, "key");
  const ByteView wire(message);
  constexpr std::size_t kHeaders = 28 + 4, kIv = 8, kIcv = 16;
  Bytes data = copy(wire.subspan(kHeaders + kIv, wire.size() - kHeaders - kIv - kIcv));
  const Provider::Operands operands{key, {}, wire.subspan(kHeaders, kIv), wire.first(kHeaders)};
  ASSERT_TRUE(provider_->open({Encr::chacha20_poly1305, 0}, operands, data, wire.last(kIcv)));
  EXPECT_EQ(data, octets(v, "plaintext"));
}

// The nonce is cut into salt and IV as IPsec forms it.
void check_aead(Provider& provider, const char* file, Encr encr, std::size_t salt, int least) {
  int checked = 0;
  for (const auto& v : load_vectors(file, "tests")) {
    SCOPED_TRACE(v["tcId"].get<int>());
    const Bytes nonce = octets(v, "iv"), message = octets(v, "msg"), tag = octets(v, "tag");
    const Bytes key = joined({octets(v, "key"), ByteView(nonce).first(salt)});
    const CipherSpec spec{encr, static_cast<std::uint16_t>((key.size() - salt) * 8)};
    const Bytes aad = octets(v, "aad");
    const Provider::Operands operands{key, {}, ByteView(nonce).subspan(salt), aad};
    Bytes data = octets(v, "ct");
    const auto opened = provider.open(spec, operands, data, tag);
    ASSERT_EQ(opened.has_value(), v["result"] == "valid");
    ++checked;
    if (!opened) {
      EXPECT_EQ(opened.error().reason, Reason::bad_integrity);
      continue;
    }
    EXPECT_EQ(data, message);
    Bytes icv(tag.size());
    ASSERT_TRUE(provider.seal(spec, operands, data, icv));
    EXPECT_EQ(data, octets(v, "ct"));
    EXPECT_EQ(icv, tag);
  }
  EXPECT_GE(checked, least);
}

TEST_F(CipherTest, WycheproofAeads) {
  check_aead(*provider_, "wycheproof/aes_gcm_test.json", Encr::aes_gcm_16, 4, 150);
  check_aead(*provider_, "wycheproof/aes_ccm_test.json", Encr::aes_ccm_16, 3, 18);
  check_aead(*provider_, "wycheproof/chacha20_poly1305_test.json", Encr::chacha20_poly1305, 4, 150);
}

// Wycheproof's CBC pads after PKCS #5 and ours does not pad: the padding is added here. Its
// invalid vectors are all about that padding, so they say nothing about this code.
TEST_F(CipherTest, WycheproofCbc) {
  int checked = 0;
  for (const auto& v : load_vectors("wycheproof/aes_cbc_pkcs5_test.json", "tests")) {
    SCOPED_TRACE(v["tcId"].get<int>());
    const Bytes key = octets(v, "key"), iv = octets(v, "iv"), integrity_key = counting(20);
    Bytes padded = octets(v, "msg"), icv(12);
    const std::size_t padding = 16 - padded.size() % 16;
    padded.insert(padded.end(), padding, static_cast<std::uint8_t>(padding));
    const CipherSpec spec{Encr::aes_cbc, static_cast<std::uint16_t>(key.size() * 8),
                          Integ::hmac_sha1_96};
    Bytes data = padded;
    ASSERT_TRUE(provider_->seal(spec, {key, integrity_key, iv, {}}, data, icv));
    EXPECT_EQ(data, octets(v, "ct"));
    ASSERT_TRUE(provider_->open(spec, {key, integrity_key, iv, {}}, data, icv));
    EXPECT_EQ(data, padded);
    ++checked;
  }
  EXPECT_GE(checked, 72);
}

// A GCM tag of 8 or 12 octets is the beginning of the one of 16 (NIST SP 800-38D, 7.1).
TEST_F(CipherTest, ShortGcmTagsAreTruncated) {
  Sample whole({Encr::aes_gcm_16, 256});
  ASSERT_TRUE(whole.seal(*provider_));
  for (Encr encr : {Encr::aes_gcm_8, Encr::aes_gcm_12}) {
    Sample sample({encr, 256});
    ASSERT_TRUE(sample.seal(*provider_));
    EXPECT_EQ(sample.data, whole.data);
    EXPECT_EQ(sample.icv, copy(ByteView(whole.icv).first(sample.icv.size())));
  }
}

// CCM's tag by its definition (RFC 3610, 2.2 and 2.3), from CBC alone.
Bytes ccm_tag(Provider& provider, const Sample& plain) {
  const std::size_t tag_size = plain.icv.size();
  const ByteView aes_key = ByteView(plain.key).first(plain.key.size() - 3);
  const auto last_cbc_block = [&](Bytes input) {
    const Bytes zero_iv(16), integrity_key(20);
    Bytes icv(12);
    const CipherSpec cbc{Encr::aes_cbc, static_cast<std::uint16_t>(aes_key.size() * 8),
                         Integ::hmac_sha1_96};
    EXPECT_TRUE(provider.seal(cbc, {aes_key, integrity_key, zero_iv, {}}, input, icv));
    return copy(ByteView(input).last(16));
  };
  const auto block = [&](std::uint8_t flags, std::uint32_t number) {
    Bytes bytes = joined({ByteView(&flags, 1), ByteView(plain.key).last(3), plain.iv, Bytes(4)});
    store_be(bytes.data() + 12, number);
    return bytes;
  };
  const auto m = static_cast<std::uint8_t>((tag_size - 2) / 2);
  Bytes input = block(static_cast<std::uint8_t>(0x40 | m << 3 | 3),
                      static_cast<std::uint32_t>(plain.data.size()));
  append(input, joined({from_hex("0020"), plain.aad}));  // 32 octets of aad
  input.resize((input.size() + 15) / 16 * 16);
  append(input, plain.data);
  input.resize((input.size() + 15) / 16 * 16);
  Bytes tag = last_cbc_block(input);
  const Bytes key_stream = last_cbc_block(block(3, 0));
  for (std::size_t i = 0; i < tag.size(); ++i) tag[i] ^= key_stream[i];
  tag.resize(tag_size);
  return tag;
}

TEST_F(CipherTest, CcmTagsOfAllSizes) {
  for (Encr encr : {Encr::aes_ccm_8, Encr::aes_ccm_12, Encr::aes_ccm_16}) {
    for (std::uint16_t bits : {128, 192, 256}) {
      Sample sample({encr, bits});
      const Bytes want = ccm_tag(*provider_, sample);
      ASSERT_TRUE(sample.seal(*provider_));
      EXPECT_EQ(sample.icv, want) << name_of(encr) << " " << bits;
    }
  }
}

// 3DES in CBC mode: with three equal keys it is DES, whose vector is FIPS 81's example.
TEST_F(CipherTest, TripleDes) {
  const Bytes des_key = from_hex("0123456789abcdef"), iv = from_hex("1234567890abcdef");
  const Bytes key = joined({des_key, des_key, des_key}), integrity_key = counting(20);
  Bytes data = copy(as_bytes("Now is the time for all ")), icv(12);
  ASSERT_TRUE(provider_->seal({Encr::triple_des, 0, Integ::hmac_sha1_96},
                              {key, integrity_key, iv, {}}, data, icv));
  EXPECT_EQ(data, from_hex("e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6"));
}

}  // namespace
}  // namespace culvert
