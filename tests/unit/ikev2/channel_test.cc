// Where an IKE SA's messages go.
#include "ikev2/channel.h"

#include <gtest/gtest.h>

#include "fake_host.h"

namespace culvert::ikev2 {
namespace {

TEST(EndpointAt, ANatsPortBelongsToTheAddressInUse) {
  FakeHost host;
  IkeSa sa;
  sa.remote = {IpAddress::v4(0xc6336407), 32'048};
  const IpAddress other = IpAddress::v4(0xc000020a);
  for (const bool behind_nat : {false, true}) {
    sa.nat_remote = behind_nat;
    EXPECT_EQ(endpoint_at(host, sa, sa.remote.address), sa.remote);
    const std::uint16_t expected = behind_nat ? host.options_.nat_t_port : sa.remote.port;
    EXPECT_EQ(endpoint_at(host, sa, other), (Endpoint{other, expected}));
  }
}

}  // namespace
}  // namespace culvert::ikev2
