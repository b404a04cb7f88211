// The index of `openssl ca`, good and broken; reasons of revocations by their names.
#include "cli/pki_index.h"

#include <gtest/gtest.h>

namespace culvert::cli {
namespace {

using pki::CertificateState;
using pki::RevocationReason;

TEST(PkiIndex, LinesBecomeStates) {
  const auto index = parse_index(
      "V\t301231235959Z\t\t0A\tunknown\t/CN=a\r\n"
      "R\t20501231235959Z\t260102030405Z,keyCompromise\t00FF\tunknown\t/CN=b\n\n"
      "E\t200101000000Z\t\t0C0D\tunknown\t/CN=c");
  ASSERT_TRUE(index);
  ASSERT_EQ(index->size(), 3u);
  EXPECT_EQ(index->at({0x0a}).state, CertificateState::good);
  const auto& revoked = index->at({0xff});
  EXPECT_EQ(revoked.state, CertificateState::revoked);
  EXPECT_EQ(revoked.revocation.reason, RevocationReason::key_compromise);
  EXPECT_EQ(revoked.revocation.when.time_since_epoch().count(), 1'767'323'045);
  EXPECT_EQ(index->at({0x0c, 0x0d}).state, CertificateState::good);
}

TEST(PkiIndex, BrokenLinesAreNamed) {
  for (const char* bad :
       {"V", "V\t\t\t\tx", "X\t301231235959Z\t\t0A\tu\t/", "V\t301231235959Z\t\t0G\tu\t/",
        "R\t301231235959Z\t\t0A\tu\t/", "R\t301231235959Z\t261301000000Z\t0A\tu\t/",
        "R\t301231235959Z\t260230000000Z\t0A\tu\t/"}) {
    const auto index = parse_index(std::string("V\t301231235959Z\t\t0A\tu\t/\n") + bad);
    ASSERT_FALSE(index) << bad;
    EXPECT_TRUE(index.error().starts_with("line 2 ")) << index.error();
  }
}

TEST(PkiIndex, ReasonsHaveSeveralSpellings) {
  for (const char* name : {"keyCompromise", "key-compromise", "KEYCOMPROMISE"})
    EXPECT_EQ(parse_reason(name), RevocationReason::key_compromise) << name;
  EXPECT_EQ(parse_reason("cACompromise"), RevocationReason::ca_compromise);
  EXPECT_EQ(parse_reason("affiliation-changed"), RevocationReason::affiliation_changed);
  EXPECT_FALSE(parse_reason("bored"));
  EXPECT_FALSE(parse_reason(""));
}

}  // namespace
}  // namespace culvert::cli
