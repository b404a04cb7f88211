// Both protocols in both modes over real sockets on the loopback interface, with every way that the
// outer packet can go, and the rules about what goes where in its headers.
#include "hosts.h"
#include "net/encapsulation.h"

namespace culvert::esp {
namespace {

using namespace testing_hosts;
using namespace testing_namespace;
using namespace testing_packets;

VirtioHeader tso(const Flow& flow, std::uint16_t size) {
  VirtioHeader header;
  header.flags = virtio::kNeedsChecksum;
  header.gso_type = flow.source.is_v4() ? virtio::kGsoTcp4 : virtio::kGsoTcp6;
  header.gso_size = size;
  return header;
}

std::vector<CipherSpec> esp_ciphers() {
  return {{Encr::aes_gcm_16, 128, Integ::none},      {Encr::aes_gcm_8, 256, Integ::none},
          {Encr::chacha20_poly1305, 0, Integ::none}, {Encr::aes_cbc, 256, Integ::hmac_sha2_256_128},
          {Encr::aes_ctr, 128, Integ::aes_cmac_96},  {Encr::null, 0, Integ::hmac_sha1_96}};
}
std::vector<CipherSpec> ah_ciphers() {
  std::vector<CipherSpec> specs;
  for (const Integ integ :
       {Integ::hmac_md5_96, Integ::hmac_sha1_96, Integ::hmac_sha2_256_128, Integ::hmac_sha2_384_192,
        Integ::hmac_sha2_512_256, Integ::aes_xcbc_96, Integ::aes_cmac_96})
    specs.push_back({Encr::none, 0, integ});
  return specs;
}

std::vector<Shape> all_shapes() {
  std::vector<Shape> shapes;
  for (const IpsecProtocol protocol : {IpsecProtocol::esp, IpsecProtocol::ah})
    for (const Mode mode : {Mode::tunnel, Mode::transport})
      for (const Family outer : {Family::v4, Family::v6})
        for (const bool udp : {false, true})
          for (const CipherSpec& cipher :
               protocol == IpsecProtocol::ah ? ah_ciphers() : esp_ciphers())
            for (const bool esn : {false, true})
              if (!udp || protocol == IpsecProtocol::esp)
                shapes.push_back({protocol, mode, outer, udp, cipher, esn});
  return shapes;
}

// The packet from its upper layer on.
ByteView upper(ByteView packet) { return packet.subspan(parse_ip(packet)->l4_offset); }

TEST(Modes, EveryShapeCarriesEveryFamily) {
  in_namespace([] {
    for (const Shape& shape : all_shapes()) {
      SCOPED_TRACE(describe(shape));
      Hosts hosts(shape);
      ASSERT_TRUE(hosts.install());
      for (const Family inner : {Family::v4, Family::v6}) {
        if (shape.mode == Mode::transport && inner != shape.outer) continue;
        const Flow flow = hosts.flow(inner);
        const Bytes payload = pattern(13'000);
        const auto packets = hosts.carry(tcp_packet(flow, {}, payload), tso(flow, 1'300));
        ASSERT_EQ(packets.size(), 10u);
        Bytes joined;
        for (const Bytes& packet : packets) {
          EXPECT_TRUE(checksums_ok(packet));
          EXPECT_EQ(parse_ip(packet)->source, flow.source);
          EXPECT_EQ(parse_ip(packet)->destination, flow.destination);
          append(joined, upper(packet).subspan(32));
        }
        EXPECT_EQ(joined, payload);
        const Bytes single = udp_packet(flow, pattern(77));
        const auto got = hosts.carry(single);
        ASSERT_EQ(got.size(), 1u);
        EXPECT_TRUE(checksums_ok(got[0]));
        EXPECT_TRUE(equal(upper(got[0]), upper(single)));
        if (shape.mode == Mode::tunnel) {
          EXPECT_EQ(got[0], single);
        }
      }
      EXPECT_EQ(hosts.b.statistics->in.bytes.load(), hosts.a.statistics->out.bytes.load());
      EXPECT_EQ(hosts.b.statistics->replayed.load(), 0u);
    }
  });
}

// Options and extension headers, mutable ones among them, and where each goes.
Bytes with_v4_options(Bytes packet, std::initializer_list<std::uint8_t> options) {
  packet.insert(packet.begin() + 20, options);
  packet[0] = static_cast<std::uint8_t>(0x45 + options.size() / 4);
  store_be(packet.data() + 2, static_cast<std::uint16_t>(packet.size()));
  write_ipv4_checksum(MutableBytes(packet).first(20 + options.size()));
  return packet;
}
Bytes with_v6_headers(Bytes packet, std::uint8_t first, const Bytes& headers) {
  packet[6] = first;
  packet.insert(packet.begin() + 40, headers.begin(), headers.end());
  store_be(packet.data() + 4, static_cast<std::uint16_t>(packet.size() - 40));
  return packet;
}

TEST(Modes, TransportCarriesOptionsAndExtensionHeaders) {
  in_namespace([] {
    for (const IpsecProtocol protocol : {IpsecProtocol::esp, IpsecProtocol::ah}) {
      const CipherSpec cipher = protocol == IpsecProtocol::ah ? ah_ciphers()[2] : esp_ciphers()[0];
      Hosts v4({protocol, Mode::transport, Family::v4, false, cipher});
      ASSERT_TRUE(v4.install());
      const Bytes plain = udp_packet(v4.flow(), pattern(50));
      // Record route (which the host fills in), no operation, end.
      const Bytes routed = with_v4_options(plain, {7, 7, 4, 0, 0, 0, 0, 1});
      auto got = v4.carry(routed);
      ASSERT_EQ(got.size(), 1u);
      EXPECT_TRUE(equal(upper(got[0]), upper(plain)));
      Hosts v6({protocol, Mode::transport, Family::v6, false, cipher});
      ASSERT_TRUE(v6.install());
      const Bytes inner = udp_packet(v6.flow(), pattern(50));
      // Destination options alone are protected by ESP, and covered by AH, inside.
      const Bytes options = {ip::kUdp, 0, 0x3e, 4, 1, 2, 3, 4};
      const Bytes extended = with_v6_headers(inner, ip::kDestinationOptions, options);
      got = v6.carry(extended);
      ASSERT_EQ(got.size(), 1u);
      EXPECT_TRUE(equal(ByteView(got[0]).subspan(40), ByteView(extended).subspan(40)));
      // A hop-by-hop option with a mutable value stays in front.
      const Bytes hop = {ip::kUdp, 0, 0x3e, 4, 1, 2, 3, 4};
      got = v6.carry(with_v6_headers(inner, ip::kHopByHop, hop));
      ASSERT_EQ(got.size(), 1u);
      EXPECT_TRUE(equal(upper(got[0]), upper(inner)));
      if (protocol == IpsecProtocol::ah) {
        EXPECT_EQ(parse_ip(got[0])->l4_offset, 48) << "AH shows that it came unchanged";
      }
    }
  });
}

// RFC 3948, 3.1.2: a NAT changed the addresses that the inner checksums were made with.
TEST(Modes, TransportOverUdpRepairsChecksumsBehindANat) {
  in_namespace([] {
    for (const Family outer : {Family::v4, Family::v6}) {
      Hosts hosts({IpsecProtocol::esp, Mode::transport, outer, true});
      hosts.change = [&](InstallSa& op) {
        if (op.direction == Direction::in) return;
        // The sender knows itself by a private address.
        const IpAddress own = *IpAddress::parse(outer == Family::v4 ? "192.168.1.5" : "fd99::5");
        op.local_ts = {host(own)};
      };
      ASSERT_TRUE(hosts.install());
      Flow flow = hosts.flow();
      flow.source = hosts.sa(Direction::out).local_ts[0].first;
      for (const Bytes& packet :
           {tcp_packet(flow, {}, pattern(100)), udp_packet(flow, pattern(101))}) {
        const auto got = hosts.carry(packet);
        ASSERT_EQ(got.size(), 1u);
        EXPECT_EQ(parse_ip(got[0])->source, hosts.a.address);
        EXPECT_TRUE(checksums_ok(got[0]));
      }
      if (outer == Family::v6) continue;
      Bytes without = udp_packet(flow, pattern(10));
      store_checksum(without.data() + 26, 0);
      const auto got = hosts.carry(without);
      ASSERT_EQ(got.size(), 1u);
      EXPECT_EQ(load_be<std::uint16_t>(got[0].data() + 26), 0) << "no checksum stays none";
    }
  });
}

TEST(Modes, LargePacketsGoInFragmentsAndFragmentsWhole) {
  in_namespace([] {
    for (const IpsecProtocol protocol : {IpsecProtocol::esp, IpsecProtocol::ah})
      for (const Family outer : {Family::v4, Family::v6})
        for (const bool udp : {false, true}) {
          const bool ah = protocol == IpsecProtocol::ah;
          if (ah && udp) continue;
          SCOPED_TRACE((ah ? "AH " : "ESP ") + std::to_string(static_cast<int>(outer)));
          Hosts hosts(
              {protocol, Mode::transport, outer, udp, ah ? ah_ciphers()[2] : esp_ciphers()[0]});
          ASSERT_TRUE(hosts.install());
          Bytes big = udp_packet(hosts.flow(), pattern(8'000));
          if (outer == Family::v4) {
            big[6] = 0;
            write_ipv4_checksum(MutableBytes(big).first(20));
          }
          // As the host's stack cuts it for the device.
          const std::size_t headers = outer == Family::v4 ? 20 : 40;
          const auto plan = plan_fragments(outer, headers, big.size(), 1'400);
          ASSERT_TRUE(plan);
          Bytes fragments(plan->total);
          write_fragments(big, *plan, 7, fragments.data());
          hosts.b.device.packets.clear();
          for (std::size_t at = 0; at < fragments.size(); at += plan->each)
            hosts.a.send(
                {}, ByteView(fragments).subspan(at, std::min(plan->each, fragments.size() - at)));
          hosts.b.receive();
          ASSERT_EQ(hosts.b.device.packets.size(), 1u);
          EXPECT_TRUE(equal(upper(hosts.b.device.packets[0]), upper(big)));
          EXPECT_TRUE(checksums_ok(hosts.b.device.packets[0]));
        }
  });
}

TEST(Modes, CompressesWhatShrinks) {
  in_namespace([] {
    for (const IpsecProtocol protocol : {IpsecProtocol::esp, IpsecProtocol::ah})
      for (const Mode mode : {Mode::tunnel, Mode::transport})
        for (const Family outer : {Family::v4, Family::v6})
          for (const bool udp : {false, true}) {
            const bool ah = protocol == IpsecProtocol::ah;
            if (ah && udp) continue;
            Shape shape{protocol, mode, outer, udp, ah ? ah_ciphers()[1] : esp_ciphers()[1]};
            shape.cpi = 0x4321;
            SCOPED_TRACE(describe(shape));
            Hosts hosts(shape);
            ASSERT_TRUE(hosts.install());
            const Flow flow = hosts.flow();
            const Bytes zeros(1'000), noise = [] {
              Bytes octets(1'000);
              std::uint64_t state = 1;
              for (auto& octet : octets)
                octet = static_cast<std::uint8_t>((state = state * 6364136223846793005u + 1) >> 56);
              return octets;
            }();
            for (const Bytes& payload : {zeros, noise, Bytes(20)}) {
              const Bytes packet = udp_packet(flow, payload);
              const auto got = hosts.carry(packet);
              ASSERT_EQ(got.size(), 1u);
              EXPECT_TRUE(equal(upper(got[0]), upper(packet)));
              EXPECT_TRUE(checksums_ok(got[0]));
            }
            const auto tcp = hosts.carry(tcp_packet(flow, {}, Bytes(13'000)), tso(flow, 1'300));
            EXPECT_EQ(tcp.size(), 10u);
          }
  });
}

}  // namespace
}  // namespace culvert::esp
