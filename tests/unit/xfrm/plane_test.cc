// The kernel plane on this machine's own kernel, in a network namespace: policies, traps, sockets.
// SAs need a kernel with ESP; tests/vm has one.
#include "xfrm/kernel_plane.h"

#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <poll.h>

#include <fstream>

#include "tests/unit/esp/namespace.h"
#include "xfrm/leftovers.h"
#include "xfrm/policies.h"

namespace culvert::xfrm {
namespace {

using namespace esp::testing_namespace;

constexpr PolicyId kPolicy{4};

TrafficSelector ts(const char* text) { return parse_selector(text).value().selector; }

InstallPolicy policy(Mode mode, PolicyId id = kPolicy) {
  InstallPolicy op;
  op.policy = id;
  op.local_ts = {ts("0.0.0.0/0")};
  op.remote_ts = {ts("10.1.0.1/32[udp/9999]")};
  op.mode = mode;
  op.priority = 1'000;
  return op;
}

// Linux exempts the loopback interface unless it is told otherwise.
void put_policies_on_loopback() {
  for (const char* which : {"disable_xfrm", "disable_policy"})
    std::ofstream(std::string("/proc/sys/net/ipv4/conf/lo/") + which) << "0";
}

// From the namespace's second address to itself; false when the kernel refuses to send.
bool send_udp(std::uint16_t port) {
  const esp::FileDescriptor fd(socket(AF_INET, SOCK_DGRAM, 0));
  sockaddr_storage address;
  const socklen_t size = esp::to_sockaddr({IpAddress::parse("10.1.0.1").value(), port}, address);
  return sendto(fd.get(), "hello", 5, 0, reinterpret_cast<const sockaddr*>(&address), size) == 5;
}

std::vector<SadNotice> wait_for_notices(KernelPlane& plane) {
  for (int i = 0; i < 100; ++i) {
    pollfd waiting{plane.notice_fd(), POLLIN, 0};
    if (poll(&waiting, 1, 5'000) != 1) return {};
    if (auto notices = plane.take_notices(); !notices.empty()) return notices;
  }
  return {};
}

// Makes it somebody else's.
void erase_sign(Batch& batch, std::size_t index) {
  auto* body = reinterpret_cast<xfrm_userpolicy_info*>(
      reinterpret_cast<std::uint8_t*>(batch.header(index)) + NLMSG_HDRLEN);
  body->lft.hard_add_expires_seconds = 0;
}

void with_plane(const std::function<void(KernelPlane&)>& body, DataPlane::IkeSink sink = {}) {
  in_namespace([&] {
    put_policies_on_loopback();
    auto plane = KernelPlane::start({}, sink ? sink : [](const Datagram&) {});
    ASSERT_TRUE(plane) << plane.error();
    body(**plane);
  });
}

TEST(KernelPlane, ATrapHoldsThePacketAndAsks) {
  with_plane([](KernelPlane& plane) {
    ASSERT_TRUE(plane.apply(policy(Mode::tunnel))) << plane.refusal();
    send_udp(9'999);
    const auto notices = wait_for_notices(plane);
    ASSERT_EQ(notices.size(), 1u);
    const auto& acquire = std::get<Acquire>(notices[0]);
    EXPECT_EQ(acquire.policy, kPolicy);
    EXPECT_EQ(acquire.remote.first.to_string(), "10.1.0.1");
    EXPECT_EQ(acquire.remote.start_port, 9'999);
    EXPECT_TRUE(send_udp(9'998)) << "other ports are none of its business";
  });
}

TEST(KernelPlane, DropAndPassByWhatIsNarrower) {
  with_plane([](KernelPlane& plane) {
    ASSERT_TRUE(plane.apply(policy(Mode::drop)));
    EXPECT_FALSE(send_udp(9'999));
    InstallPolicy pass = policy(Mode::pass, PolicyId{5});
    pass.local_ts = {ts("10.1.0.1/32")};
    pass.priority = 2'000;
    ASSERT_TRUE(plane.apply(std::move(pass)));
    EXPECT_TRUE(send_udp(9'999)) << "the narrower one wins";
    ASSERT_TRUE(plane.apply(DeletePolicy{PolicyId{5}}));
    EXPECT_FALSE(send_udp(9'999));
    ASSERT_TRUE(plane.apply(DeletePolicy{kPolicy}));
    EXPECT_TRUE(send_udp(9'999));
  });
}

TEST(KernelPlane, LeavesNoPolicyBehind) {
  in_namespace([] {
    put_policies_on_loopback();
    {
      auto plane = KernelPlane::start({}, [](const Datagram&) {});
      ASSERT_TRUE(plane) << plane.error();
      ASSERT_TRUE((*plane)->apply(policy(Mode::drop)));
      EXPECT_FALSE(send_udp(9'999));
    }
    EXPECT_TRUE(send_udp(9'999));
  });
}

TEST(KernelPlane, RemovesWhatAKilledOneHasLeftAndNothingElse) {
  with_plane([](KernelPlane&) {
    auto requests = RequestSocket::open(NETLINK_XFRM);
    ASSERT_TRUE(requests) << requests.error();
    auto ours = kernel_policies(policy(Mode::drop), {}, 0).value();
    auto another = policy(Mode::drop);
    another.remote_ts = {ts("10.1.0.1/32[udp/9998]")};
    auto theirs = kernel_policies(another, {}, 0).value();
    Batch batch;
    for (const WantedPolicy& one : ours) put_policy(batch, one.key, one.body);
    for (const WantedPolicy& one : theirs) {
      put_policy(batch, one.key, one.body);
      erase_sign(batch, batch.size() - 1);
    }
    for (const Ack& ack : requests->transact(batch)) EXPECT_EQ(ack.error, 0) << ack.text;
    EXPECT_EQ(remove_leftovers(*requests), ours.size());
    EXPECT_TRUE(send_udp(9'999));
    EXPECT_FALSE(send_udp(9'998));
  });
}

TEST(KernelPlane, TrapsKeepPacketsWhileItRuns) {
  const auto larval_drop = [] {
    std::string value;
    std::ifstream("/proc/sys/net/core/xfrm_larval_drop") >> value;
    return value;
  };
  in_namespace([&] {
    {
      auto plane = KernelPlane::start({}, [](const Datagram&) {});
      ASSERT_TRUE(plane) << plane.error();
      EXPECT_EQ(larval_drop(), "0");
    }
    EXPECT_EQ(larval_drop(), "1");
  });
}

TEST(KernelPlane, IkePassesPoliciesByOnBothPorts) {
  std::vector<std::pair<std::uint16_t, std::string>> got;
  with_plane(
      [&](KernelPlane& plane) {
        InstallPolicy everything = policy(Mode::drop);
        everything.remote_ts = {ts("0.0.0.0/0")};
        ASSERT_TRUE(plane.apply(std::move(everything)));
        const IpAddress us = IpAddress::parse("10.1.0.1").value();
        for (const std::uint16_t port : {std::uint16_t{500}, std::uint16_t{4'500}})
          plane.send_ike({{us, port}, {us, port}, as_bytes("an IKE message")});
        for (int i = 0; i < 10 && got.size() < 2; ++i) {
          pollfd waiting{plane.notice_fd(), POLLIN, 0};
          poll(&waiting, 1, 1'000);
          plane.take_notices();
        }
      },
      [&](const Datagram& datagram) {
        got.emplace_back(datagram.local.port, std::string(as_text(datagram.payload)));
        EXPECT_EQ(datagram.local.address.to_string(), "10.1.0.1");
      });
  if (testing::Test::IsSkipped()) return;
  std::ranges::sort(got);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0], std::pair(std::uint16_t{500}, std::string("an IKE message")));
  EXPECT_EQ(got[1], std::pair(std::uint16_t{4'500}, std::string("an IKE message")))
      << "the non-ESP marker is ours";
}

TEST(KernelPlane, RefusalsAreSentences) {
  with_plane([](KernelPlane& plane) {
    InstallPolicy elsewhere = policy(Mode::tunnel);
    elsewhere.interface = "nowhere0";
    EXPECT_FALSE(plane.apply(std::move(elsewhere)));
    EXPECT_EQ(plane.refusal(), "there is no interface nowhere0");
    EXPECT_FALSE(plane.apply(DeleteSa{SaPairId{1}, Direction::in}));
    EXPECT_FALSE(plane.counters(SaPairId{1}));
    ASSERT_TRUE(plane.apply(policy(Mode::drop))) << "what was refused left nothing";
  });
}

// ---- with a kernel that has ESP ----

InstallSa sa(Direction direction, const CipherSpec& cipher, std::uint64_t pair) {
  InstallSa op;
  op.pair = SaPairId{pair};
  op.direction = direction;
  op.spi = static_cast<std::uint32_t>(0x1000 + pair * 2) + (direction == Direction::in ? 0 : 1);
  op.cipher = cipher;
  const auto sizes = sizes_of(cipher).value();
  op.keys.encryption.assign(Bytes(sizes.key, 7));
  op.keys.integrity.assign(Bytes(sizes.integ_key, 9));
  if (cipher.encr == Encr::none) op.protocol = IpsecProtocol::ah;
  op.local = {IpAddress::parse("10.1.0.1").value(), 4'500};
  op.remote = {IpAddress::parse("10.1.0.2").value(), 4'500};
  op.reqid = 5;
  op.lifetime.rekey_bytes = 1'000'000;
  return op;
}

void with_esp(const std::function<void(KernelPlane&)>& body) {
  if (const auto works = KernelPlane::probe(); !works) GTEST_SKIP() << works.error();
  with_plane(body);
}

TEST(KernelPlaneSas, EveryCipherIsTaken) {
  with_esp([](KernelPlane& plane) {
    const CipherSpec ciphers[] = {
        {Encr::aes_gcm_16, 256, Integ::none},           {Encr::aes_gcm_8, 128, Integ::none},
        {Encr::aes_ccm_16, 128, Integ::none},           {Encr::chacha20_poly1305, 0, Integ::none},
        {Encr::aes_cbc, 256, Integ::hmac_sha2_512_256}, {Encr::aes_ctr, 128, Integ::aes_xcbc_96},
        {Encr::triple_des, 0, Integ::hmac_md5_96},      {Encr::null, 0, Integ::hmac_sha2_384_192},
        {Encr::none, 0, Integ::hmac_sha2_256_128},      {Encr::none, 0, Integ::aes_cmac_96},
    };
    std::uint64_t pair = 0;
    for (const CipherSpec& cipher : ciphers)
      for (const Direction direction : {Direction::in, Direction::out})
        EXPECT_TRUE(plane.apply(sa(direction, cipher, ++pair))) << plane.refusal();
  });
}

TEST(KernelPlaneSas, EveryOptionIsTaken) {
  with_esp([](KernelPlane& plane) {
    for (const Direction direction : {Direction::in, Direction::out}) {
      InstallSa op = sa(direction, {Encr::aes_gcm_16, 128, Integ::none}, 1);
      op.esn = true;
      op.udp_encap = true;
      op.mark = {1, 0xff};
      op.set_mark = {2, 0xff};
      op.if_id = 3;
      op.tfc_padding = kPadToMtu;
      op.copy_df = op.copy_ecn = false;
      op.copy_dscp = CopyDscp::in;
      EXPECT_TRUE(plane.apply(std::move(op))) << plane.refusal();
      InstallSa compressed = sa(direction, {Encr::aes_gcm_16, 128, Integ::none}, 2);
      compressed.cpi = 0x1234;
      EXPECT_TRUE(plane.apply(std::move(compressed))) << plane.refusal();
      InstallSa transport = sa(direction, {Encr::aes_gcm_16, 128, Integ::none}, 3);
      transport.mode = Mode::transport;
      EXPECT_TRUE(plane.apply(std::move(transport))) << plane.refusal();
    }
    EXPECT_TRUE(plane.counters(SaPairId{1}));
  });
}

TEST(KernelPlaneSas, MoveAndGoOn) {
  with_esp([](KernelPlane& plane) {
    const CipherSpec gcm{Encr::aes_gcm_16, 128, Integ::none};
    ASSERT_TRUE(plane.apply(sa(Direction::in, gcm, 1)));
    ASSERT_TRUE(plane.apply(sa(Direction::out, gcm, 1)));
    InstallPolicy protect = policy(Mode::tunnel);
    protect.remote_ts = {ts("10.1.0.2/32")};
    protect.pair = SaPairId{1};
    ASSERT_TRUE(plane.apply(std::move(protect))) << plane.refusal();
    const UpdateSa to{SaPairId{1},
                      {IpAddress::parse("10.1.0.1").value(), 4'500},
                      {IpAddress::parse("10.1.0.3").value(), 4'501},
                      true};
    ASSERT_TRUE(plane.apply(to)) << plane.refusal();
    ASSERT_TRUE(plane.apply(to)) << plane.refusal();
    EXPECT_TRUE(plane.apply(UpdatePolicy{kPolicy, {}}));
    EXPECT_TRUE(plane.apply(DeletePolicy{kPolicy}));
    EXPECT_TRUE(plane.apply(DeleteSa{SaPairId{1}, Direction::out}));
    EXPECT_TRUE(plane.apply(DeleteSa{SaPairId{1}, Direction::in}));
    EXPECT_FALSE(plane.counters(SaPairId{1}));
  });
}

}  // namespace
}  // namespace culvert::xfrm
