#include "esp/transform.h"

#include <gtest/gtest.h>

#include <random>

#include "crypto/openssl_provider.h"

namespace culvert::esp {
namespace {

struct Case {
  CipherSpec spec;
  bool esn;
  bool only_openssl;
};

SaKeys keys_for(const CipherSpec& spec) {
  const auto sizes = *sizes_of(spec);
  Bytes encryption(sizes.key), integrity(sizes.integ_key);
  std::uint8_t next = 0x11;
  for (auto& octet : encryption) octet = next = static_cast<std::uint8_t>(next * 5 + 3);
  for (auto& octet : integrity) octet = next = static_cast<std::uint8_t>(next * 7 + 1);
  return {Key(encryption), Key(integrity)};
}

Bytes payload_of(std::size_t size) {
  Bytes payload(size);
  for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<std::uint8_t>(i * 31 + 7);
  return payload;
}

Bytes seal_one(Sealer& sealer, ByteView payload, std::uint8_t next_header) {
  Bytes packet(sealer.sealed_size(payload.size()));
  std::copy(payload.begin(), payload.end(),
            packet.begin() + static_cast<std::ptrdiff_t>(sealer.header_size()));
  auto op = sealer.prepare(packet.data(), payload.size(), next_header);
  EXPECT_TRUE(op);
  if (!op) return {};
  sealer.seal({&*op, 1});
  EXPECT_TRUE(op->ok);
  return packet;
}

Opener::Opened open_one(Opener& opener, MutableBytes packet) {
  CryptoOp op;
  Opener::Opened opened;
  opened.verdict = opener.examine(packet, op);
  if (opened.verdict != Opener::Verdict::ok) return opened;
  opener.open({&op, 1});
  return opener.accept(op);
}

class EveryCipher : public testing::TestWithParam<Case> {
 protected:
  CipherEngine engine{GetParam().only_openssl};
  TransformParameters parameters{0x01020304, GetParam().spec, GetParam().esn, 4'096};
  SaKeys keys = keys_for(GetParam().spec);
};

TEST_P(EveryCipher, OpensWhatItSealed) {
  auto sealer = Sealer::make(engine, parameters, keys);
  auto opener = Opener::make(engine, parameters, keys);
  ASSERT_TRUE(sealer && opener);
  for (const std::size_t size : {0u, 1u, 2u, 13u, 14u, 15u, 16u, 64u, 577u, 1'400u, 9'000u}) {
    const Bytes payload = payload_of(size);
    Bytes packet = seal_one(*sealer, payload, 4);
    const auto opened = open_one(*opener, packet);
    ASSERT_EQ(opened.verdict, Opener::Verdict::ok) << size;
    EXPECT_TRUE(equal(opened.payload, payload)) << size;
    EXPECT_EQ(opened.next_header, 4);
    EXPECT_TRUE(opened.newest);
  }
}

// Bursts take other paths through the multi-buffer library than single packets.
TEST_P(EveryCipher, BurstsEqualSinglePackets) {
  auto sealer = Sealer::make(engine, parameters, keys);
  auto opener = Opener::make(engine, parameters, keys);
  ASSERT_TRUE(sealer && opener);
  constexpr std::size_t kCount = 70;
  std::vector<Bytes> packets(kCount);
  std::vector<CryptoOp> ops;
  for (std::size_t i = 0; i < kCount; ++i) {
    const Bytes payload = payload_of(i * 21);
    packets[i].resize(sealer->sealed_size(payload.size()));
    std::copy(payload.begin(), payload.end(),
              packets[i].begin() + static_cast<std::ptrdiff_t>(sealer->header_size()));
    ops.push_back(*sealer->prepare(packets[i].data(), payload.size(), 41));
  }
  sealer->seal(ops);
  packets[33].back() ^= 1;
  for (std::size_t i = 0; i < kCount; ++i)
    ASSERT_EQ(opener->examine(packets[i], ops[i]), Opener::Verdict::ok);
  opener->open(ops);
  for (std::size_t i = 0; i < kCount; ++i) {
    const auto opened = opener->accept(ops[i]);
    if (i == 33) {
      EXPECT_EQ(opened.verdict, Opener::Verdict::bad_integrity);
      continue;
    }
    ASSERT_EQ(opened.verdict, Opener::Verdict::ok) << i;
    EXPECT_TRUE(equal(opened.payload, payload_of(i * 21)));
  }
}

TEST_P(EveryCipher, NoticesEveryFlippedBit) {
  auto sealer = Sealer::make(engine, parameters, keys);
  auto opener = Opener::make(engine, parameters, keys);
  ASSERT_TRUE(sealer && opener);
  const Bytes packet = seal_one(*sealer, payload_of(40), 4);
  for (std::size_t bit = 32; bit < packet.size() * 8; ++bit) {  // the SPI chose the SA
    Bytes tampered = packet;
    tampered[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
    const auto verdict = open_one(*opener, tampered).verdict;
    EXPECT_NE(verdict, Opener::Verdict::ok) << bit;
    EXPECT_NE(verdict, Opener::Verdict::bad_padding) << bit;
  }
  EXPECT_EQ(opener->window().top(), 0u);  // nothing forged moved the window
  Bytes good = packet;
  EXPECT_EQ(open_one(*opener, good).verdict, Opener::Verdict::ok);
  good = packet;
  EXPECT_EQ(open_one(*opener, good).verdict, Opener::Verdict::replayed);
}

TEST_P(EveryCipher, EqualsTheProvider) {
  auto sealer = Sealer::make(engine, parameters, keys);
  ASSERT_TRUE(sealer);
  if (parameters.esn) sealer->set_next_sequence(0x1'0000'0007);
  const auto sizes = *sizes_of(parameters.cipher);
  const auto provider = make_openssl_provider();
  const Bytes payload = payload_of(333);
  const Bytes packet = seal_one(*sealer, payload, 4);

  Bytes text = payload;
  const std::size_t align = std::max<std::size_t>(4, sizes.block);
  for (std::uint8_t pad = 1; (text.size() + 2) % align != 0; ++pad) text.push_back(pad);
  text.push_back(static_cast<std::uint8_t>(text.size() - payload.size()));
  text.push_back(4);
  Bytes aad(packet.begin(), packet.begin() + 8);
  const Bytes high = {0, 0, 0, 1};
  Provider::Operands operands{keys.encryption.view(), keys.integrity.view(),
                              ByteView(packet).subspan(8, sizes.iv), aad};
  if (parameters.esn && is_aead(parameters.cipher.encr)) {
    aad.insert(aad.begin() + 4, high.begin(), high.end());
    operands.aad = aad;
  } else if (parameters.esn) {
    operands.suffix = high;
  }
  Bytes icv(sizes.icv);
  ASSERT_TRUE(provider->seal(parameters.cipher, operands, text, icv));
  append(text, icv);
  EXPECT_TRUE(equal(ByteView(packet).subspan(8 + sizes.iv), text));
}

TEST_P(EveryCipher, SizesAreConsistent) {
  auto sealer = Sealer::make(engine, parameters, keys);
  ASSERT_TRUE(sealer);
  for (std::size_t limit = 100; limit < 300; ++limit) {
    const std::size_t payload = sealer->payload_limit(limit);
    EXPECT_LE(sealer->sealed_size(payload), limit);
    EXPECT_GT(sealer->sealed_size(payload + 1), limit);
    EXPECT_LE(sealer->sealed_size(payload), payload + sealer->header_size() + 2 + 15 + kMaxIcv);
  }
}

std::vector<Case> every_case() {
  std::vector<CipherSpec> specs;
  const auto provider = make_openssl_provider();
  for (const Encr encr : {Encr::null, Encr::triple_des, Encr::aes_cbc, Encr::aes_ctr,
                          Encr::aes_ccm_8, Encr::aes_ccm_12, Encr::aes_ccm_16, Encr::aes_gcm_8,
                          Encr::aes_gcm_12, Encr::aes_gcm_16, Encr::chacha20_poly1305})
    for (const std::uint16_t bits : {0, 128, 192, 256})
      for (const Integ integ : {Integ::none, Integ::hmac_md5_96, Integ::hmac_sha1_96,
                                Integ::aes_xcbc_96, Integ::aes_cmac_96, Integ::hmac_sha2_256_128,
                                Integ::hmac_sha2_384_192, Integ::hmac_sha2_512_256}) {
        const CipherSpec spec{encr, bits, integ};
        if (const auto sizes = sizes_of(spec); sizes && sizes->icv && provider->supports(spec))
          specs.push_back(spec);
      }
  std::vector<Case> cases;
  for (const CipherSpec& spec : specs)
    for (const bool esn : {false, true})
      for (const bool only_openssl : {false, true}) cases.push_back({spec, esn, only_openssl});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, EveryCipher, testing::ValuesIn(every_case()), [](const auto& chosen) {
  const Case& c = chosen.param;
  return std::string(name_of(c.spec.encr)) + "_" + std::to_string(c.spec.key_bits) + "_" +
         std::string(name_of(c.spec.integ)) + (c.esn ? "_esn" : "") +
         (c.only_openssl ? "_openssl" : "");
});

// RFC 7634, appendix A: a whole ESP packet.
TEST(Transform, Rfc7634Example) {
  Bytes key(36);
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(0x80 + i);
  const SaKeys keys{Key(key), Key()};
  const Bytes plain = {0x45, 0x00, 0x00, 0x54, 0xa6, 0xf2, 0x00, 0x00, 0x40, 0x01, 0xe7, 0x78,
                       0xc6, 0x33, 0x64, 0x05, 0xc0, 0x00, 0x02, 0x05, 0x08, 0x00, 0x5b, 0x7a,
                       0x3a, 0x08, 0x00, 0x00, 0x55, 0x3b, 0xec, 0x10, 0x00, 0x07, 0x36, 0x27,
                       0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13,
                       0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f,
                       0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b,
                       0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37};
  const Bytes sealed = {
      0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x05, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16,
      0x17, 0x24, 0x03, 0x94, 0x28, 0xb9, 0x7f, 0x41, 0x7e, 0x3c, 0x13, 0x75, 0x3a, 0x4f, 0x05,
      0x08, 0x7b, 0x67, 0xc3, 0x52, 0xe6, 0xa7, 0xfa, 0xb1, 0xb9, 0x82, 0xd4, 0x66, 0xef, 0x40,
      0x7a, 0xe5, 0xc6, 0x14, 0xee, 0x80, 0x99, 0xd5, 0x28, 0x44, 0xeb, 0x61, 0xaa, 0x95, 0xdf,
      0xab, 0x4c, 0x02, 0xf7, 0x2a, 0xa7, 0x1e, 0x7c, 0x4c, 0x4f, 0x64, 0xc9, 0xbe, 0xfe, 0x2f,
      0xac, 0xc6, 0x38, 0xe8, 0xf3, 0xcb, 0xec, 0x16, 0x3f, 0xac, 0x46, 0x9b, 0x50, 0x27, 0x73,
      0xf6, 0xfb, 0x94, 0xe6, 0x64, 0xda, 0x91, 0x65, 0xb8, 0x28, 0x29, 0xf6, 0x41, 0xe0, 0x76,
      0xaa, 0xa8, 0x26, 0x6b, 0x7f, 0xb0, 0xf7, 0xb1, 0x1b, 0x36, 0x99, 0x07, 0xe1, 0xad, 0x43};
  CipherEngine engine;
  const TransformParameters parameters{0x01020304, {Encr::chacha20_poly1305, 0, Integ::none}};
  auto sealer = Sealer::make(engine, parameters, keys);
  auto opener = Opener::make(engine, parameters, keys);
  ASSERT_TRUE(sealer && opener);
  sealer->set_next_sequence(5);
  Bytes packet(sealer->sealed_size(plain.size()));
  std::copy(plain.begin(), plain.end(), packet.begin() + 16);
  auto op = sealer->prepare(packet.data(), plain.size(), 4);
  ASSERT_TRUE(op);
  std::copy_n(sealed.begin() + 8, 8, packet.begin() + 8);  // the example's IV
  sealer->seal({&*op, 1});
  EXPECT_TRUE(equal(packet, sealed));
  const auto opened = open_one(*opener, packet);
  ASSERT_EQ(opened.verdict, Opener::Verdict::ok);
  EXPECT_TRUE(equal(opened.payload, plain));
}

constexpr CipherSpec kGcm{Encr::aes_gcm_16, 128, Integ::none};

TEST(Transform, SequenceNumbersNeverWrap) {
  CipherEngine engine;
  const SaKeys keys = keys_for(kGcm);
  Bytes packet(200);
  auto sealer = *Sealer::make(engine, {1, kGcm}, keys);
  sealer.set_next_sequence(0xffff'ffff);
  EXPECT_TRUE(sealer.prepare(packet.data(), 20, 4));
  EXPECT_FALSE(sealer.prepare(packet.data(), 20, 4));
  EXPECT_FALSE(sealer.prepare(packet.data(), 20, 4));
  auto extended = *Sealer::make(engine, {1, kGcm, true}, keys);
  extended.set_next_sequence(0xffff'ffff);
  EXPECT_TRUE(extended.prepare(packet.data(), 20, 4));
  EXPECT_TRUE(extended.prepare(packet.data(), 20, 4));
  extended.set_next_sequence(~std::uint64_t{0});
  EXPECT_TRUE(extended.prepare(packet.data(), 20, 4));
  EXPECT_FALSE(extended.prepare(packet.data(), 20, 4));
}

TEST(Transform, EsnCrossesTheBoundary) {
  for (const CipherSpec spec : {kGcm, CipherSpec{Encr::aes_cbc, 256, Integ::hmac_sha2_256_128}}) {
    CipherEngine engine;
    const SaKeys keys = keys_for(spec);
    const TransformParameters parameters{7, spec, true, 128};
    auto sealer = *Sealer::make(engine, parameters, keys);
    auto opener = *Opener::make(engine, parameters, keys);
    sealer.set_next_sequence(0xffff'fff0);
    std::vector<Bytes> packets;
    for (int i = 0; i < 32; ++i) packets.push_back(seal_one(sealer, payload_of(50), 4));
    std::swap(packets[14], packets[18]);  // one from before the wrap arrives after it
    for (Bytes& packet : packets) EXPECT_EQ(open_one(opener, packet).verdict, Opener::Verdict::ok);
    EXPECT_EQ(opener.window().top(), 0x1'0000'000fu);
  }
}

TEST(Transform, TwinsInOneBatchAreOneReplay) {
  CipherEngine engine;
  const SaKeys keys = keys_for(kGcm);
  auto sealer = *Sealer::make(engine, {1, kGcm}, keys);
  auto opener = *Opener::make(engine, {1, kGcm}, keys);
  Bytes first = seal_one(sealer, payload_of(50), 4), twin = first;
  CryptoOp ops[2];
  ASSERT_EQ(opener.examine(first, ops[0]), Opener::Verdict::ok);
  ASSERT_EQ(opener.examine(twin, ops[1]), Opener::Verdict::ok);
  opener.open(ops);
  EXPECT_EQ(opener.accept(ops[0]).verdict, Opener::Verdict::ok);
  EXPECT_EQ(opener.accept(ops[1]).verdict, Opener::Verdict::replayed);
}

TEST(Transform, RefusesShortAndMisalignedPackets) {
  const CipherSpec spec{Encr::aes_cbc, 128, Integ::hmac_sha1_96};
  CipherEngine engine;
  const SaKeys keys = keys_for(spec);
  auto opener = *Opener::make(engine, {1, spec}, keys);
  Bytes packet(200);
  packet[7] = 1;
  CryptoOp op;
  for (std::size_t size = 0; size <= packet.size(); ++size) {
    const bool fits = size >= 8 + 16 + 16 + 12 && (size - 36) % 16 == 0;
    EXPECT_EQ(opener.examine(MutableBytes(packet).first(size), op),
              fits ? Opener::Verdict::ok : Opener::Verdict::malformed)
        << size;
  }
}

TEST(Transform, RefusesBadPaddingThatVerifies) {
  CipherEngine engine;
  const SaKeys keys = keys_for(kGcm);
  auto sealer = *Sealer::make(engine, {1, kGcm}, keys);
  auto opener = *Opener::make(engine, {1, kGcm}, keys);
  for (const bool too_long : {false, true}) {
    Bytes packet(sealer.sealed_size(20));
    auto op = sealer.prepare(packet.data(), 20, 4);  // two octets of padding
    ASSERT_TRUE(op);
    packet[op->size - (too_long ? 2 : 4)] = 200;
    sealer.seal({&*op, 1});
    EXPECT_EQ(open_one(opener, packet).verdict, Opener::Verdict::bad_padding);
  }
}

TEST(Transform, RefusesWrongKeysAndUnauthenticatedCiphers) {
  CipherEngine engine;
  const SaKeys empty;
  EXPECT_EQ(Sealer::make(engine, {1, kGcm}, empty).error().reason, Reason::invalid_argument);
  EXPECT_EQ(Sealer::make(engine, {1, {Encr::aes_cbc, 128, Integ::none}}, empty).error().reason,
            Reason::unsupported);
}

}  // namespace
}  // namespace culvert::esp
