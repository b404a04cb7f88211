// Names and numbers of the registries, spot-checked against IANA's tables.
#include "wire/registry.h"

#include <gtest/gtest.h>

namespace culvert::wire {
namespace {

TEST(Registry, NamesKnownNumbers) {
  EXPECT_EQ(name_of(ExchangeType{34}), "IKE_SA_INIT");
  EXPECT_EQ(name_of(ExchangeType{44}), "IKE_FOLLOWUP_KE");
  EXPECT_EQ(name_of(PayloadType{33}), "SA");
  EXPECT_EQ(name_of(PayloadType{45}), "TSr");
  EXPECT_EQ(name_of(PayloadType{53}), "SKF");
  EXPECT_EQ(name_of(NotifyType{14}), "NO_PROPOSAL_CHOSEN");
  EXPECT_EQ(name_of(NotifyType{16430}), "IKEV2_FRAGMENTATION_SUPPORTED");
  EXPECT_EQ(name_of(NotifyType{16447}), "IKE_SA_INIT_FULL_TRANSCRIPT_AUTH");
  EXPECT_EQ(name_of(ProtocolId{3}), "ESP");
  EXPECT_EQ(name_of(IdType{9}), "ID_DER_ASN1_DN");
  EXPECT_EQ(name_of(AuthMethod{14}), "Digital Signature");
  EXPECT_EQ(name_of(CertEncoding{4}), "X.509 Certificate - Signature");
  EXPECT_EQ(name_of(ConfigType{2}), "CFG_REPLY");
  EXPECT_EQ(name_of(ConfigAttribute{25}), "INTERNAL_DNS_DOMAIN");
  EXPECT_EQ(name_of(TsType{8}), "TS_IPV6_ADDR_RANGE");
}

TEST(Registry, UnknownNumbersHaveNoName) {
  EXPECT_EQ(name_of(ExchangeType{45}), "");
  EXPECT_EQ(name_of(PayloadType{1}), "");
  EXPECT_EQ(name_of(NotifyType{2}), "");
  EXPECT_EQ(name_of(NotifyType{40960}), "");
  EXPECT_EQ(name_of(IdType{4}), "");
  EXPECT_EQ(name_of(ConfigAttribute{0x7fff}), "");
  EXPECT_EQ(name_of(TsType{0}), "");
}

TEST(Registry, ErrorsEndWhereStatusBegins) {
  EXPECT_TRUE(is_error(NotifyType::unsupported_critical_payload));
  EXPECT_TRUE(is_error(NotifyType{16383}));
  EXPECT_FALSE(is_error(NotifyType::initial_contact));
}

}  // namespace
}  // namespace culvert::wire
