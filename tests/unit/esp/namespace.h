// Runs tests in a network namespace of their own. Needs root; says so where it is not.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <thread>

#include "esp/file_descriptor.h"
#include "esp/socket_address.h"

namespace culvert::esp::testing_namespace {

// The loopback interface, up, with a second address of each family.
inline void set_up_loopback() {
  const FileDescriptor fd(socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request{};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP;
  ioctl(fd.get(), SIOCSIFFLAGS, &request);
  ifreq address{};
  std::string_view("lo:1").copy(address.ifr_name, IFNAMSIZ - 1);
  auto& source = reinterpret_cast<sockaddr_in&>(address.ifr_addr);
  source.sin_family = AF_INET;
  source.sin_addr = to_in_addr(IpAddress::v4(0x0a010001));
  ioctl(fd.get(), SIOCSIFADDR, &address);
  source.sin_addr = to_in_addr(IpAddress::max(Family::v4));
  ioctl(fd.get(), SIOCSIFNETMASK, &address);
  const FileDescriptor fd6(socket(AF_INET6, SOCK_DGRAM, 0));
  struct {  // struct in6_ifreq, whose header does not get along with netinet/in.h
    in6_addr address;
    std::uint32_t prefix_length;
    int interface;
  } second{to_in6_addr(*IpAddress::parse("fd00::2")), 128, 1};
  ioctl(fd6.get(), SIOCSIFADDR, &second);
  // The address can be used once the kernel has looked for duplicates.
  sockaddr_storage bound;
  const socklen_t size = to_sockaddr({*IpAddress::parse("fd00::2"), 0}, bound);
  for (int i = 0; i < 2'000; ++i) {
    if (bind(fd6.get(), reinterpret_cast<const sockaddr*>(&bound), size) == 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// Runs `body` on a thread in a fresh network namespace, which the threads it starts share.
template <class Body>
void in_namespace(Body body) {
  bool possible = true;
  std::thread thread([&] {
    possible = unshare(CLONE_NEWNET) == 0 && access("/dev/net/tun", R_OK | W_OK) == 0;
    if (!possible) return;
    set_up_loopback();
    body();
  });
  thread.join();
  if (!possible) GTEST_SKIP() << "needs root and /dev/net/tun";
}

}  // namespace culvert::esp::testing_namespace
