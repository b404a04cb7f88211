// Chains of payloads: order, the critical bit, limits, and identity of decoding after encoding.
#include "wire/v2/message.h"

#include <gtest/gtest.h>

#include <random>

#include "base/limits.h"
#include "tests/fuzz/wire_values.h"
#include "tests/unit/wire/bytes_of.h"

namespace culvert::wire {
namespace {

using testing::hex;

constexpr std::uint16_t kInvalidSyntax = 7;
constexpr std::uint16_t kUnsupportedCritical = 1;

Header init_header() {
  Header header;
  header.spi_i = 1;
  header.exchange = ExchangeType::ike_sa_init;
  header.initiator = true;
  return header;
}

Bytes datagram(PayloadType first, const Bytes& chain) {
  Header header = init_header();
  header.next_payload = first;
  header.length = static_cast<std::uint32_t>(kHeaderSize + chain.size());
  Bytes out;
  Writer writer(out);
  encode_header(header, writer);
  writer.bytes(chain);
  return out;
}

TEST(Message, ChainsPayloads) {
  const std::vector<Payload> payloads{
      {PayloadType::ke, KeyExchangePayload{31, hex("aa")}},
      {PayloadType::notify, Notify{ProtocolId::none, {}, NotifyType::cookie, hex("bb")}}};
  const Bytes encoded = encode_message(init_header(), payloads);
  EXPECT_EQ(encoded, datagram(PayloadType::ke, hex("29 00 0009 001f 0000 aa"
                                                   "00 00 0009 00 00 4006 bb")));
  const auto message = decode_message(encoded);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->payloads, payloads);
  EXPECT_EQ(message->header.length, encoded.size());
  ASSERT_TRUE(find<KeyExchangePayload>(message->payloads, PayloadType::ke));
  EXPECT_EQ(find<KeyExchangePayload>(message->payloads, PayloadType::ke)->method, 31);
  EXPECT_EQ(find<Nonce>(message->payloads, PayloadType::nonce), nullptr);
  ASSERT_TRUE(find_notify(message->payloads, NotifyType::cookie));
  EXPECT_EQ(find_notify(message->payloads, NotifyType::rekey_sa), nullptr);
}

TEST(Message, MayBeEmpty) {
  const auto message = decode_message(datagram(PayloadType::none, {}));
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->payloads.empty());
  EXPECT_EQ(decode_message(datagram(PayloadType::none, hex("00000004"))).error(),
            (Error{Fault::peer_misbehaved, Reason::bad_length, 0, 28}));
}

TEST(Message, RefusesIkev1) {
  Bytes bytes = datagram(PayloadType::none, {});
  bytes[17] = 0x10;
  EXPECT_EQ(decode_message(bytes).error().reason, Reason::unsupported_version);
}

TEST(Message, LengthsOfPayloadsMustAgree) {
  const auto error_of = [](const char* chain) {
    return decode_message(datagram(PayloadType::vendor_id, hex(chain))).error();
  };
  EXPECT_EQ(error_of("00 00 0003"), (Error{Fault::peer_misbehaved, Reason::bad_length, 0, 28}));
  EXPECT_EQ(error_of("00 00 0005"), (Error{Fault::peer_misbehaved, Reason::truncated, 0, 32}));
  EXPECT_EQ(error_of("2b 00 0004"), (Error{Fault::peer_misbehaved, Reason::truncated, 0, 32}));
  EXPECT_EQ(error_of("00 00 0004 00"), (Error{Fault::peer_misbehaved, Reason::bad_length, 0, 32}));
  // A body that ends before its payload does.
  EXPECT_EQ(error_of("2a 00 0004 00 00 0009 01 00 0000 ff"),
            (Error{Fault::peer_misbehaved, Reason::bad_length, 0, 40}));
}

TEST(Message, UnknownPayloadsAreKeptUnlessCritical) {
  const Bytes chain = hex("c8 00 0005 aa 00 00 0004");
  const auto message = decode_message(datagram(PayloadType{199}, chain));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->payloads, (std::vector<Payload>{{PayloadType{199}, Unknown{hex("aa")}},
                                                     {PayloadType{200}, Unknown{}}}));
  EXPECT_EQ(first_unknown_critical(PayloadType{199}, chain), std::nullopt);

  const Bytes critical = hex("c8 00 0005 aa 00 80 0004");
  EXPECT_EQ(
      decode_message(datagram(PayloadType{199}, critical)).error(),
      (Error{Fault::peer_misbehaved, Reason::unsupported_critical, kUnsupportedCritical, 33}));
  EXPECT_EQ(first_unknown_critical(PayloadType{199}, critical), PayloadType{200});
  EXPECT_EQ(decode_payloads(PayloadType{199}, critical).error().notify, kUnsupportedCritical);
}

TEST(Message, CriticalBitOfKnownPayloadsIsIgnored) {
  const auto message = decode_message(datagram(PayloadType::vendor_id, hex("00 ff 0005 aa")));
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->payloads.at(0).critical);
  EXPECT_EQ(encode_message(message->header, message->payloads)[29], 0x80);  // reserved bits cleared
}

TEST(Message, EncryptedPayloadIsKeptAndLast) {
  const Bytes chain = hex("21 00 0006 aabb");
  const auto message = decode_message(datagram(PayloadType::sk, chain));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->payloads.at(0).body, PayloadBody(Encrypted{PayloadType::sa, hex("aabb")}));
  EXPECT_EQ(encode_message(message->header, message->payloads), datagram(PayloadType::sk, chain));

  EXPECT_EQ(decode_message(datagram(PayloadType::sk, hex("2b 00 0006 aabb 00 00 0004"))).error(),
            (Error{Fault::peer_misbehaved, Reason::bad_order, 0, 34}));
}

TEST(Message, EncryptedPayloadsDontNest) {
  for (const PayloadType type : {PayloadType::sk, PayloadType::skf}) {
    const auto payloads = decode_payloads(type, hex("00 00 000a 0001 0001 aabb"), 100);
    ASSERT_FALSE(payloads);
    EXPECT_EQ(payloads.error(),
              (Error{Fault::peer_misbehaved, Reason::unexpected_payload, kInvalidSyntax, 100}));
  }
}

TEST(Message, FragmentIsKept) {
  const Bytes chain = hex("00 00 000a 0002 0003 aabb");
  const auto message = decode_message(datagram(PayloadType::skf, chain));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->payloads.at(0).body,
            PayloadBody(EncryptedFragment{PayloadType::none, 2, 3, hex("aabb")}));
  EXPECT_EQ(encode_message(message->header, message->payloads), datagram(PayloadType::skf, chain));
}

TEST(Message, OnlyProtectedSyntaxErrorsAreAnswered) {
  const Bytes chain = hex("00 00 0005 aa");  // a nonce of one octet
  EXPECT_EQ(decode_message(datagram(PayloadType::nonce, chain)).error(),
            (Error{Fault::peer_misbehaved, Reason::bad_length, 0, 32}));
  EXPECT_EQ(decode_payloads(PayloadType::nonce, chain, 50).error(),
            (Error{Fault::peer_misbehaved, Reason::bad_length, kInvalidSyntax, 54}));
}

TEST(Message, PayloadsAreBounded) {
  std::vector<Payload> payloads(limits::kMaxPayloads, {PayloadType::vendor_id, VendorId{}});
  EXPECT_TRUE(decode_message(encode_message(init_header(), payloads)));
  payloads.emplace_back(PayloadType::vendor_id, VendorId{});
  EXPECT_EQ(decode_message(encode_message(init_header(), payloads)).error(),
            (Error{Fault::peer_misbehaved, Reason::too_large, 0, 28 + 4 * 128}));
}

TEST(Message, FitsSaysWhatLengthsAndCountsAllow) {
  const auto one = [](PayloadType type, PayloadBody body) {
    return std::vector<Payload>{{type, std::move(body)}};
  };
  const std::size_t most = limits::kMaxMessageSize - kHeaderSize - kGenericHeaderSize;
  EXPECT_TRUE(fits(one(PayloadType::vendor_id, VendorId{Bytes(most)})));
  EXPECT_FALSE(fits(one(PayloadType::vendor_id, VendorId{Bytes(most + 1)})));
  EXPECT_FALSE(fits(one(PayloadType::notify, Notify{ProtocolId::none, Bytes(256), {}, {}})));
  Proposal proposal;
  proposal.transforms.resize(256);
  EXPECT_FALSE(fits(one(PayloadType::sa, Sa{{proposal}})));
  proposal.transforms.pop_back();
  EXPECT_TRUE(fits(one(PayloadType::sa, Sa{{proposal}})));
  EXPECT_FALSE(fits(one(PayloadType::ts_i, TrafficSelectors{std::vector<Selector>(256)})));
}

// Seeded, so that a failure repeats.
TEST(Message, DecodingUndoesEncoding) {
  std::mt19937_64 random(7296);
  for (int round = 0; round < 2000; ++round) {
    Bytes octets(4096);
    for (std::uint8_t& octet : octets) octet = static_cast<std::uint8_t>(random());
    testing::Values values(octets);
    const Header header = values.header();
    const std::vector<Payload> payloads = values.payloads();
    const Bytes encoded = encode_message(header, payloads);
    ASSERT_EQ(encoded.size(), kHeaderSize + encoded_size(payloads));
    const auto message = decode_message(encoded);
    ASSERT_TRUE(message) << "round " << round;
    ASSERT_EQ(message->payloads, payloads) << "round " << round;
    ASSERT_EQ(encode_message(message->header, message->payloads), encoded);
    // No prefix passes for the whole, and none crashes.
    const std::size_t cut = random() % encoded.size();
    ASSERT_FALSE(decode_message(ByteView(encoded).first(cut)));
  }
}

}  // namespace
}  // namespace culvert::wire
