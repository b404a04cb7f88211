// The whole way of packets within one process: a device's super-packets through Outbound, a UDP
// socket pair on the loopback interface, and Inbound to another device.
#include <gmock/gmock.h>

#include <map>

#include "end.h"

namespace culvert::esp {
namespace {

using namespace testing_ends;
using namespace testing_packets;

constexpr SaPairId kPair{5};
constexpr PolicyId kPolicy{6};
constexpr CipherSpec kGcm{Encr::aes_gcm_16, 128, Integ::none};

class Path : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(a.apply(sa(Direction::out)));
    ASSERT_TRUE(b.apply(sa(Direction::in)));
    ASSERT_TRUE(a.apply(policy(kPair)));
  }
  InstallSa sa(Direction direction) {
    const bool out = direction == Direction::out;
    InstallSa op;
    op.pair = kPair;
    op.direction = direction;
    op.spi = 0x11223344;
    op.cipher = kGcm;
    op.keys.encryption = Key(pattern(20));
    op.local = out ? a.endpoint() : b.endpoint();
    op.remote = out ? b.endpoint() : a.endpoint();
    op.udp_encap = true;
    const auto ours = std::vector{net("10.1.0.0/16"), net("fd01::/64")};
    const auto theirs = std::vector{net("10.2.0.0/16"), net("fd02::/64")};
    op.local_ts = out ? ours : theirs;
    op.remote_ts = out ? theirs : ours;
    op.lifetime = lifetime;
    return op;
  }
  InstallPolicy policy(SaPairId pair) {
    return {kPolicy, pair, {net("0.0.0.0/0"), net("::/0")}, {net("0.0.0.0/0"), net("::/0")}};
  }
  // Sends from a to b and returns what b's device got.
  std::vector<Bytes> carry(const Bytes& packet, const VirtioHeader& header = {}) {
    b.device.packets.clear();
    a.send(header, packet);
    b.receive();
    return b.device.packets;
  }
  template <class Notice>
  static std::size_t count(const std::vector<SadNotice>& notices) {
    return static_cast<std::size_t>(std::ranges::count_if(
        notices, [](const SadNotice& notice) { return std::holds_alternative<Notice>(notice); }));
  }
  Result<> replace(End& end, Direction direction) {
    CHECK_OK(end.apply(DeleteSa{kPair, direction}));
    return end.apply(sa(direction));
  }

  End a, b;
  Lifetime lifetime;
};

TEST_F(Path, CarriesASuperPacketWhole) {
  for (const Flow& flow : {Flow{}, v6_flow()}) {
    VirtioHeader header;
    header.flags = virtio::kNeedsChecksum;
    header.gso_type = flow.source.is_v4() ? virtio::kGsoTcp4 : virtio::kGsoTcp6;
    header.gso_size = 1'300;
    const Bytes payload = pattern(50'000);
    const std::size_t writes = b.device.writes;
    const auto packets = carry(tcp_packet(flow, {}, payload), header);
    ASSERT_EQ(packets.size(), 39u);
    EXPECT_EQ(b.device.writes, writes + 1) << "coalesced";
    Bytes joined;
    for (const Bytes& packet : packets) {
      EXPECT_TRUE(checksums_ok(packet));
      append(joined, ByteView(packet).subspan(flow.source.is_v4() ? 52 : 72));
    }
    EXPECT_EQ(joined, payload);
  }
  EXPECT_EQ(b.statistics->in.packets.load(), 78u);
  EXPECT_EQ(a.statistics->out.packets.load(), 78u);
  EXPECT_EQ(b.statistics->in.bytes.load(), a.statistics->out.bytes.load());
  EXPECT_EQ(TimePoint(Duration(b.statistics->in.last_used.load())), b.now);
}

TEST_F(Path, TrainsOfMixedSizesAndClassesArriveInOrder) {
  std::vector<Bytes> sent;
  for (std::uint8_t i = 0; i < 200; ++i) {
    const std::size_t size = i % 7 == 0 ? 100 : i % 11 == 0 ? 900 : 400;
    Flow flow;
    flow.source_port = static_cast<std::uint16_t>(1'000 + i);  // never coalesced
    sent.push_back(udp_packet(flow, pattern(size, i), i % 5 == 0 ? 0xb8 : 0));
    a.outbound->packet({}, sent.back(), a.now);
  }
  a.outbound->flush(a.now);
  b.receive();
  auto got = b.device.packets;
  EXPECT_THAT(got, testing::UnorderedElementsAreArray(sent));
  EXPECT_EQ(a.drops.send_failed.load(), 0u);
}

TEST_F(Path, CopiesEcnOutwardsAndMergesItInwards) {
  const auto packets = carry(udp_packet({}, pattern(100), 0xb8 | ip::kEcnEct0));
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0][1], 0xb8 | ip::kEcnEct0);
  // A router in between marks CE: the inner packet learns of it; Not-ECT is dropped.
  const auto mark = [&](std::uint8_t inner) {
    b.device.packets.clear();
    a.send({}, udp_packet({}, pattern(100), inner));
    for (Received& buffer : b.batch.receive(b.socket)) {
      buffer.traffic_class |= ip::kEcnCe;
      b.inbound.received(OuterSocket::Kind::udp, buffer, b.now);
    }
    b.inbound.flush(b.now);
    return b.device.packets;
  };
  const auto marked = mark(ip::kEcnEct0);
  ASSERT_EQ(marked.size(), 1u);
  EXPECT_EQ(marked[0][1], ip::kEcnCe);
  EXPECT_TRUE(checksums_ok(marked[0]));
  EXPECT_TRUE(mark(0).empty());
  EXPECT_EQ(b.drops.ecn.load(), 1u);
}

TEST_F(Path, ATrainHasOneTrafficClass) {
  for (const std::uint8_t traffic_class : {0x00, 0xb8, 0xb8, 0x02})
    a.outbound->packet({}, udp_packet({}, pattern(100), traffic_class), a.now);
  a.outbound->flush(a.now);
  std::map<std::uint8_t, std::size_t> packets;
  for (const Received& buffer : b.batch.receive(b.socket))
    packets[buffer.traffic_class] += (buffer.data.size() + buffer.segment - 1) / buffer.segment;
  EXPECT_EQ(packets, (std::map<std::uint8_t, std::size_t>{{0x00, 1}, {0xb8, 2}, {0x02, 1}}));
}

TEST_F(Path, InnerPacketsMustMatchTheSelectors) {
  Flow wrong_source;
  wrong_source.source = IpAddress::v4(0x0a090001);
  EXPECT_TRUE(carry(udp_packet(wrong_source, pattern(10))).empty());
  Flow wrong_destination;
  wrong_destination.destination = IpAddress::v4(0x0a090001);
  EXPECT_TRUE(carry(udp_packet(wrong_destination, pattern(10))).empty());
  EXPECT_EQ(b.statistics->selector_mismatch.load(), 2u);
  EXPECT_EQ(carry(udp_packet({}, pattern(10))).size(), 1u);
}

TEST_F(Path, ATrapAsksOnceASecondAndLosesNothing) {
  ASSERT_TRUE(a.apply(UpdatePolicy{kPolicy, SaPairId{}}));
  std::vector<Bytes> sent;
  for (std::uint8_t i = 0; i < 5; ++i) {
    sent.push_back(udp_packet({}, pattern(10, i)));
    EXPECT_TRUE(carry(sent.back()).empty());
  }
  auto notices = a.notices.take();
  ASSERT_EQ(notices.size(), 1u);
  const auto& acquire = std::get<Acquire>(notices[0]);
  EXPECT_EQ(acquire.policy, kPolicy);
  EXPECT_EQ(acquire.local.first, Flow{}.source);
  EXPECT_EQ(acquire.local.last, Flow{}.source);
  EXPECT_EQ(acquire.local.start_port, 40'000);
  EXPECT_EQ(acquire.remote.end_port, 5'201);
  EXPECT_EQ(acquire.remote.protocol, ip::kUdp);
  a.now += std::chrono::seconds(1);
  sent.push_back(udp_packet({}, pattern(10, 9)));
  carry(sent.back());
  EXPECT_EQ(count<Acquire>(a.notices.take()), 1u);
  a.outbound->release_held({}, a.now);
  b.receive();
  EXPECT_TRUE(b.device.packets.empty()) << "there is no SA yet";
  ASSERT_TRUE(a.apply(UpdatePolicy{kPolicy, kPair}));
  a.outbound->release_held({PolicyId{77}, {}}, a.now);
  a.outbound->release_held({{}, SelectorSet({net("10.77.0.0/16")})}, a.now);
  b.receive();
  EXPECT_TRUE(b.device.packets.empty()) << "another policy's turn";
  a.outbound->release_held({kPolicy, {}}, a.now);
  b.receive();
  ASSERT_EQ(b.device.packets.size(), sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i)  // all, and in order
    EXPECT_TRUE(equal(ByteView(b.device.packets[i]).subspan(20), ByteView(sent[i]).subspan(20)));
  EXPECT_EQ(a.drops.trapped.load(), 0u);
}

TEST_F(Path, KeptPacketsAreBounded) {
  ASSERT_TRUE(a.apply(UpdatePolicy{kPolicy, SaPairId{}}));
  constexpr std::size_t kMost = HeldPackets::kPacketsPerPolicy;
  for (std::size_t i = 0; i < kMost + 3; ++i) carry(udp_packet({}, pattern(10)));
  EXPECT_EQ(a.drops.trapped.load(), 3u);
  a.now += HeldPackets::kLifetime + std::chrono::seconds(1);
  a.outbound->tick(a.now);
  EXPECT_EQ(a.drops.trapped.load(), kMost + 3);
  ASSERT_TRUE(a.apply(UpdatePolicy{kPolicy, kPair}));
  a.outbound->release_held({}, a.now);
  b.receive();
  EXPECT_TRUE(b.device.packets.empty());
  // Bounded over all policies, too.
  HeldPackets held;
  std::size_t kept = 0;
  for (std::uint64_t i = 0; i < 5'000; ++i)
    kept += held.hold(PolicyId{i + 1}, {}, Bytes(100), a.now) ? 1 : 0;
  EXPECT_EQ(kept, HeldPackets::kPackets);
}

TEST_F(Path, NothingLeavesWithoutAPolicyOrAnSa) {
  ASSERT_TRUE(a.apply(DeleteSa{kPair, Direction::out}));
  EXPECT_TRUE(carry(udp_packet({}, pattern(10))).empty());
  EXPECT_EQ(a.drops.no_sa.load(), 1u);
  ASSERT_TRUE(a.apply(DeletePolicy{kPolicy}));
  EXPECT_TRUE(carry(udp_packet({}, pattern(10))).empty());
  EXPECT_EQ(a.drops.no_policy.load(), 1u);
  ASSERT_EQ(a.device.packets.size(), 1u);  // "administratively prohibited"
  EXPECT_EQ(a.device.packets[0][20], 3);
  EXPECT_EQ(a.device.packets[0][21], 13);
}

TEST_F(Path, ReplaysAndForgeriesAreCounted) {
  a.send({}, udp_packet({}, pattern(100)));
  const auto buffers = b.batch.receive(b.socket);
  ASSERT_EQ(buffers.size(), 1u);
  Bytes copy = to_bytes(buffers[0].data), forged = copy, again = copy;
  forged[20] ^= 1;
  const auto give = [&](Bytes& octets) {
    Received buffer = buffers[0];
    buffer.data = octets;
    b.inbound.received(OuterSocket::Kind::udp, buffer, b.now);
    b.inbound.flush(b.now);
  };
  give(forged);
  give(copy);
  give(again);
  EXPECT_EQ(b.device.packets.size(), 1u);
  EXPECT_EQ(b.statistics->integrity_failed.load(), 1u);
  EXPECT_EQ(b.statistics->replayed.load(), 1u);
  Bytes stranger = pattern(100);
  give(stranger);
  EXPECT_EQ(b.drops.unknown_spi.load(), 1u);
}

// Seals `count` packets at a while b has no SA for them.
void send_early(End& a, End& b, int count) {
  EXPECT_TRUE(b.apply(DeleteSa{kPair, Direction::in}));
  for (int i = 0; i < count; ++i) a.send({}, udp_packet({}, pattern(100)));
  b.receive();
  EXPECT_TRUE(b.device.packets.empty());
  EXPECT_EQ(b.drops.unknown_spi.load(), static_cast<std::uint64_t>(count));
}

TEST_F(Path, PacketsThatComeBeforeTheirSaAreKeptForAMoment) {
  send_early(a, b, 3);
  ASSERT_TRUE(b.apply(sa(Direction::in)));
  b.inbound.release_early(IpsecProtocol::ah, sa(Direction::in).spi, b.now);
  EXPECT_TRUE(b.device.packets.empty());
  for (int i = 0; i < 2; ++i)
    b.inbound.release_early(IpsecProtocol::esp, sa(Direction::in).spi, b.now);
  EXPECT_EQ(b.device.packets.size(), 3u);
  EXPECT_EQ(b.drops.unknown_spi.load(), 0u);
  EXPECT_EQ(b.statistics->replayed.load(), 0u);
}

TEST_F(Path, EarlyPacketsAreForgotten) {
  send_early(a, b, EarlyPackets::kPackets + 5);
  ASSERT_TRUE(b.apply(sa(Direction::in)));
  b.inbound.release_early(IpsecProtocol::esp, sa(Direction::in).spi, b.now);
  EXPECT_EQ(b.device.packets.size(), EarlyPackets::kPackets) << "the first made room";
  b.device.packets.clear();
  b.drops.unknown_spi = 0;
  send_early(a, b, 1);
  ASSERT_TRUE(b.apply(sa(Direction::in)));
  b.now += EarlyPackets::kLifetime + std::chrono::milliseconds(1);
  b.inbound.release_early(IpsecProtocol::esp, sa(Direction::in).spi, b.now);
  EXPECT_TRUE(b.device.packets.empty());
}

TEST_F(Path, TooBigPacketsAreAnswered) {
  const std::size_t limit = a.database.outbound(kPair)->inner_limit;
  EXPECT_EQ(limit, 1'438u);  // 1500 - 20 - 8 - 8 - 8 - 2 - 16
  const auto fits = udp_packet({}, pattern(limit - 28));
  EXPECT_EQ(carry(fits).size(), 1u);
  EXPECT_TRUE(a.device.packets.empty());
  const auto over = udp_packet({}, pattern(limit - 27));
  EXPECT_TRUE(carry(over).empty());
  ASSERT_EQ(a.device.packets.size(), 1u);
  EXPECT_EQ(load_be<std::uint16_t>(a.device.packets[0].data() + 26), limit);
  Bytes fragmentable = over;
  fragmentable[6] = 0;
  write_ipv4_checksum(MutableBytes(fragmentable).first(20));
  EXPECT_EQ(carry(fragmentable).size(), 1u)
      << "without DF it leaves, in outer fragments if need be";
  a.path_mtu = 1'300;  // below what IPv6 needs: RFC 8200, 5 wants 1,280 carried all the same
  ASSERT_TRUE(replace(a, Direction::out) && replace(b, Direction::in));
  EXPECT_EQ(carry(udp_packet(v6_flow(), pattern(1'280 - 48))).size(), 1u);
  EXPECT_TRUE(carry(udp_packet(v6_flow(), pattern(1'281 - 48))).empty());
}

TEST_F(Path, IcmpIsRateLimited) {
  for (int i = 0; i < 500; ++i) a.outbound->packet({}, udp_packet({}, pattern(1'500)), a.now);
  EXPECT_EQ(a.device.packets.size(), 100u);
  a.now += std::chrono::seconds(1);
  a.outbound->packet({}, udp_packet({}, pattern(1'500)), a.now);
  EXPECT_EQ(a.device.packets.size(), 101u);
}

TEST_F(Path, LifetimesTellOnceAndThenStop) {
  lifetime.rekey_packets = 5;
  lifetime.life_packets = 10;
  ASSERT_TRUE(replace(a, Direction::out) && replace(b, Direction::in));
  std::size_t carried = 0;
  for (int i = 0; i < 20; ++i) carried += carry(udp_packet({}, pattern(10))).size();
  EXPECT_EQ(carried, 10u);
  for (End* end : {&a, &b}) {
    std::vector<bool> hard;
    for (const SadNotice& notice : end->notices.take())
      if (const auto* expire = std::get_if<Expire>(&notice)) {
        EXPECT_EQ(expire->pair, kPair);
        EXPECT_EQ(expire->direction, end == &a ? Direction::out : Direction::in);
        hard.push_back(expire->hard);
      }
    EXPECT_EQ(hard, (std::vector<bool>{false, true}));
  }
}

TEST_F(Path, SequenceNumbersEndTheSa) {
  a.database.outbound(kPair)->sealer.set_next_sequence(0xffff'ffff);
  EXPECT_EQ(carry(udp_packet({}, pattern(10))).size(), 1u);
  EXPECT_TRUE(carry(udp_packet({}, pattern(10))).empty());
  EXPECT_TRUE(carry(udp_packet({}, pattern(10))).empty());
  EXPECT_EQ(count<Expire>(a.notices.take()), 1u);
}

TEST_F(Path, TellsOfActivityAndOfANewSource) {
  carry(udp_packet({}, pattern(10)));
  carry(udp_packet({}, pattern(10)));
  auto notices = b.notices.take();
  EXPECT_EQ(count<Activity>(notices), 1u);
  EXPECT_EQ(count<MappingChange>(notices), 0u);
  // The same SA from another port, as after a NAT's restart.
  OuterSocket other = open_socket();
  const std::uint16_t port = other.port();
  std::swap(a.socket, other);
  b.database.inbound(0x11223344)->next_activity = TimePoint::min();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(carry(udp_packet({}, pattern(10))).size(), 1u);
  notices = b.notices.take();
  ASSERT_EQ(count<MappingChange>(notices), 1u);
  EXPECT_EQ(count<Activity>(notices), 0u) << "no sign of life until the peer is looked for there";
  for (const SadNotice& notice : notices)
    if (const auto* change = std::get_if<MappingChange>(&notice)) {
      EXPECT_EQ(change->remote.port, port);
    }
  ASSERT_TRUE(b.apply(UpdateSa{kPair, b.endpoint(), {kLoopback, port}, true}));
  carry(udp_packet({}, pattern(10)));
  notices = b.notices.take();
  EXPECT_EQ(count<MappingChange>(notices), 0u);
  EXPECT_EQ(count<Activity>(notices), 1u);
}

// RFC 7296, 2.8: receive on both, send on the new one once the peer can.
TEST_F(Path, ARekeyLosesNothing) {
  const auto numbered = [&](Direction direction, SaPairId pair, std::uint32_t spi) {
    InstallSa op = sa(direction);
    op.pair = pair;
    op.spi = spi;
    return op;
  };
  SaPairId pair = kPair;
  std::size_t got = 0;
  for (std::uint32_t round = 0; round < 20; ++round) {
    const auto send = [&](std::uint8_t seed) {
      Flow flow;
      flow.source_port = static_cast<std::uint16_t>(1'000 + round * 8 + seed);
      a.send({}, udp_packet(flow, pattern(100, seed)));
    };
    const SaPairId next{100 + round};
    const std::uint32_t spi = 0x2000 + round;
    b.device.packets.clear();
    send(1);
    ASSERT_TRUE(b.apply(numbered(Direction::in, next, spi)));
    send(2);
    ASSERT_TRUE(a.apply(numbered(Direction::out, next, spi)));
    send(3);
    ASSERT_TRUE(a.apply(UpdatePolicy{kPolicy, next}));
    send(4);
    ASSERT_TRUE(a.apply(DeleteSa{pair, Direction::out}));
    b.receive();  // the old SA's last packets come when the new one is in use already
    ASSERT_TRUE(b.apply(DeleteSa{pair, Direction::in}));
    send(5);
    b.receive();
    got += b.device.packets.size();
    pair = next;
  }
  EXPECT_EQ(got, 100u);
}

TEST_F(Path, SeparatesIkeFromEsp) {
  const Bytes ike = {0, 0, 0, 0, 1, 2, 3, 4, 5};
  const Bytes keepalive = {0xff};
  const Bytes rubbish = {1, 2, 3};
  for (const Bytes& message : {ike, keepalive, rubbish, ike}) {
    const ByteView part = message;
    ASSERT_TRUE(send_datagram(a.socket, a.endpoint(), b.endpoint(), {&part, 1}));
  }
  b.receive();
  ASSERT_EQ(b.ike.size(), 2u);
  EXPECT_EQ(b.ike[0], (Bytes{1, 2, 3, 4, 5}));
  EXPECT_EQ(b.drops.malformed.load(), 1u);
}

TEST_F(Path, SplitsCoalescedIke) {
  Bytes three = {0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 3};
  b.inbound.received(OuterSocket::Kind::udp, {three, b.endpoint(), a.endpoint(), 0, 6, {}}, b.now);
  EXPECT_EQ(b.ike, (std::vector<Bytes>{{1, 1}, {2, 2}, {3}}));
}

TEST_F(Path, SealsAnyInnerProtocolButForwardsOnlyIp) {
  // Next header 59 is a dummy; others are not what a tunnel carries.
  auto& sealer = a.database.outbound(kPair)->sealer;
  for (const std::uint8_t next : {ip::kNoNextHeader, ip::kTcp, ip::kIpv6}) {
    const Bytes inner = udp_packet({}, pattern(10));
    Bytes packet(sealer.sealed_size(inner.size()));
    std::ranges::copy(inner, packet.begin() + 16);
    auto op = sealer.prepare(packet.data(), inner.size(), next);
    sealer.seal({&*op, 1});
    b.inbound.received(OuterSocket::Kind::udp,
                       {packet, b.endpoint(), a.endpoint(), 0, packet.size(), {}}, b.now);
    b.inbound.flush(b.now);
  }
  EXPECT_TRUE(b.device.packets.empty());
  EXPECT_EQ(b.drops.malformed.load(), 2u);
}

TEST_F(Path, RefusesWhatItCannotDo) {
  const auto refused = [&](auto change) {
    InstallSa op = sa(Direction::in);
    op.pair = SaPairId{9};
    op.spi = 9;
    change(op);
    const auto result = b.apply(std::move(op));
    return !result && result.error().reason == Reason::unsupported;
  };
  EXPECT_TRUE(refused([](InstallSa& op) { op.mode = Mode::beet; }));
  EXPECT_TRUE(refused([](InstallSa& op) { op.mark = {1, 1}; }));
  EXPECT_TRUE(refused([](InstallSa& op) { op.if_id = 7; }));
  EXPECT_TRUE(refused([](InstallSa& op) {  // AH knows no UDP encapsulation
    op.protocol = IpsecProtocol::ah;
    op.cipher = {Encr::none, 0, Integ::hmac_sha2_256_128};
    op.keys = {{}, Key(pattern(32))};
  }));
  EXPECT_TRUE(refused([](InstallSa& op) { op.cipher = {Encr::none, 0, Integ::hmac_sha1_96}; }));
  EXPECT_EQ(b.apply(sa(Direction::in)).error().reason, Reason::invalid_argument);
  EXPECT_EQ(b.apply(DeleteSa{SaPairId{77}, Direction::in}).error().reason, Reason::not_found);
  EXPECT_EQ(b.apply(DeletePolicy{PolicyId{77}}).error().reason, Reason::not_found);
  EXPECT_EQ(b.apply(UpdateSa{SaPairId{77}, a.endpoint(), b.endpoint(), true}).error().reason,
            Reason::not_found);
}

}  // namespace
}  // namespace culvert::esp
