// What we take for the host's own addresses follows what it has.
#include "esp/own_addresses.h"

#include "namespace.h"

namespace culvert::esp {
namespace {

using testing_namespace::in_namespace;

std::vector<TrafficSelector> within(const char* prefix) {
  const Prefix parsed = *Prefix::parse(prefix);
  return {TrafficSelector{.first = parsed.address, .last = parsed.last()}};
}

// A further IPv4 address of the loopback interface; 0.0.0.0 takes it away.
void set_address(const char* label, const char* address) {
  const FileDescriptor fd(socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request{};
  std::string_view(label).copy(request.ifr_name, IFNAMSIZ - 1);
  auto& at = reinterpret_cast<sockaddr_in&>(request.ifr_addr);
  at.sin_family = AF_INET;
  at.sin_addr = to_in_addr(*IpAddress::parse(address));
  ASSERT_EQ(ioctl(fd.get(), SIOCSIFADDR, &request), 0);
}

TEST(OwnAddresses, FollowTheHost) {
  in_namespace([] {
    OwnAddresses own;
    EXPECT_EQ(own.one_within(within("10.1.0.0/16"), Family::v4), *IpAddress::parse("10.1.0.1"));
    EXPECT_EQ(own.one_within(within("fd00::/16"), Family::v6), *IpAddress::parse("fd00::2"));
    EXPECT_TRUE(own.one_within(within("10.1.0.0/16"), Family::v6).is_none());
    EXPECT_TRUE(own.one_within(within("127.0.0.0/8"), Family::v4).is_none());
    EXPECT_TRUE(own.one_within(within("10.7.0.0/16"), Family::v4).is_none());
    set_address("lo:7", "10.7.0.9");
    EXPECT_EQ(own.one_within(within("10.7.0.0/16"), Family::v4), *IpAddress::parse("10.7.0.9"));
    set_address("lo:7", "0.0.0.0");
    EXPECT_TRUE(own.one_within(within("10.7.0.0/16"), Family::v4).is_none());
  });
}

}  // namespace
}  // namespace culvert::esp
