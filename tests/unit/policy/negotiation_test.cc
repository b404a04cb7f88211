#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/limits.h"
#include "policy/proposal.h"

namespace culvert {
namespace {

using testing::HasSubstr;
using wire::ProtocolId;

std::vector<Proposal> proposals(std::initializer_list<std::string_view> texts,
                                ProtocolId protocol = ProtocolId::ike) {
  std::vector<Proposal> result;
  for (const auto text : texts) result.push_back(parse_proposal(text, protocol).value());
  return result;
}
std::vector<Proposal> esp(std::initializer_list<std::string_view> texts) {
  return proposals(texts, ProtocolId::esp);
}
wire::Sa offer(const std::vector<Proposal>& from) { return to_wire(from, {}, false); }
wire::Sa single(ProtocolId protocol, std::vector<wire::Transform> transforms) {
  return {{{.protocol = protocol, .transforms = std::move(transforms)}}};
}
constexpr TransformType kEncr = TransformType::encr, kPrf = TransformType::prf,
                        kInteg = TransformType::integ, kKe = TransformType::ke,
                        kEsn = TransformType::esn;

TEST(ToWire, SplitsAndNumbers) {
  const Bytes spi = {1, 2, 3, 4};
  const auto sa = to_wire(esp({"aes128gcm16-aes256-sha256-x25519-modpnone"}), spi, false);
  ASSERT_EQ(sa.proposals.size(), 2u);
  EXPECT_EQ(sa.proposals[0].number, 1);
  EXPECT_EQ(sa.proposals[0].spi, spi);
  EXPECT_EQ(sa.proposals[0].transforms,
            (std::vector<wire::Transform>{{kEncr, 20, 128}, {kKe, 31}, {kKe, 0}, {kEsn, 0}}));
  EXPECT_EQ(sa.proposals[1].number, 2);
  EXPECT_EQ(sa.proposals[1].transforms,
            (std::vector<wire::Transform>{
                {kEncr, 12, 256}, {kInteg, 12}, {kKe, 31}, {kKe, 0}, {kEsn, 0}}));
}

TEST(ToWire, StripsKeyExchanges) {
  const auto sa = to_wire(esp({"aes128gcm16-x25519"}), Bytes(4), true);
  EXPECT_EQ(sa.proposals[0].transforms,
            (std::vector<wire::Transform>{{kEncr, 20, 128}, {kEsn, 0}}));
  // NONE alone is left out as well.
  EXPECT_EQ(to_wire(esp({"aes128gcm16-modpnone"}), Bytes(4), false), sa);
}

TEST(ToWire, IsBounded) {
  const std::vector<Proposal> many(100, proposals({"aes128gcm16-x25519"})[0]);
  EXPECT_EQ(offer(many).proposals.size(), limits::kMaxProposals);
}

TEST(Select, PrefersOurOrder) {
  const auto choice = select_proposal(
      proposals({"aes256gcm16-prfsha512-x448", "aes256-aes128-sha256-prfsha384-ecp256-x25519"}),
      offer(proposals({"aes128-aes256-sha1-sha256-prfsha384-x25519-ecp256"})), {});
  ASSERT_TRUE(choice);
  EXPECT_EQ(to_string(choice->suite, ProtocolId::ike), "aes256-sha256-prfsha384-ecp256");
  EXPECT_EQ(choice->accepted.transforms,
            (std::vector<wire::Transform>{{kEncr, 12, 256}, {kPrf, 6}, {kInteg, 12}, {kKe, 19}}));
}

TEST(Select, TakesTheirNumberAndSpi) {
  auto theirs = to_wire(esp({"aes128-sha1", "aes128gcm16"}), Bytes{1, 2, 3, 4}, true);
  theirs.proposals[1].spi = {5, 6, 7, 8};
  const auto choice = select_proposal(esp({"aes128gcm16"}), theirs, {.strip_ke = true});
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->accepted.number, 2);
  EXPECT_EQ(choice->peer_spi, (Bytes{5, 6, 7, 8}));
  EXPECT_EQ(choice->accepted.spi, choice->peer_spi);
}

TEST(Select, PrefersTheMethodOfTheKePayload) {
  const auto ours = proposals({"aes128gcm16-prfsha256-x25519-ecp256"});
  const auto theirs = offer(proposals({"aes128gcm16-prfsha256-modp2048-ecp256-x25519"}));
  EXPECT_EQ(select_proposal(ours, theirs, {})->suite.ke, Ke::x25519);
  EXPECT_EQ(select_proposal(ours, theirs, {.prefer_ke = Ke::ecp256})->suite.ke, Ke::ecp256);
  EXPECT_EQ(select_proposal(ours, theirs, {.prefer_ke = Ke::modp2048})->suite.ke, Ke::x25519);
}

TEST(Select, NoneEqualsAbsent) {
  const auto with_none =
      single(ProtocolId::esp, {{kEncr, 20, 128}, {kInteg, 0}, {kKe, 0}, {kEsn, 0}});
  const auto choice = select_proposal(esp({"aes128gcm16"}), with_none, {});
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->accepted.transforms, with_none.proposals[0].transforms);
  // An integrity algorithm beside an AEAD is not NONE.
  const auto with_integ = single(ProtocolId::esp, {{kEncr, 20, 128}, {kInteg, 12}, {kEsn, 0}});
  const auto refused = select_proposal(esp({"aes128gcm16"}), with_integ, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, kInteg);
  EXPECT_EQ(refused.error().offered, "sha256");
  EXPECT_EQ(refused.error().accepted, "none");
}

TEST(Select, PerfectForwardSecrecyMustAgree) {
  const auto with = esp({"aes128gcm16-x25519"}), without = esp({"aes128gcm16"}),
             either = esp({"aes128gcm16-x25519-modpnone"});
  EXPECT_FALSE(select_proposal(with, offer(without), {}));
  EXPECT_FALSE(select_proposal(without, offer(with), {}));
  EXPECT_EQ(select_proposal(either, offer(without), {})->suite.ke, Ke::none);
  EXPECT_EQ(select_proposal(either, offer(with), {})->suite.ke, Ke::x25519);
  const auto stripped = select_proposal(with, offer(with), {.strip_ke = true});
  ASSERT_TRUE(stripped);
  EXPECT_EQ(stripped->suite.ke, Ke::none);
  EXPECT_EQ(std::ranges::count(stripped->accepted.transforms, kKe, &wire::Transform::type), 0);
}

TEST(Select, ExtendedSequenceNumbers) {
  const auto silent = single(ProtocolId::esp, {{kEncr, 20, 128}});
  EXPECT_EQ(select_proposal(esp({"aes128gcm16-esn-noesn"}), silent, {})->suite.esn, Esn::no);
  const auto refused = select_proposal(esp({"aes128gcm16-esn"}), silent, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, kEsn);
  EXPECT_EQ(
      select_proposal(esp({"aes128gcm16-esn-noesn"}), offer(esp({"aes128gcm16-noesn-esn"})), {})
          ->suite.esn,
      Esn::yes);
}

TEST(Select, RefusesWhatItDoesNotKnow) {
  const auto ours = esp({"aes128gcm16"});
  const auto foreign = select_proposal(
      ours, single(ProtocolId::esp, {{kEncr, 20, 128}, {kEsn, 0}, {TransformType{99}, 3}}), {});
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().type, TransformType{99});
  wire::Transform odd{kEncr, 20, 128, {{.type = 77, .value = 1}}};
  const auto attribute = select_proposal(ours, single(ProtocolId::esp, {odd, {kEsn, 0}}), {});
  ASSERT_FALSE(attribute);
  EXPECT_THAT(attribute.error().offered, HasSubstr("unknown attributes"));
  // RFC 9370: an additional key exchange that may be NONE.
  const auto additional = select_proposal(
      ours,
      single(
          ProtocolId::esp,
          {{kEncr, 20, 128}, {kEsn, 0}, {TransformType::addke1, 36}, {TransformType::addke1, 0}}),
      {});
  ASSERT_TRUE(additional);
  EXPECT_EQ(additional->accepted.transforms.back(), (wire::Transform{TransformType::addke1, 0}));
}

TEST(Select, KeyLengths) {
  const auto no_length = single(ProtocolId::esp, {{kEncr, 20, 0}, {kEsn, 0}});
  EXPECT_FALSE(select_proposal(esp({"aes128gcm16"}), no_length, {}));
  const auto stated = single(ProtocolId::esp, {{kEncr, 28, 256}, {kEsn, 0}});
  const auto choice = select_proposal(esp({"chacha20poly1305"}), stated, {});
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->suite.cipher.key_bits, 0);
  EXPECT_EQ(choice->accepted.transforms[0].key_bits, 256);
  EXPECT_FALSE(select_proposal(esp({"chacha20poly1305"}),
                               single(ProtocolId::esp, {{kEncr, 28, 128}, {kEsn, 0}}), {}));
}

TEST(Select, TriesTheNextCipherWhenIntegrityFails) {
  const auto choice = select_proposal(
      esp({"aes128gcm16-aes128-sha256"}),
      single(ProtocolId::esp, {{kEncr, 20, 128}, {kEncr, 12, 128}, {kInteg, 12}, {kEsn, 0}}), {});
  ASSERT_TRUE(choice);
  EXPECT_EQ(to_string(choice->suite, ProtocolId::esp), "aes128-sha256");
}

ProposalMismatch mismatch(const std::vector<Proposal>& ours, const std::vector<Proposal>& theirs) {
  const auto choice = select_proposal(ours, offer(theirs), {});
  EXPECT_FALSE(choice);
  return choice ? ProposalMismatch{} : choice.error();
}

TEST(Mismatch, NamesTheClosestType) {
  const auto encr = mismatch(proposals({"aes128gcm16-prfsha256-x25519"}),
                             proposals({"aes128-sha256-x25519", "aes256-sha256-x25519"}));
  EXPECT_EQ(encr.type, kEncr);
  EXPECT_EQ(encr.offered, "aes128, aes256");
  EXPECT_EQ(encr.accepted, "aes128gcm16");
  const auto ke = mismatch(proposals({"aes256gcm16-prfsha512-ecp256", "aes128-sha256-x25519-x448"}),
                           proposals({"3des-md5-modp1024", "aes128-sha256-modp1024"}));
  EXPECT_EQ(ke.type, kKe);
  EXPECT_EQ(ke.offered, "modp1024");
  EXPECT_EQ(ke.accepted, "x25519, x448");
  const auto prf = mismatch(proposals({"aes128gcm16-prfsha256-x25519"}),
                            proposals({"aes128gcm16-prfsha1-x25519"}));
  EXPECT_EQ(prf.type, kPrf);
  EXPECT_EQ(prf.offered, "prfsha1");
  const auto integ = mismatch(esp({"aes128-sha256"}), esp({"aes128-sha1-md5"}));
  EXPECT_EQ(integ.type, kInteg);
  EXPECT_EQ(integ.offered, "sha1, md5");
  EXPECT_EQ(integ.accepted, "sha256");
}

TEST(Mismatch, NamesUnknownNumbersAndFewOfMany) {
  std::vector<wire::Transform> transforms;
  for (std::uint16_t id = 1000; id < 1255; ++id) transforms.push_back({kEncr, id, 64});
  const auto choice =
      select_proposal(esp({"aes128gcm16"}), single(ProtocolId::esp, transforms), {});
  ASSERT_FALSE(choice);
  EXPECT_THAT(choice.error().offered, HasSubstr("encr#1000/64, encr#1001/64"));
  EXPECT_LT(choice.error().offered.size(), 500u);
}

TEST(Mismatch, OtherProtocol) {
  const auto choice =
      select_proposal(esp({"aes128gcm16"}), offer(proposals({"sha256"}, ProtocolId::ah)), {});
  ASSERT_FALSE(choice);
  EXPECT_THAT(choice.error().offered, HasSubstr("no proposal"));
}

TEST(VerifyChoice, AcceptsExactlyASubset) {
  const auto offered = proposals({"aes128gcm16-aes256-sha256-prfsha256-x25519-ecp256"});
  const auto good =
      verify_choice(offered, offer(proposals({"aes256-sha256-prfsha256-ecp256"})), false);
  ASSERT_TRUE(good);
  EXPECT_EQ(to_string(good->suite, ProtocolId::ike), "aes256-sha256-prfsha256-ecp256");
  EXPECT_FALSE(verify_choice(offered, offer(proposals({"aes128-sha256-prfsha256-ecp256"})), false));
  EXPECT_FALSE(verify_choice(offered, {}, false));
  EXPECT_FALSE(verify_choice(offered, offer(offered), false));  // two proposals
  const auto two =
      verify_choice(offered, offer(proposals({"aes256-sha256-prfsha256-x25519-ecp256"})), false);
  ASSERT_FALSE(two);
  EXPECT_EQ(two.error().type, kKe);
  EXPECT_EQ(two.error().offered, "x25519, ecp256");
  EXPECT_FALSE(verify_choice(  // parts of both of our wire proposals
      offered, single(ProtocolId::ike, {{kEncr, 20, 128}, {kPrf, 5}, {kInteg, 12}, {kKe, 31}}),
      false));
  EXPECT_FALSE(verify_choice(  // a type is missing
      offered, single(ProtocolId::ike, {{kEncr, 12, 256}, {kPrf, 5}, {kKe, 31}}), false));
}

}  // namespace
}  // namespace culvert
