// SK and SKF payloads: layout, IVs, padding, integrity, fragments.
#include "wire/v2/protected.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/limits.h"
#include "crypto/openssl_provider.h"
#include "tests/fuzz/wire_provider.h"
#include "tests/unit/wire/bytes_of.h"

namespace culvert::wire {
namespace {

using testing::ChecksumProvider;
using testing::hex;

constexpr std::uint16_t kInvalidSyntax = 7;
constexpr CipherSpec kGcm{Encr::aes_gcm_16, 128, Integ::none};
constexpr CipherSpec kCbc{Encr::aes_cbc, 128, Integ::hmac_sha1_96};

// RFC 7634, appendix B.
const char kRfc7634Message[] =
    "c0c1c2c3c4c5c6c7 d0d1d2d3d4d5d6d7 2e202500 00000009 00000045"
    "29000029 1011121314151617 61039470 1f8d017f 7c129248 89"
    "6b71bfe25236efd7cdc670669063 15b2";
const char kRfc7634Key[] =
    "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f a0a1a2a3";

Header informational() {
  Header header;
  header.spi_i = 0xc0c1c2c3c4c5c6c7;
  header.spi_r = 0xd0d1d2d3d4d5d6d7;
  header.exchange = ExchangeType::informational;
  header.message_id = 9;
  return header;
}

std::vector<Payload> set_window_size() {
  return {{PayloadType::notify,
           Notify{ProtocolId::none, {}, NotifyType::set_window_size, hex("0000000a")}}};
}

std::vector<Payload> long_payloads(std::size_t size) {
  return {{PayloadType::vendor_id, VendorId{Bytes(size, 0x77)}}};
}

struct Protected : ::testing::TestWithParam<CipherSpec> {
  ChecksumProvider provider;
  Bytes encryption = Bytes(20, 0x11);
  Bytes integrity = Bytes(20, 0x22);
  ProtectionKeys keys{GetParam(), encryption, integrity};
};

INSTANTIATE_TEST_SUITE_P(, Protected, ::testing::Values(kGcm, kCbc),
                         [](const auto& param) { return param.param == kGcm ? "gcm" : "cbc"; });

TEST(ProtectedRfc7634, AppendixB) {
  const auto provider = make_openssl_provider();
  const Bytes key = hex(kRfc7634Key);
  const ProtectionKeys keys{{Encr::chacha20_poly1305, 0, Integ::none}, key, {}};
  const auto sealed =
      seal_message(*provider, keys, informational(), set_window_size(), 0x1011121314151617);
  ASSERT_TRUE(sealed);
  EXPECT_EQ(*sealed, hex(kRfc7634Message));
  const auto opened = open_message(*provider, keys, hex(kRfc7634Message));
  ASSERT_TRUE(opened);
  EXPECT_EQ(*opened, set_window_size());
}

TEST(ProtectedOpenssl, EveryKindOfCipherRoundTrips) {
  const auto provider = make_openssl_provider();
  for (const CipherSpec cipher :
       {kGcm, kCbc, CipherSpec{Encr::aes_ctr, 256, Integ::hmac_sha2_256_128},
        CipherSpec{Encr::aes_ccm_12, 192, Integ::none}}) {
    const auto sizes = sizes_of(cipher);
    ASSERT_TRUE(sizes);
    const Bytes encryption(sizes->key, 0x31), integrity(sizes->integ_key, 0x32);
    const ProtectionKeys keys{cipher, encryption, integrity};
    auto sealed = seal_message(*provider, keys, informational(), long_payloads(100), 1);
    ASSERT_TRUE(sealed);
    EXPECT_EQ(open_message(*provider, keys, *sealed).value(), long_payloads(100));
    sealed->at(20) ^= 1;  // in the header, which is authenticated too
    EXPECT_EQ(open_message(*provider, keys, *sealed).error().reason, Reason::bad_integrity);
  }
}

TEST_P(Protected, RoundTripsAtEveryAlignment) {
  for (std::size_t size = 0; size < 40; ++size) {
    const auto sealed = seal_message(provider, keys, informational(), long_payloads(size), size);
    ASSERT_TRUE(sealed);
    const auto header = decode_header(*sealed);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->next_payload, PayloadType::sk);
    const auto opened = open_encrypted(provider, keys, *sealed);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->inner, PayloadType::vendor_id);
    EXPECT_EQ(opened->plaintext.size(), size + 4);
    EXPECT_EQ(open_message(provider, keys, *sealed).value(), long_payloads(size));
  }
}

TEST_P(Protected, EmptyMessage) {
  const auto sealed = seal_message(provider, keys, informational(), {}, 1);
  ASSERT_TRUE(sealed);
  EXPECT_EQ(sealed->at(28), 0);
  const auto opened = open_message(provider, keys, *sealed);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(opened->empty());
}

TEST_P(Protected, EveryOctetIsAuthenticated) {
  const auto sealed = seal_message(provider, keys, informational(), set_window_size(), 1);
  ASSERT_TRUE(sealed);
  for (std::size_t i = 0; i < sealed->size(); ++i) {
    Bytes changed = *sealed;
    changed[i] ^= 0x01;
    EXPECT_FALSE(open_message(provider, keys, changed)) << "octet " << i;
  }
}

TEST_P(Protected, TruncationIsAnError) {
  const auto sealed = seal_message(provider, keys, informational(), {}, 1);
  ASSERT_TRUE(sealed);
  for (std::size_t size = kHeaderSize + kGenericHeaderSize; size < sealed->size(); ++size) {
    Bytes cut(sealed->begin(), sealed->begin() + static_cast<std::ptrdiff_t>(size));
    Writer writer(cut);
    writer.patch_u32(24, static_cast<std::uint32_t>(size));
    writer.patch_u16(30, static_cast<std::uint16_t>(size - kHeaderSize));
    const auto opened = open_message(provider, keys, cut);
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().reason, Reason::bad_integrity) << size;
  }
}

TEST(ProtectedLayout, CounterIvForAeadRandomForCbc) {
  ChecksumProvider provider;
  const Bytes key(20, 1);
  const auto gcm = seal_message(provider, {kGcm, key, {}}, informational(), {}, 0x0102030405060708);
  ASSERT_TRUE(gcm);
  EXPECT_TRUE(equal(ByteView(*gcm).subspan(32, 8), hex("0102030405060708")));
  EXPECT_EQ(gcm->size(), 28u + 4 + 8 + 1 + 16);
  const auto cbc = seal_message(provider, {kCbc, key, key}, informational(), {}, 1);
  ASSERT_TRUE(cbc);
  Bytes iv(16);
  ChecksumProvider().random(iv);
  EXPECT_TRUE(equal(ByteView(*cbc).subspan(32, 16), iv));
  EXPECT_EQ(cbc->size(), 28u + 4 + 16 + 16 + 12);
}

TEST(ProtectedLayout, BlockCiphersNeedWholeBlocks) {
  ChecksumProvider provider;
  const Bytes key(20, 1);
  const ProtectionKeys keys{kCbc, key, key};
  auto sealed = seal_message(provider, keys, informational(), long_payloads(40), 1);
  ASSERT_TRUE(sealed);
  sealed->insert(sealed->end() - 12, 0);
  Writer writer(*sealed);
  writer.patch_u32(24, static_cast<std::uint32_t>(sealed->size()));
  writer.patch_u16(30, static_cast<std::uint16_t>(sealed->size() - kHeaderSize));
  EXPECT_EQ(open_message(provider, keys, *sealed).error().reason, Reason::bad_length);
}

TEST(ProtectedRefusals, CiphersThatDontProtectBoth) {
  ChecksumProvider provider;
  const Bytes key(20, 1);
  for (const CipherSpec cipher :
       {CipherSpec{Encr::aes_cbc, 128, Integ::none}, CipherSpec{Encr::null, 0, Integ::hmac_sha1_96},
        CipherSpec{Encr::none, 0, Integ::hmac_sha1_96},
        CipherSpec{Encr::null_auth_aes_gmac, 128, Integ::none}}) {
    const ProtectionKeys keys{cipher, key, key};
    EXPECT_EQ(seal_message(provider, keys, informational(), {}, 1).error().reason,
              Reason::unsupported);
    EXPECT_EQ(open_message(provider, keys, hex(kRfc7634Message)).error().reason,
              Reason::unsupported);
  }
  EXPECT_EQ(provider.seals, 0);
}

TEST_P(Protected, TooLargeToSend) {
  EXPECT_TRUE(seal_message(provider, keys, informational(), long_payloads(65000), 1));
  EXPECT_EQ(seal_message(provider, keys, informational(), long_payloads(65500), 1).error().reason,
            Reason::too_large);
  EXPECT_EQ(seal_message(provider, keys, informational(), long_payloads(70000), 1).error().reason,
            Reason::too_large);
}

// A message whose sealed plaintext is `plaintext`, padding and all.
Bytes sealed_raw(ChecksumProvider& provider, const ProtectionKeys& keys, PayloadType inner,
                 Bytes plaintext) {
  Header header = informational();
  header.next_payload = PayloadType::sk;
  header.length = static_cast<std::uint32_t>(kHeaderSize + 4 + 8 + plaintext.size() + 16);
  Bytes out;
  Writer writer(out);
  encode_header(header, writer);
  writer.u8(static_cast<std::uint8_t>(inner));
  writer.u8(0);
  writer.u16(static_cast<std::uint16_t>(header.length - kHeaderSize));
  writer.u64(1);
  const ByteView iv = ByteView(out).subspan(32, 8);
  Bytes icv(16);
  EXPECT_TRUE(provider.seal(
      keys.cipher, {keys.encryption, keys.integrity, iv, ByteView(out).first(32)}, plaintext, icv));
  append(out, plaintext);
  append(out, icv);
  return out;
}

TEST(ProtectedPadding, AnyLengthIsAcceptedAndTooMuchRefused) {
  ChecksumProvider provider;
  const Bytes key(20, 1);
  const ProtectionKeys keys{kGcm, key, {}};
  Bytes padded = hex("00 00 0005 aa");
  padded.resize(5 + 255, 0x99);
  padded.push_back(255);
  const auto inside =
      open_message(provider, keys, sealed_raw(provider, keys, PayloadType::vendor_id, padded));
  ASSERT_TRUE(inside);
  EXPECT_EQ(*inside, (std::vector<Payload>{{PayloadType::vendor_id, VendorId{hex("aa")}}}));

  const auto bad =
      open_message(provider, keys, sealed_raw(provider, keys, PayloadType::none, hex("00 02")));
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error(),
            (Error{Fault::peer_misbehaved, Reason::bad_padding, kInvalidSyntax, 28 + 4 + 8 + 1}));
  EXPECT_TRUE(
      open_message(provider, keys, sealed_raw(provider, keys, PayloadType::none, hex("00 01"))));
}

TEST(ProtectedErrors, OffsetsCountFromTheDatagram) {
  ChecksumProvider provider;
  const Bytes key(20, 1);
  const ProtectionKeys keys{kGcm, key, {}};
  const auto inside = open_message(
      provider, keys, sealed_raw(provider, keys, PayloadType::nonce, hex("00 00 0005 aa 00")));
  ASSERT_FALSE(inside);
  EXPECT_EQ(inside.error(),
            (Error{Fault::peer_misbehaved, Reason::bad_length, kInvalidSyntax, 28 + 4 + 8 + 4}));
}

TEST(ProtectedErrors, WhatStandsOutsideSk) {
  ChecksumProvider provider;
  const Bytes key(20, 1);
  const ProtectionKeys keys{kGcm, key, {}};
  const Payload vendor_id{PayloadType::vendor_id, VendorId{}};
  const Payload sk{PayloadType::sk, Encrypted{PayloadType::none, Bytes(40)}};
  const auto reason_of = [&](std::vector<Payload> payloads) {
    return open_message(provider, keys, encode_message(informational(), payloads)).error().reason;
  };
  EXPECT_EQ(reason_of({vendor_id, sk}), Reason::bad_order);
  EXPECT_EQ(reason_of({vendor_id}), Reason::missing_payload);
  EXPECT_EQ(reason_of({}), Reason::missing_payload);
  EXPECT_EQ(reason_of({sk, vendor_id}), Reason::bad_order);
  EXPECT_EQ(reason_of({sk}), Reason::bad_integrity);
  Bytes v1 = encode_message(informational(), std::vector{sk});
  v1[17] = 0x10;
  EXPECT_EQ(open_message(provider, keys, v1).error().reason, Reason::unsupported_version);
}

TEST_P(Protected, FragmentsJoinToTheMessage) {
  for (const std::size_t max_datagram : {100u, 101u, 548u, 1252u}) {
    const auto datagrams =
        seal_fragments(provider, keys, informational(), long_payloads(3000), 70, max_datagram);
    ASSERT_TRUE(datagrams);
    ASSERT_GT(datagrams->size(), 1u);
    Bytes joined;
    std::set<Bytes> ivs;
    for (std::size_t i = 0; i < datagrams->size(); ++i) {
      const Bytes& datagram = (*datagrams)[i];
      EXPECT_LE(datagram.size(), max_datagram);
      EXPECT_EQ(decode_header(datagram)->message_id, 9u);
      ivs.insert(to_bytes(ByteView(datagram).subspan(36, 8)));
      const auto fragment = open_fragment(provider, keys, datagram);
      ASSERT_TRUE(fragment);
      EXPECT_EQ(fragment->number, i + 1);
      EXPECT_EQ(fragment->total, datagrams->size());
      // RFC 7383, 2.5: the first inner type is in the first fragment only.
      EXPECT_EQ(fragment->inner, i == 0 ? PayloadType::vendor_id : PayloadType::none);
      append(joined, fragment->plaintext);
    }
    EXPECT_EQ(ivs.size(), datagrams->size());
    EXPECT_EQ(decode_payloads(PayloadType::vendor_id, joined).value(), long_payloads(3000));
  }
}

TEST_P(Protected, FragmentsAreAsFewAsPossible) {
  const auto datagrams =
      seal_fragments(provider, keys, informational(), long_payloads(3000), 1, 548);
  ASSERT_TRUE(datagrams);
  const std::size_t block = sizes_of(GetParam())->block;
  for (std::size_t i = 0; i + 1 < datagrams->size(); ++i)
    EXPECT_GT((*datagrams)[i].size() + block, 548u);
}

TEST_P(Protected, OneDatagramNeedsNoFragments) {
  const auto whole = seal_message(provider, keys, informational(), long_payloads(300), 1);
  ASSERT_TRUE(whole);
  const auto exact =
      seal_fragments(provider, keys, informational(), long_payloads(300), 1, whole->size());
  ASSERT_TRUE(exact);
  ASSERT_EQ(exact->size(), 1u);
  EXPECT_EQ(open_message(provider, keys, exact->front()).value(), long_payloads(300));
  const auto less =
      seal_fragments(provider, keys, informational(), long_payloads(300), 1, whole->size() - 1);
  ASSERT_TRUE(less);
  EXPECT_EQ(less->size(), 2u);
}

TEST_P(Protected, FragmentsNeedRoom) {
  EXPECT_EQ(
      seal_fragments(provider, keys, informational(), long_payloads(300), 1, 40).error().reason,
      Reason::too_large);
}

TEST_P(Protected, FragmentPositionIsAuthenticated) {
  const auto datagrams =
      seal_fragments(provider, keys, informational(), long_payloads(3000), 1, 548);
  ASSERT_TRUE(datagrams);
  Bytes changed = datagrams->front();
  changed.at(33) = 2;  // fragment number
  EXPECT_EQ(open_fragment(provider, keys, changed).error().reason, Reason::bad_integrity);
  changed.at(33) = 0;
  EXPECT_EQ(open_fragment(provider, keys, changed).error().reason, Reason::bad_value);
  EXPECT_EQ(open_message(provider, keys, datagrams->front()).error().reason,
            Reason::missing_payload);
}

}  // namespace
}  // namespace culvert::wire
