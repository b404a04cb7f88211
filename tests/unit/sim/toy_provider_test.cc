// The toy provider keeps its promises: two sides agree, tampering shows, seeds repeat.
#include "sim/toy_provider.h"

#include <gtest/gtest.h>

namespace culvert::sim {
namespace {

constexpr CipherSpec kGcm{Encr::aes_gcm_16, 128, Integ::none};
constexpr CipherSpec kCbc{Encr::aes_cbc, 256, Integ::hmac_sha2_256_128};

struct Box {
  explicit Box(const CipherSpec& cipher) : spec(cipher), sizes(*sizes_of(cipher)) {
    encryption.resize(sizes.key, 7);
    integrity.resize(sizes.integ_key, 9);
    iv.resize(sizes.iv, 1);
    icv.resize(sizes.icv);
  }
  Provider::Operands operands() const { return {encryption, integrity, iv, aad}; }

  CipherSpec spec;
  CipherSizes sizes;
  Bytes encryption, integrity, iv, icv;
  Bytes aad = to_bytes(as_bytes("header"));
  Bytes data = to_bytes(as_bytes("sixteen octets ."));
};

TEST(ToyProvider, OpensWhatItSealed) {
  for (const CipherSpec& spec : {kGcm, kCbc}) {
    ToyProvider provider(1);
    Box box(spec);
    const Bytes plain = box.data;
    ASSERT_TRUE(provider.seal(spec, box.operands(), box.data, box.icv));
    EXPECT_NE(box.data, plain);
    ASSERT_TRUE(provider.open(spec, box.operands(), box.data, box.icv));
    EXPECT_EQ(box.data, plain);
  }
}

TEST(ToyProvider, NoticesAnyFlippedBit) {
  ToyProvider provider(1);
  Box sealed(kCbc);
  ASSERT_TRUE(provider.seal(kCbc, sealed.operands(), sealed.data, sealed.icv));
  for (Bytes Box::* part :
       {&Box::encryption, &Box::integrity, &Box::iv, &Box::icv, &Box::aad, &Box::data})
    for (std::size_t bit = 0; bit < (sealed.*part).size() * 8; ++bit) {
      Box changed = sealed;
      (changed.*part)[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
      EXPECT_FALSE(provider.open(kCbc, changed.operands(), changed.data, changed.icv)) << bit;
    }
}

TEST(ToyProvider, AcceptsAnyTagOnlyWhenToldTo) {
  ToyProvider provider(1, {.accept_any_tag = true});
  Box box(kGcm);
  EXPECT_TRUE(provider.open(kGcm, box.operands(), box.data, box.icv));
}

TEST(ToyProvider, RefusesWrongSizes) {
  ToyProvider provider(1);
  Box box(kGcm);
  box.iv.push_back(0);
  EXPECT_FALSE(provider.seal(kGcm, box.operands(), box.data, box.icv));
}

TEST(ToyProvider, TwoSidesShareASecretOfTheRealSizes) {
  ToyProvider a(1), b(2);
  for (const Ke method : {Ke::x25519, Ke::ecp256, Ke::modp2048, Ke::x448}) {
    auto ours = a.generate(method), theirs = b.generate(method);
    ASSERT_TRUE(ours && theirs);
    EXPECT_EQ((*ours)->public_value().size(), *public_value_size(method));
    auto one = (*ours)->derive((*theirs)->public_value());
    auto other = (*theirs)->derive((*ours)->public_value());
    ASSERT_TRUE(one && other);
    EXPECT_TRUE(equal(one->view(), other->view()));
    auto third = a.generate(method);
    EXPECT_FALSE(equal((*third)->derive((*theirs)->public_value())->view(), one->view()));
  }
}

TEST(ToyProvider, RefusesPublicValuesOutOfRange) {
  ToyProvider provider(1);
  auto ke = provider.generate(Ke::x25519);
  Bytes value = to_bytes((*ke)->public_value());
  EXPECT_FALSE((*ke)->derive(ByteView(value).first(31)));
  value[31] ^= 1;
  EXPECT_FALSE((*ke)->derive(value));
  EXPECT_FALSE((*ke)->derive(Bytes(32)));
}

TEST(ToyProvider, PrfTakesTheConcatenation) {
  ToyProvider provider(1);
  Bytes whole(32), parts(32), other(32);
  ASSERT_TRUE(provider.prf(Prf::hmac_sha2_256, as_bytes("key"), {as_bytes("abcd")}, whole));
  ASSERT_TRUE(
      provider.prf(Prf::hmac_sha2_256, as_bytes("key"), {as_bytes("a"), as_bytes("bcd")}, parts));
  ASSERT_TRUE(provider.prf(Prf::hmac_sha2_256, as_bytes("kez"), {as_bytes("abcd")}, other));
  EXPECT_EQ(whole, parts);
  EXPECT_NE(whole, other);
}

TEST(ToyProvider, TheSecretCountsUnlessToldOtherwise) {
  const auto pad = [](ToyFaults faults, std::string_view secret) {
    ToyProvider provider(1, faults);
    Bytes out(32);
    EXPECT_TRUE(
        provider.prf(Prf::hmac_sha2_256, as_bytes(secret), {as_bytes("Key Pad for IKEv2")}, out));
    return out;
  };
  EXPECT_NE(pad({}, "one"), pad({}, "two"));
  EXPECT_EQ(pad({.ignore_secret = true}, "one"), pad({.ignore_secret = true}, "two"));
}

TEST(ToyProvider, EqualSeedsGiveEqualOctets) {
  Bytes a(64), b(64), c(64);
  ToyProvider(5).random(a);
  ToyProvider(5).random(b);
  ToyProvider(6).random(c);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
}

}  // namespace
}  // namespace culvert::sim
