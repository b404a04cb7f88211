// Diffie-Hellman: published vectors, agreement of both ends, and refusal of bad public values.
#include "crypto/openssl_key_exchange.h"

#include <algorithm>

#include "vectors.h"

namespace culvert {
namespace {

using namespace testing;

constexpr Ke kAll[] = {Ke::modp768,  Ke::modp1024, Ke::modp1536, Ke::modp2048, Ke::modp3072,
                       Ke::modp4096, Ke::modp6144, Ke::modp8192, Ke::ecp256,   Ke::ecp384,
                       Ke::ecp521,   Ke::x25519,   Ke::x448};
constexpr Ke kModp[] = {Ke::modp768,  Ke::modp1024, Ke::modp1536, Ke::modp2048,
                        Ke::modp3072, Ke::modp4096, Ke::modp6144, Ke::modp8192};

openssl::Number prime_of(Ke method) {
  using Prime = BIGNUM* (*)(BIGNUM*);
  constexpr Prime kPrimes[] = {BN_get_rfc2409_prime_768,  BN_get_rfc2409_prime_1024,
                               BN_get_rfc3526_prime_1536, BN_get_rfc3526_prime_2048,
                               BN_get_rfc3526_prime_3072, BN_get_rfc3526_prime_4096,
                               BN_get_rfc3526_prime_6144, BN_get_rfc3526_prime_8192};
  const auto at = std::ranges::find(kModp, method) - kModp;
  return openssl::Number(kPrimes[at](nullptr));
}

// The prime plus a small number, as a public value.
Bytes near_prime(Ke method, int plus) {
  const openssl::Number number = prime_of(method);
  if (plus < 0) BN_sub_word(number.get(), static_cast<BN_ULONG>(-plus));
  if (plus > 0) BN_add_word(number.get(), static_cast<BN_ULONG>(plus));
  Bytes bytes(*public_value_size(method));
  EXPECT_EQ(BN_bn2binpad(number.get(), bytes.data(), openssl::int_size(bytes)),
            openssl::int_size(bytes));
  return bytes;
}

Bytes small_number(Ke method, std::uint8_t value) {
  Bytes bytes(*public_value_size(method));
  bytes.back() = value;
  return bytes;
}

void expect_refused(KeyExchange& exchange, ByteView value) {
  const auto derived = exchange.derive(value);
  ASSERT_FALSE(derived);
  EXPECT_EQ(derived.error().reason, Reason::bad_public_value);
  EXPECT_EQ(derived.error().fault, Fault::peer_misbehaved);
}

class KeyExchangeTest : public ::testing::Test {
 protected:
  std::unique_ptr<KeyExchange> with_private(Ke method, ByteView private_value) {
    auto made = factory_.from_private(method, private_value);
    EXPECT_TRUE(made);
    return std::move(*made);
  }
  openssl::KeyExchangeFactory factory_;
};

TEST_F(KeyExchangeTest, BothEndsAgree) {
  const auto provider = make_openssl_provider();
  for (Ke method : kAll) {
    SCOPED_TRACE(name_of(method));
    ASSERT_TRUE(provider->supports(method));
    const auto ours = provider->generate(method), theirs = provider->generate(method);
    ASSERT_TRUE(ours && theirs);
    EXPECT_EQ((*ours)->method(), method);
    EXPECT_EQ((*ours)->public_value().size(), public_value_size(method));
    EXPECT_FALSE(equal((*ours)->public_value(), (*theirs)->public_value()));
    const auto a = (*ours)->derive((*theirs)->public_value());
    const auto b = (*theirs)->derive((*ours)->public_value());
    ASSERT_TRUE(a && b);
    EXPECT_TRUE(equal(a->view(), b->view()));
    const bool ecp = method == Ke::ecp256 || method == Ke::ecp384 || method == Ke::ecp521;
    EXPECT_EQ(a->size(), *public_value_size(method) / (ecp ? 2 : 1));
  }
}

TEST_F(KeyExchangeTest, UnknownMethodsAreUnsupported) {
  const auto provider = make_openssl_provider();
  for (Ke method : {Ke::none, Ke::mlkem768, static_cast<Ke>(22), static_cast<Ke>(65535)}) {
    EXPECT_FALSE(provider->supports(method));
    EXPECT_EQ(provider->generate(method).error().reason, Reason::unsupported);
  }
}

TEST_F(KeyExchangeTest, VectorsOfTheRfcs) {
  const auto vectors = load_vectors("rfc/crypto.json", "ke");
  ASSERT_EQ(vectors.size(), 5u);
  for (const auto& v : vectors) {
    SCOPED_TRACE(v["source"].get<std::string>() + " " + v["ke"].get<std::string>());
    const Ke method = named<Ke>(v["ke"].get<std::string>());
    const auto i = with_private(method, octets(v, "private_i"));
    const auto r = with_private(method, octets(v, "private_r"));
    EXPECT_EQ(copy(i->public_value()), octets(v, "public_i"));
    EXPECT_EQ(copy(r->public_value()), octets(v, "public_r"));
    EXPECT_EQ(copy(i->derive(r->public_value())->view()), octets(v, "shared"));
    EXPECT_EQ(copy(r->derive(i->public_value())->view()), octets(v, "shared"));
  }
}

// RFC 3526: the groups are safe primes of the stated size, and g^x is 2^x mod p.
TEST_F(KeyExchangeTest, ModpGroups) {
  for (Ke method : kModp) {
    SCOPED_TRACE(name_of(method));
    const openssl::Number prime = prime_of(method);
    const std::size_t size = *public_value_size(method);
    EXPECT_EQ(static_cast<std::size_t>(BN_num_bits(prime.get())), size * 8);
    // The highest and lowest 64 bits are ones in all of these groups.
    const Bytes octets = near_prime(method, 0), ones(8, 0xff);
    EXPECT_TRUE(equal(ByteView(octets).first(8), ones));
    EXPECT_TRUE(equal(ByteView(octets).last(8), ones));
    // 2^12 is below every prime: the public value is the power itself, padded to the full size.
    Bytes power(size);
    power[size - 2] = 0x10;
    const Bytes twelve = {12}, three = {3};
    const auto exchange = with_private(method, twelve);
    EXPECT_EQ(copy(exchange->public_value()), power);
    // (2^12)^3 = 2^36, with its leading zeros kept.
    Bytes cube(size);
    cube[size - 5] = 0x10;
    EXPECT_EQ(copy(with_private(method, three)->derive(power)->view()), cube);
  }
}

TEST_F(KeyExchangeTest, ModpRangeOfRfc6989) {
  for (Ke method : kModp) {
    SCOPED_TRACE(name_of(method));
    const auto exchange = with_private(method, Bytes{5});
    expect_refused(*exchange, small_number(method, 0));
    expect_refused(*exchange, small_number(method, 1));
    expect_refused(*exchange, near_prime(method, -1));
    expect_refused(*exchange, near_prime(method, 0));
    expect_refused(*exchange, near_prime(method, 1));
    expect_refused(*exchange, Bytes(*public_value_size(method), 0xff));
    EXPECT_TRUE(exchange->derive(small_number(method, 2)));
    EXPECT_TRUE(exchange->derive(near_prime(method, -2)));
  }
}

TEST_F(KeyExchangeTest, WrongLengthsAreRefused) {
  for (Ke method : kAll) {
    SCOPED_TRACE(name_of(method));
    const auto ours = factory_.generate(method), theirs = factory_.generate(method);
    Bytes value = copy((*theirs)->public_value());
    expect_refused(**ours, {});
    expect_refused(**ours, ByteView(value).first(value.size() - 1));
    value.push_back(0);
    expect_refused(**ours, value);
    value.insert(value.begin(), 4);
    value.pop_back();
    expect_refused(**ours, value);
    // A refusal does not spoil the exchange: the true answer may still come.
    EXPECT_TRUE((*ours)->derive((*theirs)->public_value()));
  }
}

TEST_F(KeyExchangeTest, EcpPointsOffTheCurveAreRefused) {
  for (Ke method : {Ke::ecp256, Ke::ecp384, Ke::ecp521}) {
    SCOPED_TRACE(name_of(method));
    const auto ours = factory_.generate(method), theirs = factory_.generate(method);
    const Bytes good = copy((*theirs)->public_value());
    for (std::size_t i = 1; i < good.size(); i += 5) {
      Bytes bad = good;
      bad[i] ^= 1;
      expect_refused(**ours, bad);
    }
    expect_refused(**ours, Bytes(good.size()));
    expect_refused(**ours, Bytes(good.size(), 0xff));
  }
}

// RFC 8031, 2: values of small order lead to zero and must not be used.
TEST_F(KeyExchangeTest, AllZeroResultsAreRefused) {
  for (Ke method : {Ke::x25519, Ke::x448}) {
    SCOPED_TRACE(name_of(method));
    const auto ours = factory_.generate(method);
    Bytes one(*public_value_size(method));
    expect_refused(**ours, one);
    one[0] = 1;
    expect_refused(**ours, one);
  }
}

// The uncompressed points, without the octet in front that says so.
TEST_F(KeyExchangeTest, WycheproofEcdh) {
  const std::pair<Ke, const char*> cases[] = {
      {Ke::ecp256, "wycheproof/ecdh_secp256r1_ecpoint_test.json"},
      {Ke::ecp384, "wycheproof/ecdh_secp384r1_ecpoint_test.json"},
      {Ke::ecp521, "wycheproof/ecdh_secp521r1_ecpoint_test.json"}};
  for (const auto& [method, file] : cases) {
    int valid = 0, invalid = 0;
    for (const auto& v : load_vectors(file, "tests")) {
      SCOPED_TRACE(std::string(file) + " " + std::to_string(v["tcId"].get<int>()));
      const auto exchange = with_private(method, octets(v, "private"));
      const Bytes point = octets(v, "public");
      const auto shared = exchange->derive(ByteView(point).subspan(1));
      ASSERT_EQ(shared.has_value(), v["result"] == "valid");
      if (shared) {
        EXPECT_EQ(copy(shared->view()), octets(v, "shared"));
      }
      ++(shared ? valid : invalid);
    }
    EXPECT_GE(valid, 70);
    EXPECT_GE(invalid, 10);
  }
}

// "Acceptable" vectors are usable here unless their result is zero, which RFC 8031, 2 forbids.
TEST_F(KeyExchangeTest, WycheproofXdh) {
  for (Ke method : {Ke::x25519, Ke::x448}) {
    const char* file =
        method == Ke::x25519 ? "wycheproof/x25519_test.json" : "wycheproof/x448_test.json";
    int agreed = 0, refused = 0;
    for (const auto& v : load_vectors(file, "tests")) {
      SCOPED_TRACE(std::string(file) + " " + std::to_string(v["tcId"].get<int>()));
      const Bytes want = octets(v, "shared");
      const bool zero = std::ranges::all_of(want, [](std::uint8_t octet) { return octet == 0; });
      const auto shared = with_private(method, octets(v, "private"))->derive(octets(v, "public"));
      ASSERT_EQ(shared.has_value(), v["result"] != "invalid" && !zero);
      if (shared) {
        EXPECT_EQ(copy(shared->view()), want);
      }
      ++(shared ? agreed : refused);
    }
    EXPECT_GE(agreed, 100);
    EXPECT_GE(refused, 10);
  }
}

TEST_F(KeyExchangeTest, BadPrivateValuesAreErrors) {
  EXPECT_FALSE(factory_.from_private(Ke::x25519, Bytes(31)));
  EXPECT_FALSE(factory_.from_private(Ke::ecp256, Bytes(32)));  // zero
  EXPECT_FALSE(factory_.from_private(Ke::mlkem512, Bytes(32)));
}

}  // namespace
}  // namespace culvert
