// PRFs, integrity algorithms and hashes against the RFCs' vectors and Wycheproof.
#include "vectors.h"

namespace culvert {
namespace {

using namespace testing;

class MacTest : public ::testing::Test {
 protected:
  Bytes prf(Prf algorithm, ByteView key, std::initializer_list<ByteView> parts, std::size_t size) {
    Bytes out(size);
    EXPECT_TRUE(provider_->prf(algorithm, key, parts, out));
    return out;
  }
  std::unique_ptr<Provider> provider_ = make_openssl_provider();
};

TEST_F(MacTest, PrfVectorsOfTheRfcs) {
  const auto vectors = load_vectors("rfc/crypto.json", "prf");
  ASSERT_GE(vectors.size(), 70u);
  for (const auto& v : vectors) {
    const Bytes key = octets(v, "key"), message = octets(v, "message"), want = octets(v, "output");
    const auto algorithm = named<Prf>(v["prf"].get<std::string>());
    SCOPED_TRACE(v["source"].get<std::string>());
    EXPECT_EQ(prf(algorithm, key, {message}, want.size()), want);
    // However the message is cut into parts, the result is the same.
    for (std::size_t cut = 0; cut <= message.size(); cut += 7) {
      const ByteView view(message);
      EXPECT_EQ(prf(algorithm, key, {view.first(cut), {}, view.subspan(cut)}, want.size()), want);
    }
  }
}

// FIPS 197, C.1.
TEST_F(MacTest, AesBlock) {
  Bytes key(16), block(16), out(16);
  for (std::uint8_t i = 0; i < 16; ++i) {
    key[i] = i;
    block[i] = static_cast<std::uint8_t>(0x11 * i);
  }
  ASSERT_TRUE(provider_->aes128_block(key, block, out));
  EXPECT_EQ(out, (Bytes{0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80,
                        0x70, 0xb4, 0xc5, 0x5a}));
  EXPECT_FALSE(provider_->aes128_block(ByteView(key).first(15), block, out));
  EXPECT_FALSE(provider_->aes128_block(key, ByteView(block).first(8), out));
}

TEST_F(MacTest, IntegrityVectorsOfTheRfcs) {
  const auto vectors = load_vectors("rfc/crypto.json", "integ");
  ASSERT_GE(vectors.size(), 25u);
  for (const auto& v : vectors) {
    SCOPED_TRACE(v["source"].get<std::string>());
    const CipherSpec spec{Encr::null, 0, named<Integ>(v["integ"].get<std::string>())};
    const Bytes key = octets(v, "key");
    Bytes message = octets(v, "message"), icv(sizes_of(spec)->icv);
    const Provider::Operands operands{{}, key, {}, {}, {}};
    ASSERT_TRUE(provider_->seal(spec, operands, message, icv));
    EXPECT_EQ(icv, octets(v, "output"));
    EXPECT_EQ(message, octets(v, "message")) << "ENCR_NULL must leave the data alone";
    EXPECT_TRUE(provider_->open(spec, operands, message, icv));
  }
}

void check_wycheproof(Provider& provider, const char* file, Prf algorithm) {
  int valid = 0, invalid = 0;
  for (const auto& v : load_vectors(file, "tests")) {
    SCOPED_TRACE(v["tcId"].get<int>());
    const Bytes tag = octets(v, "tag");
    Bytes out(tag.size());
    ASSERT_TRUE(provider.prf(algorithm, octets(v, "key"), {octets(v, "msg")}, out));
    const bool good = v["result"] == "valid";
    EXPECT_EQ(out == tag, good);
    ++(good ? valid : invalid);
  }
  EXPECT_GT(valid, 10);
  EXPECT_GT(invalid, 10);
}

TEST_F(MacTest, Wycheproof) {
  check_wycheproof(*provider_, "wycheproof/hmac_sha1_test.json", Prf::hmac_sha1);
  check_wycheproof(*provider_, "wycheproof/hmac_sha256_test.json", Prf::hmac_sha2_256);
  check_wycheproof(*provider_, "wycheproof/hmac_sha384_test.json", Prf::hmac_sha2_384);
  check_wycheproof(*provider_, "wycheproof/hmac_sha512_test.json", Prf::hmac_sha2_512);
  check_wycheproof(*provider_, "wycheproof/aes_cmac_test.json", Prf::aes128_cmac);
}

TEST_F(MacTest, AnEmptyKeyIsNotTheKeyOfBefore) {
  // An empty HMAC key equals one of zeros (RFC 2104, 2 pads it); so does an empty XCBC key.
  for (Prf algorithm : {Prf::hmac_sha1, Prf::hmac_sha2_256, Prf::aes128_xcbc}) {
    const std::size_t size = *prf_size(algorithm);
    const Bytes zeros(16), message = counting(40);
    const Bytes want = prf(algorithm, zeros, {message}, size);
    EXPECT_NE(prf(algorithm, counting(16, 1), {message}, size), want);
    EXPECT_EQ(prf(algorithm, {}, {message}, size), want) << name_of(algorithm);
  }
}

TEST_F(MacTest, OutputMayBeShorterButNotLonger) {
  const Bytes key = counting(16);
  for (Prf algorithm : {Prf::hmac_md5, Prf::hmac_sha1, Prf::hmac_sha2_256, Prf::hmac_sha2_384,
                        Prf::hmac_sha2_512, Prf::aes128_xcbc, Prf::aes128_cmac}) {
    SCOPED_TRACE(name_of(algorithm));
    ASSERT_TRUE(provider_->supports(algorithm));
    const Bytes whole = prf(algorithm, key, {key}, *prf_size(algorithm));
    EXPECT_EQ(prf(algorithm, key, {key}, 8), copy(ByteView(whole).first(8)));
    Bytes too_long(whole.size() + 1);
    EXPECT_EQ(provider_->prf(algorithm, key, {key}, too_long).error().reason,
              Reason::invalid_argument);
  }
  Bytes out(16);
  EXPECT_FALSE(provider_->supports(Prf::none));
  EXPECT_EQ(provider_->prf(Prf::none, key, {key}, out).error().reason, Reason::unsupported);
}

TEST_F(MacTest, Hashes) {
  // FIPS 180-4's example "abc".
  const std::pair<Hash, const char*> cases[] = {
      {Hash::md5, "900150983cd24fb0d6963f7d28e17f72"},  // RFC 1321, A.5
      {Hash::sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
      {Hash::sha2_256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {Hash::sha2_384,
       "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c"
       "8"
       "25a7"},
      {Hash::sha2_512,
       "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3f"
       "e"
       "ebbd454d4423643ce80e2a9ac94fa54ca49f"},
  };
  for (const auto& [hash, hex] : cases) {
    const Bytes want = from_hex(hex);
    Bytes out(want.size());
    ASSERT_TRUE(provider_->hash(hash, {as_bytes("a"), {}, as_bytes("bc")}, out));
    EXPECT_EQ(out, want);
    out.pop_back();
    EXPECT_FALSE(provider_->hash(hash, {as_bytes("abc")}, out));
  }
}

TEST_F(MacTest, RandomOctetsDiffer) {
  Bytes first(32), second(32);
  provider_->random(first);
  provider_->random(second);
  EXPECT_NE(first, second);
  provider_->random({});
}

}  // namespace
}  // namespace culvert
