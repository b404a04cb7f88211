// The plane as the daemon sees it, with a real TUN device in a network namespace of its own. Needs
// root; says so where it is not.
#include "esp/userspace_plane.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>

#include <atomic>
#include <fstream>

#include "esp/netlink.h"
#include "namespace.h"

namespace culvert::esp {
namespace {

using namespace testing_namespace;

constexpr SaPairId kPair{3};
constexpr PolicyId kPolicy{4};
constexpr CipherSpec kGcm{Encr::aes_gcm_16, 128, Integ::none};

TrafficSelector net(const char* prefix) {
  const Prefix parsed = Prefix::parse(prefix).value();
  return {parsed.first(), parsed.last()};
}

std::unique_ptr<UserspacePlane> start_plane(UserspacePlane::IkeSink sink = [](const Datagram&) {}) {
  auto plane = UserspacePlane::start({}, std::move(sink));
  EXPECT_TRUE(plane) << plane.error();
  return plane ? std::move(*plane) : nullptr;
}

InstallSa sa(Direction direction, std::uint64_t pair = kPair.value) {
  InstallSa op;
  op.pair = SaPairId{pair};
  op.direction = direction;
  op.spi = static_cast<std::uint32_t>(0x1000 + pair);
  op.cipher = kGcm;
  op.keys.encryption = Key(Bytes(20, 7));
  op.local = op.remote = {IpAddress::v4(0x7f000001), 4'500};
  op.udp_encap = true;
  op.local_ts = op.remote_ts = {net("10.0.0.0/8")};
  return op;
}

InstallPolicy policy(SaPairId pair, PolicyId id = kPolicy) {
  return {id, pair, {net("0.0.0.0/0"), net("::/0")}, {net("10.2.0.0/24"), net("fd02::/64")}};
}

bool wait_for_notice(UserspacePlane& plane) {
  pollfd waiting{plane.notice_fd(), POLLIN, 0};
  return poll(&waiting, 1, 5'000) == 1;
}

void send_udp(const char* to, std::uint16_t port) {
  const FileDescriptor fd(socket(AF_INET, SOCK_DGRAM, 0));
  sockaddr_storage address;
  const socklen_t size = to_sockaddr({IpAddress::parse(to).value(), port}, address);
  sendto(fd.get(), "hello", 5, 0, reinterpret_cast<const sockaddr*>(&address), size);
}

TEST(Plane, ATrapRoutesPacketsAndAsks) {
  in_namespace([] {
    const auto plane = start_plane();
    ASSERT_TRUE(plane);
    EXPECT_NE(if_nametoindex("culvert0"), 0u);
    ASSERT_TRUE(plane->apply(policy({})));
    send_udp("10.2.0.9", 53);
    ASSERT_TRUE(wait_for_notice(*plane));
    const auto notices = plane->take_notices();
    ASSERT_EQ(notices.size(), 1u);
    const auto& acquire = std::get<Acquire>(notices[0]);
    EXPECT_EQ(acquire.policy, kPolicy);
    EXPECT_EQ(acquire.local.first.to_string(), "10.1.0.1");
    EXPECT_EQ(acquire.remote.first.to_string(), "10.2.0.9");
    EXPECT_EQ(acquire.remote.start_port, 53);
  });
}

TEST(Plane, CarriesToItself) {
  in_namespace([] {
    const auto plane = start_plane();
    ASSERT_TRUE(plane);
    EXPECT_FALSE(plane->counters(kPair));
    ASSERT_TRUE(plane->apply(sa(Direction::in)));
    ASSERT_TRUE(plane->apply(sa(Direction::out)));
    ASSERT_TRUE(plane->apply(policy(kPair)));
    send_udp("10.2.0.9", 53);
    for (int i = 0; i < 500 && plane->counters(kPair)->in.packets == 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const auto counters = plane->counters(kPair);
    ASSERT_TRUE(counters);
    EXPECT_EQ(counters->out.packets, 1u);
    EXPECT_EQ(counters->out.bytes, 33u);
    EXPECT_EQ(counters->in.packets, 1u);
    EXPECT_EQ(counters->in.bytes, 33u);
    ASSERT_TRUE(plane->apply(DeleteSa{kPair, Direction::in}));
    EXPECT_TRUE(plane->counters(kPair));
    ASSERT_TRUE(plane->apply(DeleteSa{kPair, Direction::out}));
    EXPECT_FALSE(plane->counters(kPair));
  });
}

TEST(Plane, IkeGoesOutAndComesInWithAndWithoutTheMarker) {
  in_namespace([] {
    std::atomic<int> seen{0};
    const auto plane = start_plane([&](const Datagram& datagram) {
      EXPECT_EQ(to_bytes(datagram.payload), (Bytes{1, 2, 3, 4, 5}));
      EXPECT_EQ(datagram.local.port, datagram.remote.port);
      EXPECT_EQ(datagram.local.address, IpAddress::v4(0x7f000001));
      ++seen;
    });
    ASSERT_TRUE(plane);
    const Bytes message = {1, 2, 3, 4, 5};
    for (const std::uint16_t port : {500, 4'500}) {
      const Endpoint end{IpAddress::v4(0x7f000001), port};
      plane->send_ike({end, end, message});
    }
    for (int i = 0; i < 500 && seen < 2; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(seen, 2);
  });
}

TEST(Plane, LeavesNothingBehindAndCleansUpAfterACrash) {
  in_namespace([] {
    auto netlink = Netlink::open();
    ASSERT_TRUE(netlink);
    const Rule rule{Family::v4, 0x4501, 4'501, 4'501};
    const Route leftover{
        Prefix::parse("10.77.0.0/16").value(), 4'501, Route::Kind::throw_on, 0, {}};
    ASSERT_EQ(netlink->add_rule(rule), 0);
    ASSERT_EQ(netlink->replace_route(leftover), 0);
    auto plane = start_plane();
    ASSERT_TRUE(plane);
    EXPECT_NE(netlink->delete_route(leftover), 0) << "the predecessor's route is gone";
    InstallPolicy bypass = policy({});
    bypass.mode = Mode::pass;
    ASSERT_TRUE(plane->apply(std::move(bypass)));
    plane.reset();
    EXPECT_NE(netlink->delete_rule(rule), 0) << "exactly one rule stood, and it is gone";
    EXPECT_NE(netlink->delete_route(
                  {Prefix::parse("10.2.0.0/24").value(), 4'501, Route::Kind::throw_on, 0, {}}),
              0);
    EXPECT_EQ(if_nametoindex("culvert0"), 0u);
  });
}

TEST(Plane, SharedRoutesStandUntilTheLastPolicyGoes) {
  in_namespace([] {
    const auto plane = start_plane();
    ASSERT_TRUE(plane);
    auto netlink = Netlink::open();
    ASSERT_TRUE(netlink);
    ASSERT_TRUE(plane->apply(policy({}, PolicyId{1})));
    ASSERT_TRUE(plane->apply(policy({}, PolicyId{2})));
    ASSERT_TRUE(plane->apply(DeletePolicy{PolicyId{1}}));
    send_udp("10.2.0.9", 53);
    ASSERT_TRUE(wait_for_notice(*plane));
    ASSERT_TRUE(plane->apply(DeletePolicy{PolicyId{2}}));
    const Route route{Prefix::parse("10.2.0.0/24").value(), 4'501, Route::Kind::device, 0, {}};
    EXPECT_NE(netlink->delete_route(route), 0);
  });
}

TEST(Plane, ServesAHostWithIpv6SwitchedOff) {
  in_namespace([] {
    for (const char* which : {"all", "default"})
      std::ofstream(std::string("/proc/sys/net/ipv6/conf/") + which + "/disable_ipv6") << "1";
    const auto plane = start_plane();
    ASSERT_TRUE(plane);
    ASSERT_TRUE(plane->apply(policy({})));  // it names IPv6 networks, too
    send_udp("10.2.0.9", 53);
    EXPECT_TRUE(wait_for_notice(*plane));
  });
}

TEST(Plane, SaysWhatItCouldNotDo) {
  in_namespace([] {
    const FileDescriptor other(socket(AF_INET, SOCK_DGRAM, 0));
    sockaddr_storage address;
    const socklen_t size = to_sockaddr({IpAddress::any(Family::v4), 500}, address);
    ASSERT_EQ(bind(other.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    const auto plane = UserspacePlane::start({}, [](const Datagram&) {});
    ASSERT_FALSE(plane);
    EXPECT_EQ(plane.error(), "cannot bind IPv4 UDP port 500: Address already in use");
  });
}

TEST(Plane, SaysWhichSettingNeedsTheKernel) {
  in_namespace([] {
    const auto plane = start_plane();
    ASSERT_TRUE(plane);
    const auto said = [&](SadOp op) {
      const auto done = plane->apply(std::move(op));
      EXPECT_TRUE(!done && done.error().reason == Reason::unsupported);
      const std::string sentence = plane->refusal();
      EXPECT_NE(sentence.find("data_plane = \"kernel\""), std::string::npos) << sentence;
      return sentence.substr(0, sentence.find(" needs the kernel's"));
    };
    const auto with = [](auto op, auto change) {
      change(op);
      return op;
    };
    for (const Direction direction : {Direction::in, Direction::out}) {
      const std::string end = direction == Direction::in ? "_in" : "_out";
      const auto of_sa = [&](auto change) { return with(sa(direction), change); };
      EXPECT_EQ(said(of_sa([](auto& op) { op.mode = Mode::beet; })), "mode = \"beet\"");
      EXPECT_EQ(said(of_sa([](auto& op) { op.mark = {1, 1}; })), "mark" + end);
      EXPECT_EQ(said(of_sa([](auto& op) { op.set_mark = {1, 1}; })), "set_mark" + end);
      EXPECT_EQ(said(of_sa([](auto& op) { op.if_id = 1; })), "if_id" + end);
    }
    const auto of_policy = [&](auto change) { return with(policy(kPair), change); };
    EXPECT_EQ(said(of_policy([](auto& op) { op.mode = Mode::beet; })), "mode = \"beet\"");
    EXPECT_EQ(said(of_policy([](auto& op) { op.mark_in = {1, 1}; })), "mark_in");
    EXPECT_EQ(said(of_policy([](auto& op) { op.mark_out = {1, 1}; })), "mark_out");
    EXPECT_EQ(said(of_policy([](auto& op) { op.if_id_in = 1; })), "if_id_in");
    EXPECT_EQ(said(of_policy([](auto& op) { op.if_id_out = 1; })), "if_id_out");
    XfrmInterface wanted;
    wanted.name = "ipsec0";
    EXPECT_EQ(plane->set_interfaces({wanted}).error().substr(0, 28),
              "xfrm_interface ipsec0 needs ");
    // Nothing is left of them, and to delete them is no second failure.
    EXPECT_TRUE(plane->apply(DeletePolicy{kPolicy}));
    EXPECT_TRUE(plane->apply(DeleteSa{kPair, Direction::in}));
    EXPECT_EQ(plane->refusal(), "");
  });
}

TEST(Plane, ServesManyThreadsAtOnce) {
  in_namespace([] {
    const auto plane = start_plane();
    ASSERT_TRUE(plane);
    ASSERT_TRUE(plane->apply(sa(Direction::in)));
    ASSERT_TRUE(plane->apply(sa(Direction::out)));
    ASSERT_TRUE(plane->apply(policy(kPair)));
    std::atomic<bool> stop{false};
    std::thread reader([&] {
      while (!stop) {
        plane->counters(kPair);
        plane->describe();
        plane->take_notices();
      }
    });
    std::thread sender([&] {
      while (!stop) send_udp("10.2.0.9", 53);
    });
    for (std::uint64_t i = 100; i < 150; ++i) {
      EXPECT_TRUE(plane->apply(sa(Direction::in, i)));
      EXPECT_TRUE(plane->apply(UpdatePolicy{kPolicy, SaPairId{i % 2 ? i : kPair.value}}));
      EXPECT_TRUE(plane->apply(DeleteSa{SaPairId{i}, Direction::in}));
    }
    stop = true;
    reader.join();
    sender.join();
  });
}

}  // namespace
}  // namespace culvert::esp
