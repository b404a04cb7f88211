// Each payload: what its fields look like on the wire, and what its decoder refuses.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "tests/unit/wire/bytes_of.h"
#include "wire/v2/message.h"

namespace culvert::wire {
namespace {

using testing::hex;

template <class T>
Result<T> decode(ByteView bytes) {
  Reader reader(bytes);
  auto value = T::decode(reader);
  if (value && !reader.empty()) return reader.bad(Reason::bad_length);
  return value;
}

template <class T>
Bytes encode(const T& value) {
  Bytes out;
  Writer writer(out);
  value.encode(writer);
  EXPECT_EQ(out.size(), value.encoded_size());
  return out;
}

template <class T>
void expect_same(const T& value, const Bytes& bytes) {
  const auto decoded = decode<T>(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, value);
  EXPECT_EQ(encode(value), bytes);
}

template <class T>
void expect_refused(const Bytes& bytes, Reason reason, std::uint32_t offset) {
  const auto decoded = decode<T>(bytes);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error(), (Error{Fault::peer_misbehaved, reason, 0, offset}));
}

// ESP with AES-CBC-128 and HMAC-SHA1-96, then ESP with AES-GCM-16-256.
const char kTwoProposals[] =
    "02 00 0020 01 03 04 02 c0ffee01"
    "03 00 000c 01 00 000c 800e0080"
    "00 00 0008 03 00 0002"
    "00 00 0018 02 03 04 01 c0ffee02"
    "00 00 000c 01 00 0014 800e0100";

Sa two_proposals() {
  return {{{1,
            ProtocolId::esp,
            hex("c0ffee01"),
            {{TransformType::encr, 12, 128, {}}, {TransformType::integ, 2, 0, {}}}},
           {2, ProtocolId::esp, hex("c0ffee02"), {{TransformType::encr, 20, 256, {}}}}}};
}

Bytes patched(const char* text, std::size_t at, std::uint8_t value) {
  Bytes bytes = hex(text);
  bytes.at(at) = value;
  return bytes;
}

TEST(SaPayload, TwoProposals) { expect_same(two_proposals(), hex(kTwoProposals)); }

TEST(SaPayload, ReservedOctetsAreIgnored) {
  for (const std::size_t at : {1u, 13u, 17u}) {
    const auto sa = decode<Sa>(patched(kTwoProposals, at, 0xff));
    ASSERT_TRUE(sa);
    EXPECT_EQ(*sa, two_proposals());
  }
}

TEST(SaPayload, KeepsUnknownNumbersAndAttributes) {
  const Bytes bytes =
      hex("00 00 002c 07 c8 03 02 aabbcc"
          "03 00 0015 f1 00 abcd 8011 1234 0012 0001 ff 800e 00c0"
          "00 00 000c 01 00 000c 000e 0000");
  const auto sa = decode<Sa>(bytes);
  ASSERT_TRUE(sa);
  const Proposal& proposal = sa->proposals.at(0);
  EXPECT_EQ(proposal.number, 7);
  EXPECT_EQ(proposal.protocol, ProtocolId{200});
  EXPECT_EQ(proposal.spi, hex("aabbcc"));
  const Transform& unknown = proposal.transforms.at(0);
  EXPECT_EQ(unknown.type, TransformType{0xf1});
  EXPECT_EQ(unknown.key_bits, 192);
  EXPECT_EQ(unknown.others,
            (std::vector<Attribute>{{0x11, true, 0x1234, {}}, {0x12, false, 0, hex("ff")}}));
  // RFC 7296, 3.3.5: Key Length has a short form only.
  EXPECT_EQ(proposal.transforms.at(1).key_bits, 0);
  EXPECT_EQ(proposal.transforms.at(1).others, (std::vector<Attribute>{{14, false, 0, {}}}));
  EXPECT_EQ(*decode<Sa>(encode(*sa)), *sa);
}

TEST(SaPayload, SecondOrZeroKeyLengthIsAnOtherAttribute) {
  const Bytes bytes =
      hex("00 00 001c 01 01 00 01 00 00 0014 01 00 000c 800e0000 800e0080 800e0100");
  const auto sa = decode<Sa>(bytes);
  ASSERT_TRUE(sa);
  const Transform& transform = sa->proposals.at(0).transforms.at(0);
  EXPECT_EQ(transform.key_bits, 128);
  EXPECT_EQ(transform.others, (std::vector<Attribute>{{14, true, 0, {}}, {14, true, 256, {}}}));
  EXPECT_EQ(*decode<Sa>(encode(*sa)), *sa);
}

TEST(SaPayload, RefusesLyingSubstructures) {
  expect_refused<Sa>({}, Reason::truncated, 0);
  expect_refused<Sa>(patched(kTwoProposals, 0, 0), Reason::bad_value, 0);    // more follow
  expect_refused<Sa>(patched(kTwoProposals, 0, 3), Reason::bad_value, 0);    // wrong marker
  expect_refused<Sa>(patched(kTwoProposals, 32, 2), Reason::bad_value, 32);  // no more follow
  expect_refused<Sa>(patched(kTwoProposals, 12, 0), Reason::bad_value, 12);
  expect_refused<Sa>(patched(kTwoProposals, 3, 3), Reason::bad_length, 0);
  expect_refused<Sa>(patched(kTwoProposals, 15, 2), Reason::bad_length, 12);
  expect_refused<Sa>(patched(kTwoProposals, 35, 0x19), Reason::truncated, 36);
}

TEST(SaPayload, TransformCountMustAgree) {
  expect_refused<Sa>(patched(kTwoProposals, 7, 1), Reason::bad_length, 7);
  expect_refused<Sa>(patched(kTwoProposals, 7, 3), Reason::bad_length, 7);
  // Room enough for the count at eight octets each, but fewer are there.
  expect_refused<Sa>(hex("00 00 0018 01 01 00 02 00 00 0010 01 00 000c 800e0080 80110000"),
                     Reason::bad_length, 7);
}

TEST(SaPayload, ProposalNumbersRiseByOne) {
  expect_refused<Sa>(patched(kTwoProposals, 36, 1), Reason::bad_value, 32);
  expect_refused<Sa>(patched(kTwoProposals, 36, 3), Reason::bad_value, 32);
}

TEST(SaPayload, SpiSizeIsTheProtocols) {
  expect_refused<Sa>(patched(kTwoProposals, 6, 8), Reason::bad_value, 6);
  expect_refused<Sa>(patched(kTwoProposals, 6, 0), Reason::bad_value, 6);
  expect_refused<Sa>(hex("00 00 000c 01 01 04 00 01020304"), Reason::bad_value, 6);
  EXPECT_TRUE(decode<Sa>(hex("00 00 0008 01 01 00 00")));
  EXPECT_TRUE(decode<Sa>(hex("00 00 0010 01 01 08 00 0102030405060708")));
}

TEST(SaPayload, ProposalsAreBounded) {
  Sa sa;
  for (std::size_t i = 0; i < limits::kMaxProposals; ++i)
    sa.proposals.push_back({static_cast<std::uint8_t>(i + 1), ProtocolId::ike, {}, {}});
  EXPECT_TRUE(decode<Sa>(encode(sa)));
  sa.proposals.push_back({65, ProtocolId::ike, {}, {}});
  expect_refused<Sa>(encode(sa), Reason::too_large, 8 * 64);
}

TEST(KePayload, MethodReservedData) {
  expect_same(KeyExchangePayload{31, hex("0a0b0c")}, hex("001f 0000 0a0b0c"));
  EXPECT_TRUE(decode<KeyExchangePayload>(hex("001f ffff 0a")));
  expect_refused<KeyExchangePayload>(hex("001f00"), Reason::truncated, 2);
}

TEST(IdentificationPayload, KeepsReservedForAuth) {
  const Identification id{IdType::fqdn, hex("6162"), {1, 2, 3}};
  expect_same(id, hex("02 010203 6162"));
  EXPECT_EQ(id.body(), hex("02 010203 6162"));
}

TEST(IdentificationPayload, AddressesHaveTheirSize) {
  EXPECT_TRUE(decode<Identification>(hex("01 000000 c0000201")));
  expect_refused<Identification>(hex("01 000000 c00002"), Reason::bad_length, 4);
  expect_refused<Identification>(hex("05 000000 c0000201"), Reason::bad_length, 4);
}

TEST(IdentificationPayload, SizeIsBounded) {
  Identification id{IdType::key_id, Bytes(limits::kMaxIdentitySize)};
  EXPECT_TRUE(decode<Identification>(id.body()));
  id.data.push_back(0);
  expect_refused<Identification>(id.body(), Reason::too_large, 4);
}

TEST(CertPayloads, EncodingAndData) {
  expect_same(Cert{4, hex("3000")}, hex("04 3000"));
  expect_same(CertReq{12, {}}, hex("0c"));
  expect_refused<Cert>({}, Reason::truncated, 0);
  expect_refused<CertReq>({}, Reason::truncated, 0);
}

TEST(AuthPayload, MethodAndData) {
  expect_same(Auth{AuthMethod::shared_key, hex("aabb")}, hex("02 000000 aabb"));
  EXPECT_TRUE(decode<Auth>(hex("02 ffffff")));
  expect_refused<Auth>(hex("02 0000"), Reason::truncated, 1);
}

TEST(NoncePayload, SixteenTo256Octets) {
  expect_same(Nonce{Bytes(16, 7)}, Bytes(16, 7));
  expect_same(Nonce{Bytes(256, 7)}, Bytes(256, 7));
  expect_refused<Nonce>(Bytes(15), Reason::bad_length, 0);
  expect_refused<Nonce>(Bytes(257), Reason::bad_length, 0);
}

TEST(NotifyPayload, WithAndWithoutSpi) {
  expect_same(Notify{ProtocolId::esp, hex("c0ffee01"), NotifyType::rekey_sa, {}},
              hex("03 04 4009 c0ffee01"));
  expect_same(Notify{ProtocolId::none, {}, NotifyType{50000}, hex("0102")}, hex("00 00 c350 0102"));
  expect_refused<Notify>(hex("00 04 4009 c0ffee"), Reason::truncated, 4);
  expect_refused<Notify>(hex("03 08 4009 0102030405060708"), Reason::bad_value, 1);
}

TEST(DeletePayload, IkeAndChildren) {
  expect_same(Delete::ike_sa(), hex("01 00 0000"));
  const Delete children = Delete::child_sas(ProtocolId::esp, std::vector{0x01020304u, 0xa0b0c0d0u});
  expect_same(children, hex("03 04 0002 01020304 a0b0c0d0"));
  EXPECT_EQ(children.count(), 2u);
  EXPECT_TRUE(equal(children.spi(1), hex("a0b0c0d0")));
  EXPECT_EQ(Delete::ike_sa().count(), 0u);
}

TEST(DeletePayload, SizesAndCounts) {
  expect_refused<Delete>(hex("01 08 0001 0102030405060708"), Reason::bad_value, 1);
  expect_refused<Delete>(hex("03 00 0001"), Reason::bad_value, 1);
  expect_refused<Delete>(hex("03 04 0002 01020304"), Reason::truncated, 4);
  expect_refused<Delete>(hex("03 04 0001 01020304 05060708"), Reason::bad_length, 8);
  expect_refused<Delete>(hex("03 04 0401"), Reason::too_large, 2);
}

TEST(TrafficSelectorPayload, RangesOfBothFamilies) {
  const TrafficSelectors ts{{{TsType::ipv4,
                              17,
                              500,
                              4500,
                              *IpAddress::parse("10.0.0.0"),
                              *IpAddress::parse("10.0.0.9"),
                              {}},
                             {TsType::ipv6,
                              0,
                              0,
                              65535,
                              *IpAddress::parse("2001:db8::"),
                              *IpAddress::parse("2001:db8::ffff"),
                              {}}}};
  expect_same(ts, hex("02 000000"
                      "07 11 0010 01f4 1194 0a000000 0a000009"
                      "08 00 0028 0000 ffff 20010db8000000000000000000000000"
                      "20010db800000000000000000000ffff"));
}

TEST(TrafficSelectorPayload, OtherTypesAreKept) {
  const TrafficSelectors ts{{{TsType::seclabel, 0, 0, 65535, {}, {}, hex("6c6162656c")}}};
  expect_same(ts, hex("01 000000 0a 00 0009 6c6162656c"));
}

TEST(TrafficSelectorPayload, OpaquePortsAreLegal) {
  const auto ts = decode<TrafficSelectors>(hex("01 000000 07 00 0010 ffff 0000 0a000001 0a000001"));
  ASSERT_TRUE(ts);
  EXPECT_TRUE(ts->selectors.at(0).is_opaque());
}

TEST(TrafficSelectorPayload, RefusesReversedRanges) {
  expect_refused<TrafficSelectors>(hex("01 000000 07 00 0010 0000 ffff 0a000002 0a000001"),
                                   Reason::bad_value, 12);
  expect_refused<TrafficSelectors>(hex("01 000000 07 00 0010 0002 0001 0a000001 0a000001"),
                                   Reason::bad_value, 8);
}

TEST(TrafficSelectorPayload, LengthsAndCounts) {
  expect_refused<TrafficSelectors>(hex("00 000000"), Reason::bad_value, 0);
  expect_refused<TrafficSelectors>(hex("02 000000 0a 00 0004"), Reason::bad_length, 0);
  expect_refused<TrafficSelectors>(hex("01 000000 0a 00 0003"), Reason::bad_length, 6);
  expect_refused<TrafficSelectors>(hex("01 000000 0a 00 0004 0a 00 0004"), Reason::bad_length, 8);
  expect_refused<TrafficSelectors>(hex("01 000000 07 00 0014 0000ffff 0a000001 0a000001 00000000"),
                                   Reason::bad_length, 20);
  expect_refused<TrafficSelectors>(hex("01 000000 07 00 000c 0000ffff 0a000001"), Reason::truncated,
                                   16);
}

TEST(ConfigurationPayload, AttributesInOrder) {
  expect_same(Configuration{ConfigType::reply, {{1, hex("0a000001")}, {3, {}}}},
              hex("02 000000 0001 0004 0a000001 0003 0000"));
  // The reserved bit of a type is ignored.
  EXPECT_EQ(decode<Configuration>(hex("01 000000 8001 0000"))->attributes.at(0).type, 1);
  expect_refused<Configuration>(hex("01 000000 0001 0004 0a0000"), Reason::truncated, 8);
  expect_refused<Configuration>(hex("01 000000 0001"), Reason::truncated, 6);
}

TEST(ConfigurationPayload, AttributesAreBounded) {
  Configuration configuration{ConfigType::request, {}};
  configuration.attributes.resize(limits::kMaxConfigurationAttributes);
  EXPECT_TRUE(decode<Configuration>(encode(configuration)));
  configuration.attributes.emplace_back();
  EXPECT_EQ(decode<Configuration>(encode(configuration)).error().reason, Reason::too_large);
}

TEST(EapPayload, LengthFillsThePayload) {
  expect_same(Eap{hex("01 07 0005 01")}, hex("01 07 0005 01"));
  expect_refused<Eap>(hex("01 07 0006 01"), Reason::bad_length, 0);
  expect_refused<Eap>(hex("01 07 0004 01"), Reason::bad_length, 0);
  expect_refused<Eap>(hex("03 07 00"), Reason::truncated, 2);
}

TEST(FragmentPayload, NumberWithinTotal) {
  const Bytes bytes = hex("0002 0003 aa");
  Reader reader(bytes);
  const auto fragment = EncryptedFragment::decode(reader, PayloadType::none);
  ASSERT_TRUE(fragment);
  EXPECT_EQ(*fragment, (EncryptedFragment{PayloadType::none, 2, 3, hex("aa")}));
  EXPECT_EQ(encode(*fragment), bytes);
  expect_refused<FragmentPosition>(hex("0000 0001"), Reason::bad_value, 0);
  expect_refused<FragmentPosition>(hex("0002 0001"), Reason::bad_value, 0);
  expect_refused<FragmentPosition>(hex("0000 0000"), Reason::bad_value, 0);
}

}  // namespace
}  // namespace culvert::wire
