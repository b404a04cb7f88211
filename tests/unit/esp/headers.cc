// What passes between inner and outer headers, what leaves in clear, and what goes nowhere.
#include <netinet/in.h>

#include "esp/ipcomp.h"
#include "esp/reassembly.h"
#include "hosts.h"
#include "net/encapsulation.h"

namespace culvert::esp {
namespace {

using namespace testing_hosts;
using namespace testing_namespace;
using namespace testing_packets;

Shape over_udp() { return {IpsecProtocol::esp, Mode::tunnel, Family::v4, true}; }

// What `a` sends for a packet, as `b` gets it, before it is opened.
std::vector<Received> outer(Hosts& hosts, ByteView packet) {
  hosts.a.send({}, packet);
  const auto got = hosts.b.batch.receive(hosts.b.socket);
  return {got.begin(), got.end()};
}
std::optional<Bytes> open(Hosts& hosts, Received received) {
  hosts.b.device.packets.clear();
  hosts.b.inbound.received(OuterSocket::Kind::udp, received, hosts.b.now);
  hosts.b.inbound.flush(hosts.b.now);
  if (hosts.b.device.packets.empty()) return std::nullopt;
  return hosts.b.device.packets[0];
}

// RFC 6040, figures 3 and 4, and what `copy_ecn` and `copy_dscp` make of them.
TEST(Headers, TrafficClassesCrossAsTold) {
  in_namespace([] {
    for (const bool ecn : {true, false})
      for (const CopyDscp dscp : {CopyDscp::out, CopyDscp::in, CopyDscp::yes, CopyDscp::no}) {
        Hosts hosts(over_udp());
        hosts.change = [&](InstallSa& op) {
          op.copy_ecn = ecn;
          op.copy_dscp = dscp;
        };
        ASSERT_TRUE(hosts.install());
        const bool outwards = dscp == CopyDscp::out || dscp == CopyDscp::yes;
        const bool inwards = dscp == CopyDscp::in || dscp == CopyDscp::yes;
        for (std::uint8_t inner = 0; inner < 4; ++inner)
          for (std::uint8_t arriving = 0; arriving < 4; ++arriving) {
            const auto packet =
                udp_packet(hosts.flow(), pattern(50), static_cast<std::uint8_t>(0xb8 | inner));
            auto sent = outer(hosts, packet);
            ASSERT_EQ(sent.size(), 1u);
            EXPECT_EQ(sent[0].traffic_class, (outwards ? 0xb8 : 0) | (ecn ? inner : 0));
            sent[0].traffic_class = static_cast<std::uint8_t>(0x28 | arriving);
            const auto got = open(hosts, sent[0]);
            const auto merged = ecn ? ecn_decapsulate(inner, arriving) : inner;
            ASSERT_EQ(got.has_value(), merged.has_value());
            if (!got) continue;
            EXPECT_EQ((*got)[1], (inwards ? 0x28 : 0xb8) | *merged);
            EXPECT_TRUE(checksums_ok(*got));
          }
      }
  });
}

// The DF bit of the next packet that a raw UDP socket sees.
bool next_has_df(int raw) {
  std::uint8_t octets[2'048];
  EXPECT_GT(recv(raw, octets, sizeof octets, 0), 20);
  return (octets[6] & 0x40) != 0;
}

TEST(Headers, DontFragmentIsCopied) {
  in_namespace([] {
    for (const bool copy : {true, false}) {
      Hosts hosts(over_udp());
      hosts.change = [&](InstallSa& op) { op.copy_df = copy; };
      ASSERT_TRUE(hosts.install());
      const FileDescriptor raw(socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_UDP));
      const Bytes with = udp_packet(hosts.flow(), pattern(50));
      Bytes without = with;
      without[6] = 0;
      write_ipv4_checksum(MutableBytes(without).first(20));
      for (int i = 0; i < 2; ++i) {
        hosts.a.send({}, with);
        EXPECT_EQ(next_has_df(raw.get()), copy);
        hosts.a.send({}, without);
        EXPECT_FALSE(next_has_df(raw.get()));
      }
      // Both in one batch are two trains.
      hosts.a.outbound->packet({}, with, hosts.a.now);
      hosts.a.outbound->packet({}, without, hosts.a.now);
      hosts.a.outbound->flush(hosts.a.now);
      EXPECT_EQ(next_has_df(raw.get()), copy);
      if (copy) {
        EXPECT_FALSE(next_has_df(raw.get()));
      }
      hosts.b.receive();
      // What need not be kept whole is never refused.
      const auto big = udp_packet(hosts.flow(), pattern(1'500));
      EXPECT_EQ(outer(hosts, big).empty(), copy);
    }
  });
}

TEST(Headers, PaddingHidesLengths) {
  in_namespace([] {
    for (const std::uint32_t padding : {300u, kPadToMtu}) {
      Hosts hosts(over_udp());
      hosts.change = [&](InstallSa& op) { op.tfc_padding = padding; };
      ASSERT_TRUE(hosts.install());
      const OutboundSa& sa = *hosts.a.database.outbound(kPair);
      const std::size_t target = padding == kPadToMtu ? sa.inner_limit : padding;
      for (const std::size_t size : {std::size_t{1}, std::size_t{150}, target - 28}) {
        const Bytes packet = udp_packet(hosts.flow(), pattern(size));
        const auto sent = outer(hosts, packet);
        ASSERT_EQ(sent.size(), 1u);
        EXPECT_EQ(sent[0].data.size(), sa.sealer.sealed_size(target));
        EXPECT_EQ(open(hosts, sent[0]), packet);
      }
      EXPECT_EQ(hosts.b.statistics->in.bytes.load(), 28u * 3 + 151 + target - 28) << "not padding";
    }
  });
}

// RFC 4301, 4.4.1: a policy that names protocols or ports leaves the others alone.
TEST(Headers, WhatAPolicyLeavesOutGoesInClear) {
  in_namespace([] {
    Hosts hosts({IpsecProtocol::esp, Mode::transport, Family::v4, false});
    hosts.change = [&](InstallSa& op) {
      for (auto* side : {&op.local_ts, &op.remote_ts}) (*side)[0].protocol = ip::kTcp;
    };
    ASSERT_TRUE(hosts.install());
    EXPECT_EQ(hosts.carry(tcp_packet(hosts.flow(), {}, pattern(10))).size(), 1u);
    Flow clear = hosts.flow();
    clear.destination_port = hosts.b.socket.port();
    const Bytes payload = {0, 0, 0, 0, 'c', 'l', 'e', 'a', 'r'};
    EXPECT_TRUE(hosts.carry(udp_packet(clear, payload)).empty());
    ASSERT_EQ(hosts.b.ike.size(), 1u) << "it came by itself";
    EXPECT_EQ(hosts.b.ike[0], to_bytes(as_bytes("clear")));
    EXPECT_EQ(hosts.a.drops.no_policy.load(), 0u);
    // Another address is nobody's: refused, as ever.
    clear.source = IpAddress::v4(0x7f000009);
    EXPECT_TRUE(hosts.carry(udp_packet(clear, payload)).empty());
    EXPECT_EQ(hosts.b.ike.size(), 1u);
    EXPECT_EQ(hosts.a.drops.no_policy.load(), 1u);
  });
}

TEST(Headers, APolicyMayBeBoundToAnInterface) {
  in_namespace([] {
    Hosts hosts({IpsecProtocol::esp, Mode::transport, Family::v4, false});
    ASSERT_TRUE(hosts.a.apply(hosts.sa(Direction::out)));
    ASSERT_TRUE(hosts.b.apply(hosts.sa(Direction::in)));
    const auto bind = [&](const char* interface) {
      InstallPolicy op = hosts.policy();
      op.interface = interface;
      return hosts.a.apply(std::move(op)).has_value();
    };
    Flow flow = hosts.flow();
    flow.destination_port = hosts.b.socket.port();
    const Bytes packet = udp_packet(flow, Bytes{0, 0, 0, 0, 1});
    ASSERT_TRUE(bind("lo"));
    EXPECT_EQ(hosts.carry(packet).size(), 1u) << "it would leave by lo, so it is protected";
    ASSERT_TRUE(hosts.a.apply(DeletePolicy{kPolicy}));
    ASSERT_TRUE(bind("eth7"));
    EXPECT_TRUE(hosts.carry(packet).empty());
    EXPECT_EQ(hosts.b.ike.size(), 1u) << "in clear";
  });
}

TEST(Headers, ShuntsPassAndDrop) {
  in_namespace([] {
    Hosts hosts({IpsecProtocol::esp, Mode::transport, Family::v4, false});
    ASSERT_TRUE(hosts.install());
    Flow clear = hosts.flow();
    clear.destination_port = hosts.b.socket.port();
    const Bytes packet = udp_packet(clear, Bytes{0, 0, 0, 0, 1});
    const auto shunt = [&](std::uint64_t id, Mode mode, std::uint32_t priority) {
      InstallPolicy op{PolicyId{id}, {}, {host(hosts.a.address)}, {host(hosts.b.address)}};
      op.remote_ts[0].protocol = op.local_ts[0].protocol = ip::kUdp;
      op.remote_ts[0].start_port = op.remote_ts[0].end_port = clear.destination_port;
      op.mode = mode;
      op.priority = priority;
      return hosts.a.apply(std::move(op)).has_value();
    };
    EXPECT_EQ(hosts.carry(packet).size(), 1u) << "protected";
    ASSERT_TRUE(shunt(20, Mode::pass, 100));
    EXPECT_TRUE(hosts.carry(packet).empty());
    EXPECT_EQ(hosts.b.ike.size(), 1u) << "passed";
    ASSERT_TRUE(shunt(21, Mode::drop, 50));
    EXPECT_TRUE(hosts.carry(packet).empty());
    EXPECT_EQ(hosts.b.ike.size(), 1u) << "dropped: the lower priority number decides";
    EXPECT_EQ(hosts.a.drops.denied.load(), 1u);
    ASSERT_TRUE(hosts.a.apply(DeletePolicy{PolicyId{21}}));
    hosts.carry(packet);
    EXPECT_EQ(hosts.b.ike.size(), 2u);
    EXPECT_EQ(hosts.carry(tcp_packet(hosts.flow(), {}, pattern(10))).size(), 1u);
  });
}

TEST(Headers, AMovingSourceIsToldOnceASecond) {
  in_namespace([] {
    Hosts hosts(over_udp());
    ASSERT_TRUE(hosts.install());
    for (std::uint16_t port = 1'000; port < 1'100; ++port) {
      auto sent = outer(hosts, udp_packet(hosts.flow(), pattern(10)));
      ASSERT_EQ(sent.size(), 1u);
      sent[0].remote.port = port;
      EXPECT_TRUE(open(hosts, sent[0]));
      if (port == 1'050) hosts.b.now += std::chrono::seconds(1);
    }
    std::vector<std::uint16_t> told;
    for (const SadNotice& notice : hosts.b.notices.take())
      if (const auto* change = std::get_if<MappingChange>(&notice))
        told.push_back(change->remote.port);
    EXPECT_EQ(told, (std::vector<std::uint16_t>{1'000, 1'051}));
  });
}

TEST(Headers, AnSaMovesToAnotherAddress) {
  in_namespace([] {
    for (const IpsecProtocol protocol : {IpsecProtocol::esp, IpsecProtocol::ah}) {
      const bool ah = protocol == IpsecProtocol::ah;
      Hosts hosts({protocol, Mode::tunnel, Family::v4, false,
                   ah ? CipherSpec{Encr::none, 0, Integ::hmac_sha2_256_128}
                      : CipherSpec{Encr::aes_gcm_16, 128, Integ::none}});
      ASSERT_TRUE(hosts.install());
      EXPECT_EQ(hosts.carry(udp_packet({}, pattern(10))).size(), 1u);
      const IpAddress other = IpAddress::v4(0x7f000005);
      ASSERT_TRUE(hosts.a.apply(UpdateSa{kPair, {other, 0}, hosts.b.endpoint(), false}));
      EXPECT_EQ(hosts.carry(udp_packet({}, pattern(10))).size(), 1u);
      if (ah) {
        EXPECT_FALSE(hosts.a.apply(UpdateSa{kPair, {other, 0}, hosts.b.endpoint(), true}));
      }
    }
  });
}

TEST(Headers, CompressedPacketsCannotGrowWithoutBound) {
  Compressor compressor;
  Decompressor decompressor;
  const Bytes zeros(60'000);
  Bytes packed(zeros.size()), room(zeros.size());
  const auto size = compressor.compress(zeros, ip::kUdp, 0x1234, packed.data());
  ASSERT_TRUE(size);
  EXPECT_LT(*size, 200u);
  EXPECT_EQ(packed[0], ip::kUdp);
  EXPECT_EQ(packed[1], 0);
  EXPECT_EQ(load_be<std::uint16_t>(packed.data() + 2), 0x1234);
  const ByteView deflated = ByteView(packed).first(*size).subspan(kIpCompHeader);
  EXPECT_EQ(decompressor.expand(deflated, room), zeros.size());
  EXPECT_EQ(room, zeros);
  EXPECT_FALSE(decompressor.expand(deflated, MutableBytes(room).first(59'999)));
  EXPECT_FALSE(decompressor.expand(deflated.first(deflated.size() - 1), room)) << "truncated";
  EXPECT_FALSE(decompressor.expand({}, room));
  EXPECT_EQ(decompressor.expand(deflated, room), zeros.size()) << "failures leave nothing behind";
  EXPECT_FALSE(compressor.compress(Bytes(kMinCompressed - 1), ip::kUdp, 1, packed.data()));
}

TEST(Headers, FragmentsComeTogetherInAnyOrder) {
  for (const Flow& flow : {Flow{}, v6_flow()}) {
    const Bytes packet = [&] {
      Bytes bytes = udp_packet(flow, pattern(4'900));
      if (flow.source.is_v4()) bytes[6] = 0;
      if (flow.source.is_v4()) write_ipv4_checksum(MutableBytes(bytes).first(20));
      return bytes;
    }();
    const auto plan =
        plan_fragments(flow.source.family(), flow.source.is_v4() ? 20 : 40, packet.size(), 1'300);
    Bytes all(plan->total);
    write_fragments(packet, *plan, 9, all.data());
    std::vector<ByteView> pieces;
    for (ByteView rest = all; !rest.empty(); rest = rest.subspan(pieces.back().size()))
      pieces.push_back(rest.first(std::min(plan->each, rest.size())));
    for (const ByteView piece : pieces) EXPECT_LE(piece.size(), 1'300u);
    const TimePoint now{std::chrono::seconds(5)};
    std::vector<std::size_t> order{0, 1, 2, 3};
    ASSERT_EQ(pieces.size(), order.size());
    do {
      Reassembler reassembler;
      for (std::size_t i = 0; i < order.size(); ++i) {
        const ByteView piece = pieces[order[i]];
        const auto whole = reassembler.add(piece, *parse_ip(piece), now);
        ASSERT_EQ(whole.has_value(), i + 1 == order.size());
        if (whole) {
          EXPECT_EQ(to_bytes(*whole), packet);
        }
      }
    } while (std::ranges::next_permutation(order).found);
    // An overlap ends the packet, and so does age.
    Reassembler reassembler;
    const auto add = [&](std::size_t i, TimePoint at) {
      return reassembler.add(pieces[i], *parse_ip(pieces[i]), at).has_value();
    };
    EXPECT_FALSE(add(0, now) || add(1, now) || add(1, now) || add(2, now) || add(3, now));
    Reassembler old;
    for (std::size_t i = 0; i < 3; ++i) old.add(pieces[i], *parse_ip(pieces[i]), now);
    EXPECT_FALSE(
        old.add(pieces[3], *parse_ip(pieces[3]), now + std::chrono::seconds(3)).has_value());
  }
}

TEST(Headers, AhRefusesWhatItCannotForetell) {
  const auto zeroed = [](Bytes headers) { return zero_mutable_fields(headers); };
  Bytes v4(28);
  v4[0] = 0x47;
  EXPECT_TRUE(zeroed(v4));
  v4[20] = 131;  // loose source route
  v4[21] = 7;
  v4[22] = 4;
  EXPECT_FALSE(zeroed(v4)) << "its route is still ahead";
  v4[22] = 8;
  EXPECT_TRUE(zeroed(v4));
  v4[21] = 9;
  EXPECT_FALSE(zeroed(v4)) << "runs over its end";
  v4[21] = 1;
  EXPECT_FALSE(zeroed(v4)) << "shorter than itself";
  Bytes v6(48);
  v6[0] = 0x60;
  v6[6] = ip::kRouting;
  EXPECT_TRUE(zeroed(v6));
  v6[43] = 1;  // segments left
  EXPECT_FALSE(zeroed(v6));
  v6[6] = ip::kHopByHop;
  v6[42] = 5;
  v6[43] = 9;
  EXPECT_FALSE(zeroed(v6)) << "an option that runs over";
}

}  // namespace
}  // namespace culvert::esp
