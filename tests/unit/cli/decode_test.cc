// IKE messages listed payload by payload, and what is wrong with those that can't be.
#include "cli/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wire/v2/message.h"

namespace culvert::cli {
namespace {

using ::testing::HasSubstr;

Bytes init_request() {
  wire::Header header;
  header.spi_i = 0x1122334455667788;
  header.exchange = wire::ExchangeType::ike_sa_init;
  header.initiator = true;
  wire::Sa sa;
  sa.proposals.push_back({.number = 1,
                          .protocol = wire::ProtocolId::ike,
                          .transforms = {{TransformType::encr, 20, 128, {}},
                                         {TransformType::prf, 5, 0, {}},
                                         {TransformType::ke, 31, 0, {}}}});
  const std::vector<wire::Payload> payloads{
      {wire::PayloadType::sa, sa},
      {wire::PayloadType::ke, wire::KeyExchangePayload{31, Bytes(32, 0x11)}},
      {wire::PayloadType::nonce, wire::Nonce{Bytes(16, 0x22)}},
      {wire::PayloadType::notify, wire::Notify{.type = wire::NotifyType{40'001}, .data = {1, 2}}},
      {wire::PayloadType::vendor_id, wire::VendorId{to_bytes(as_bytes("Culvert"))}}};
  return wire::encode_message(header, payloads);
}

std::string listing(ByteView octets) {
  const auto decoded = decode(octets);
  return decoded ? decoded_text(*decoded) : "error: " + decoded.error();
}

constexpr std::string_view kListing =
    "IKEv2.0 IKE_SA_INIT request from the initiator, message ID 0, 149 octets\n"
    "  SPIs: initiator 1122334455667788, responder 0000000000000000\n"
    "  SA\n"
    "    proposal 1 IKE: ENCR=ENCR_AES_GCM_16-128 PRF=PRF_HMAC_SHA2_256 KE=CURVE25519\n"
    "  KE\n"
    "    method: CURVE25519\n"
    "    public value: 32 octets, "
    "1111111111111111111111111111111111111111111111111111111111111111\n"
    "  Nonce\n"
    "    nonce: 16 octets, 22222222222222222222222222222222\n"
    "  N(40001)\n"
    "    data: 2 octets, 0102\n"
    "  V\n"
    "    \"Culvert\"\n";

TEST(Decode, ListsEveryPayload) { EXPECT_EQ(listing(init_request()), kListing); }

TEST(Decode, SkipsTheNonEspMarker) {
  Bytes octets(4, 0);
  append(octets, init_request());
  EXPECT_EQ(listing(octets), kListing);
}

TEST(Decode, TakesAnSpiThatBeginsWithZerosForWhatItIs) {
  Bytes octets = init_request();
  std::fill_n(octets.begin(), 4, 0);
  EXPECT_THAT(listing(octets), HasSubstr("initiator 0000000055667788"));
}

TEST(Decode, ExplainsWhatItCantRead) {
  const Bytes whole = init_request();
  EXPECT_EQ(listing(ByteView(whole).first(27)),
            "error: no IKE message: 27 octets are less than a header, which has 28");
  EXPECT_THAT(listing(ByteView(whole).first(100)), HasSubstr("malformed: bad length at octet 24"));
  Bytes first_version = whole;
  first_version[17] = 0x10;
  EXPECT_THAT(listing(first_version), HasSubstr("the payloads of IKEv1 messages are not read"));
}

TEST(Decode, ShowsOnlyTheBeginningOfLongData) {
  wire::Header header;
  header.spi_i = 1;
  header.exchange = wire::ExchangeType::ike_auth;
  const std::vector<wire::Payload> payloads{
      {wire::PayloadType::sk, wire::Encrypted{wire::PayloadType::id_i, Bytes(1000, 0xab)}}};
  const auto text = listing(wire::encode_message(header, payloads));
  EXPECT_THAT(text, HasSubstr("first payload inside: IDi"));
  EXPECT_THAT(text, HasSubstr("encrypted: 1000 octets, abab"));
  EXPECT_THAT(text, HasSubstr("ab…\n"));
  EXPECT_LT(text.size(), 400u);
}

TEST(Hex, IsReadLiberally) {
  EXPECT_EQ(parse_hex("c0ffEE"), (Bytes{0xc0, 0xff, 0xee}));
  EXPECT_EQ(parse_hex("0xc0 ff:\nee"), (Bytes{0xc0, 0xff, 0xee}));
  for (const auto* bad : {"", "c", "c0f", "xyz", "/tmp/file", " "})
    EXPECT_EQ(parse_hex(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace culvert::cli
