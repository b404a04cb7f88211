#include "policy/proposal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace culvert {
namespace {

using testing::HasSubstr;
using wire::ProtocolId;

Proposal parsed(std::string_view text, ProtocolId protocol = ProtocolId::ike) {
  auto proposal = parse_proposal(text, protocol);
  EXPECT_TRUE(proposal) << text << ": " << (proposal ? "" : proposal.error().message);
  return proposal.value_or(Proposal{});
}
ParseFailure refused(std::string_view text, ProtocolId protocol = ProtocolId::ike) {
  auto proposal = parse_proposal(text, protocol);
  EXPECT_FALSE(proposal) << text;
  return proposal ? ParseFailure{} : proposal.error();
}

TEST(ProposalText, KeepsTheOrderWithinEachType) {
  const Proposal proposal = parsed("aes256-aes128-sha512-sha256-prfsha384-x25519-modp2048");
  EXPECT_EQ(proposal.encr,
            (std::vector<EncrTransform>{{Encr::aes_cbc, 256}, {Encr::aes_cbc, 128}}));
  EXPECT_EQ(proposal.integ, (std::vector{Integ::hmac_sha2_512_256, Integ::hmac_sha2_256_128}));
  EXPECT_EQ(proposal.prf, std::vector{Prf::hmac_sha2_384});
  EXPECT_EQ(proposal.ke, (std::vector{Ke::x25519, Ke::modp2048}));
}

TEST(ProposalText, KnowsEveryAliasInAnyCase) {
  EXPECT_EQ(parsed("AES-SHA-CURVE25519"), parsed("aes128-sha1-x25519"));
  EXPECT_EQ(parsed("aes128gcm128-nistp384"), parsed("aes128gcm16-ecp384"));
  EXPECT_EQ(parsed("aes256gcm-prfsha256-x448"), parsed("aes256gcm16-prfsha256-curve448"));
  EXPECT_EQ(parsed("aes192ccm64-sha2_384-x25519"), parsed("aes192ccm8-sha384-x25519"));
  EXPECT_EQ(parsed(" aes128gcm96-x25519 ").encr[0], (EncrTransform{Encr::aes_gcm_12, 128}));
  EXPECT_EQ(parsed("3des-md5-modp768").ke[0], Ke::modp768);
}

TEST(ProposalText, DerivesPrfs) {
  EXPECT_EQ(parsed("aes128-sha1-aesxcbc-aescmac-md5-modp2048").prf,
            (std::vector{Prf::hmac_sha1, Prf::aes128_xcbc, Prf::aes128_cmac, Prf::hmac_md5}));
  const Proposal named_by_integ = parsed("aes128gcm16-sha384-x25519");
  EXPECT_EQ(named_by_integ.prf, std::vector{Prf::hmac_sha2_384});
  EXPECT_TRUE(named_by_integ.integ.empty());
  EXPECT_EQ(parsed("aes128gcm16-x25519").prf,
            (std::vector{Prf::hmac_sha2_256, Prf::hmac_sha2_384, Prf::hmac_sha2_512}));
}

TEST(ProposalText, Esp) {
  EXPECT_EQ(parsed("aes128gcm16", ProtocolId::esp).esn, std::vector{Esn::no});
  EXPECT_EQ(parsed("aes128-sha256-esn-noesn", ProtocolId::esp).esn,
            (std::vector{Esn::yes, Esn::no}));
  EXPECT_EQ(parsed("null-sha256-modpnone-x25519", ProtocolId::esp).ke,
            (std::vector{Ke::none, Ke::x25519}));
  EXPECT_EQ(parsed("sha256", ProtocolId::ah).integ, std::vector{Integ::hmac_sha2_256_128});
}

TEST(ProposalText, SaysWhatIsWrong) {
  EXPECT_EQ(refused("aes127gcm16-x25519").message, "unknown algorithm 'aes127gcm16'");
  EXPECT_EQ(refused("aes127gcm16-x25519").suggestion, "aes128gcm16");
  EXPECT_EQ(refused("aes128gcm16-curve2519").suggestion, "curve25519");
  EXPECT_EQ(refused("rijndael-x25519").suggestion, "");
  EXPECT_THAT(refused("").message, HasSubstr("empty"));
  EXPECT_THAT(refused("aes128--sha256").message, HasSubstr("missing"));
  EXPECT_THAT(refused("aes128-sha256-modp2048-").message, HasSubstr("missing"));
  EXPECT_THAT(refused("des-sha1-modp2048").message, HasSubstr("not available"));
  EXPECT_THAT(refused("aes128gcm16-mlkem768").message, HasSubstr("not available"));
  EXPECT_THAT(refused("aes128-x25519").message, HasSubstr("'aes128' needs an integrity"));
  EXPECT_THAT(refused("aes128-sha256").message, HasSubstr("needs a key exchange"));
  EXPECT_THAT(refused("sha256-x25519").message, HasSubstr("needs an encryption"));
  EXPECT_THAT(refused("aes128-sha256-modpnone").message, HasSubstr("modpnone"));
  EXPECT_THAT(refused("null-sha256-x25519").message, HasSubstr("without encryption"));
  EXPECT_THAT(refused("aes128-sha256-x25519-esn").message, HasSubstr("'esn' has no meaning"));
  EXPECT_THAT(refused("sha256", ProtocolId::esp).message, HasSubstr("needs an encryption"));
  EXPECT_THAT(refused("aes128", ProtocolId::esp).message, HasSubstr("needs an integrity"));
  EXPECT_THAT(refused("aes128gcm16-sha256", ProtocolId::esp).message, HasSubstr("remove 'sha256'"));
  EXPECT_THAT(refused("aes128-sha1-prfsha1", ProtocolId::esp).message, HasSubstr("ESP"));
  EXPECT_THAT(refused("aes128-sha1", ProtocolId::ah).message, HasSubstr("AH"));
  EXPECT_THAT(refused("x25519", ProtocolId::ah).message, HasSubstr("needs an integrity"));
}

TEST(ProposalText, PrintsWhatItParses) {
  EXPECT_EQ(to_string(parsed("aes128gcm16-prfsha256-x25519")), "aes128gcm16-prfsha256-x25519");
  for (const auto protocol : {ProtocolId::ike, ProtocolId::esp, ProtocolId::ah}) {
    const Proposal merged = parsed("Default", protocol);
    EXPECT_EQ(parsed(to_string(merged), protocol), merged);
    for (const auto& proposal : default_proposals(protocol))
      EXPECT_EQ(parsed(to_string(proposal), protocol), proposal);
  }
  const Suite suite{
      {Encr::aes_cbc, 256, Integ::hmac_sha2_256_128}, Prf::hmac_sha2_256, Ke::modp2048, Esn::no};
  EXPECT_EQ(to_string(suite, ProtocolId::ike), "aes256-sha256-prfsha256-modp2048");
  const Suite esp{{Encr::aes_gcm_16, 128}, Prf::none, Ke::none, Esn::yes};
  EXPECT_EQ(to_string(esp, ProtocolId::esp), "aes128gcm16-esn");
}

TEST(ProposalText, ViciNames) {
  EXPECT_EQ(vici_name(Encr::aes_gcm_16), "AES_GCM_16");
  EXPECT_EQ(vici_name(Encr::triple_des), "3DES_CBC");
  EXPECT_EQ(vici_name(Integ::hmac_sha2_256_128), "HMAC_SHA2_256_128");
  EXPECT_EQ(vici_name(Prf::hmac_sha2_256), "PRF_HMAC_SHA2_256");
  EXPECT_EQ(vici_name(Ke::x25519), "CURVE_25519");
  EXPECT_EQ(vici_name(Ke::modp2048), "MODP_2048");
  EXPECT_EQ(vici_name(Encr{1234}), "(1234)");
}

TEST(ProposalText, SplitsByModeInOrderOfPreference) {
  const auto parts = split_by_mode(parsed("aes128-aes128gcm16-sha256-x25519"));
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(to_string(parts[0]), "aes128-sha256-prfsha256-x25519");
  EXPECT_EQ(to_string(parts[1]), "aes128gcm16-prfsha256-x25519");
}

}  // namespace
}  // namespace culvert
