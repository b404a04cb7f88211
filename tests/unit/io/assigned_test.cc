// Addresses and name servers of tunnels come and go without a trace.
#include "io/assigned.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "io/resolv_conf.h"
#include "io/socket_name.h"

namespace culvert::io {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

IpAddress address(const char* text) { return *IpAddress::parse(text); }

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const std::string kWithServer =
    "# culvert: name servers of the tunnel, until it goes down\n"
    "nameserver 10.1.0.53\n"
    "# culvert: end\n"
    "search lan\nnameserver 192.0.2.53\n";
const std::string kWithout = "search lan\nnameserver 192.0.2.53\n";

TEST(ResolvConf, HasOurServersAtTheTopAndTheRestAsItWas) {
  EXPECT_EQ(with_name_servers(kWithout, {address("10.1.0.53")}), kWithServer);
  EXPECT_EQ(with_name_servers(kWithServer, {address("10.1.0.53")}), kWithServer);
  EXPECT_EQ(with_name_servers(kWithServer, {}), kWithout);
  EXPECT_EQ(with_name_servers(kWithout, {}), kWithout);
  const std::string edited = with_name_servers("options edns0\n" + kWithServer + "# more\n", {});
  EXPECT_EQ(edited, "options edns0\n" + kWithout + "# more\n");
}

TEST(ResolvConf, ABlockWithoutItsEndLosesOnlyItsFirstLine) {
  const std::string broken = kWithServer.substr(0, kWithServer.find("# culvert: end"));
  EXPECT_EQ(with_name_servers(broken, {}), "nameserver 10.1.0.53\n");
}

class AssignedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory = ::testing::TempDir() + "assigned." + std::to_string(getpid());
    std::filesystem::remove_all(directory);
    std::filesystem::create_directory(directory);
    std::ofstream(path("resolv.conf")) << kWithout;
    options.state_dir = directory;
    options.resolv_conf = path("resolv.conf");
    options.resolved = path("resolve");
    options.resolvectl = path("resolvectl");
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  std::string path(const char* name) const { return directory + "/" + name; }

  // In a network namespace of its own, where the loopback interface is up.
  template <class Body>
  void in_namespace(Body body) {
    bool possible = true;
    std::thread thread([&] {
      possible = unshare(CLONE_NEWNET) == 0;
      if (!possible) return;
      const int fd = socket(AF_INET, SOCK_DGRAM, 0);
      ifreq request{};
      std::string_view("lo").copy(request.ifr_name, IFNAMSIZ - 1);
      request.ifr_flags = IFF_UP;
      ioctl(fd, SIOCSIFFLAGS, &request);
      close(fd);
      body();
    });
    thread.join();
    if (!possible) GTEST_SKIP() << "needs root";
  }

  // Those of the namespace, without 127.0.0.1 and ::1.
  static std::vector<IpAddress> addresses() {
    std::vector<IpAddress> found;
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return found;
    for (const ifaddrs* at = list; at; at = at->ifa_next) {
      const int family = at->ifa_addr ? at->ifa_addr->sa_family : AF_UNSPEC;
      if (family != AF_INET && family != AF_INET6) continue;
      const IpAddress one = address_of(at->ifa_addr);
      if (one != address("127.0.0.1") && one != address("::1")) found.push_back(one);
    }
    freeifaddrs(list);
    std::ranges::sort(found);
    return found;
  }

  Assigned::Complain complain = [this](const std::string& text) { complaints.push_back(text); };
  std::string directory;
  Assigned::Options options;
  std::vector<std::string> complaints;
  EventLoop loop;
};

const AssignedSettings kPhone{{*IpAddress::parse("10.9.0.2"), *IpAddress::parse("fd00:9::2")},
                              {*IpAddress::parse("10.1.0.53")},
                              {}};

TEST_F(AssignedTest, ComeAndGo) {
  in_namespace([this] {
    Assigned assigned(loop, options, complain);
    assigned.set(1, kPhone);
    EXPECT_THAT(addresses(), ElementsAre(address("10.9.0.2"), address("fd00:9::2")));
    EXPECT_EQ(contents(options.resolv_conf), kWithServer);
    assigned.set(2, kPhone);  // the same again, while it is authenticated anew
    assigned.remove(1);
    EXPECT_THAT(addresses(), ElementsAre(address("10.9.0.2"), address("fd00:9::2")));
    assigned.remove(2);
    EXPECT_THAT(addresses(), IsEmpty());
    EXPECT_EQ(contents(options.resolv_conf), kWithout);
  });
  EXPECT_THAT(complaints, IsEmpty());
}

TEST_F(AssignedTest, WhatIsThereAlreadyIsNotOurs) {
  in_namespace([this] {
    Assigned host(loop, options, complain),
        assigned(loop, {.state_dir = {}, .resolv_conf = path("other")}, complain);
    host.set(1, {{address("10.9.0.2")}, {}, {}});
    assigned.set(1, {{address("10.9.0.2")}, {}, {}});
    EXPECT_THAT(assigned.own_addresses(), IsEmpty());
    assigned.remove(1);
    EXPECT_THAT(addresses(), ElementsAre(address("10.9.0.2")));
  });
  EXPECT_THAT(complaints, IsEmpty());
}

TEST_F(AssignedTest, WhatAKilledProcessLeftIsTakenBack) {
  in_namespace([this] {
    auto* killed = new Assigned(loop, options, complain);  // its destructor never runs
    killed->set(1, kPhone);
    Assigned next(loop, options, complain);
    EXPECT_THAT(addresses(), IsEmpty());
    EXPECT_EQ(contents(options.resolv_conf), kWithout);
    std::filesystem::remove(directory + "/assigned-addresses");
    delete killed;
  });
}

TEST_F(AssignedTest, ADeviceThatIsNotThereIsToldOf) {
  in_namespace([this] {
    options.device = "none0";
    Assigned assigned(loop, options, complain);
    assigned.set(1, {{address("10.9.0.2")}, {}, {}});
    EXPECT_THAT(complaints,
                ElementsAre("cannot add the address 10.9.0.2 to none0: No such device"));
  });
}

TEST_F(AssignedTest, SystemdResolvedIsToldWhereItRuns) {
  std::filesystem::create_directory(options.resolved);
  std::ofstream(options.resolvectl) << "#!/bin/sh\necho \"$@\" >> " + path("calls") + "\n";
  chmod(options.resolvectl.c_str(), 0755);
  options.device = "culvert0";
  {
    Assigned assigned(loop, options, complain);
    assigned.set(1, {{}, {address("10.1.0.53")}, {"corp.example", "it's; rm -rf"}});
    Timer stop(loop, [this] { loop.stop(); });
    for (int i = 0; i < 500 && contents(path("calls")).find("domain") == std::string::npos; ++i) {
      stop.set(loop.now() + std::chrono::milliseconds(10));
      loop.context().restart();
      loop.run();
    }
    EXPECT_EQ(contents(path("calls")), "dns culvert0 10.1.0.53\ndomain culvert0 ~corp.example\n");
  }
  EXPECT_NE(contents(path("calls")).find("revert culvert0\n"), std::string::npos);
  EXPECT_EQ(contents(options.resolv_conf), kWithout);
}

}  // namespace
}  // namespace culvert::io
