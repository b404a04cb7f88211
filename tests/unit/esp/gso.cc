// The segmenter against packets built one by one, and the coalescer against the segmenter.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "esp/coalescer.h"
#include "esp/segmenter.h"
#include "packets.h"

namespace culvert::esp {
namespace {

using namespace testing_packets;

// A super-packet as the kernel hands it out: lengths of the whole, pseudo header's sum in the
// field.
Bytes super_packet(const Flow& flow, const Tcp& tcp, ByteView payload, std::uint16_t id = 9) {
  return tcp_packet(flow, tcp, payload, 0, id);  // the segmenter ignores the checksum field
}

std::vector<Bytes> segments_of(const VirtioHeader& header, ByteView packet) {
  const auto parsed = parse_ip(packet);
  if (!parsed) return {};
  const auto segmenter = Segmenter::make(header, packet, *parsed);
  if (!segmenter) return {};
  std::vector<Bytes> segments;
  for (std::size_t i = 0; i < segmenter->count(); ++i) {
    segments.emplace_back(segmenter->size(i));
    segmenter->write(i, segments.back().data());
  }
  return segments;
}

TEST(Segmenter, TcpSegmentsEqualPacketsBuiltOneByOne) {
  for (const Flow& flow : {Flow{}, v6_flow()})
    for (const std::size_t size : {1u, 999u, 1'000u, 1'001u, 5'500u, 60'000u}) {
      Tcp tcp;
      tcp.flags = ip::kAck | ip::kPsh | ip::kFin | ip::kCwr | ip::kEce;
      tcp.sequence = 0xffff'ff00;  // wraps
      const Bytes payload = pattern(size);
      VirtioHeader header;
      header.flags = virtio::kNeedsChecksum;
      header.gso_type = flow.source.is_v4() ? virtio::kGsoTcp4 : virtio::kGsoTcp6;
      header.gso_size = 1'000;
      const auto segments = segments_of(header, super_packet(flow, tcp, payload));
      ASSERT_EQ(segments.size(), (size + 999) / 1'000);
      for (std::size_t i = 0; i < segments.size(); ++i) {
        Tcp expected = tcp;
        expected.sequence = static_cast<std::uint32_t>(tcp.sequence + i * 1'000);
        if (i + 1 < segments.size())
          expected.flags &= static_cast<std::uint8_t>(~(ip::kPsh | ip::kFin));
        if (i > 0) expected.flags &= static_cast<std::uint8_t>(~ip::kCwr);
        const auto part =
            ByteView(payload).subspan(i * 1'000, std::min<std::size_t>(1'000, size - i * 1'000));
        ASSERT_EQ(segments[i],
                  tcp_packet(flow, expected, part, 0, static_cast<std::uint16_t>(9 + i)))
            << size << ' ' << i;
      }
    }
}

TEST(Segmenter, UdpSegmentsHaveTheirOwnLengths) {
  for (const Flow& flow : {Flow{}, v6_flow()}) {
    const Bytes payload = pattern(2'500);
    VirtioHeader header;
    header.gso_type = virtio::kGsoUdp;
    header.gso_size = 1'200;
    const auto segments = segments_of(header, udp_packet(flow, payload));
    ASSERT_EQ(segments.size(), 3u);
    std::size_t at = 0;
    for (const Bytes& segment : segments) {
      EXPECT_TRUE(checksums_ok(segment));
      const auto parsed = *parse_ip(segment);
      const std::size_t size = segment.size() - parsed.l4_offset - 8;
      EXPECT_EQ(load_be<std::uint16_t>(segment.data() + parsed.l4_offset + 4), size + 8);
      EXPECT_TRUE(equal(ByteView(segment).last(size), ByteView(payload).subspan(at, size)));
      at += size;
    }
    EXPECT_EQ(at, payload.size());
  }
}

TEST(Segmenter, CompletesAChecksum) {
  const Bytes whole = tcp_packet({}, {}, pattern(77));
  Bytes packet = whole;
  const auto parsed = *parse_ip(packet);
  store_checksum(packet.data() + 36,
                 checksum_fold(pseudo_header_sum(parsed.source.bytes(), parsed.destination.bytes(),
                                                 ip::kTcp, parsed.length - 20)));
  VirtioHeader header;
  header.flags = virtio::kNeedsChecksum;
  header.checksum_start = 20;
  header.checksum_offset = 16;
  const auto segments = segments_of(header, packet);
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0], whole);
}

TEST(Segmenter, RefusesHeadersThatContradictThePacket) {
  const Bytes tcp = tcp_packet({}, {}, pattern(100));
  const auto refuses = [](const VirtioHeader& header, const Bytes& packet) {
    return segments_of(header, packet).empty();
  };
  VirtioHeader header;
  header.gso_type = virtio::kGsoTcp4;
  header.gso_size = 50;
  EXPECT_FALSE(refuses(header, tcp));
  header.gso_size = 0;
  EXPECT_TRUE(refuses(header, tcp));
  header.gso_size = 50;
  header.gso_type = virtio::kGsoTcp6;
  EXPECT_TRUE(refuses(header, tcp));
  header.gso_type = virtio::kGsoUdp;
  EXPECT_TRUE(refuses(header, tcp));
  header.gso_type = 99;
  EXPECT_TRUE(refuses(header, tcp));
  header.gso_type = virtio::kGsoTcp4;
  EXPECT_TRUE(refuses(header, tcp_packet({}, {}, {})));  // nothing to segment
  Bytes short_header = tcp;
  short_header[32] = 0x40;
  EXPECT_TRUE(refuses(header, short_header));
  VirtioHeader checksum;
  checksum.flags = virtio::kNeedsChecksum;
  checksum.checksum_start = 20;
  checksum.checksum_offset = 65'535;
  EXPECT_TRUE(refuses(checksum, tcp));
  checksum.checksum_start = 2;
  checksum.checksum_offset = 2;
  EXPECT_TRUE(refuses(checksum, tcp));
}

struct Write {
  VirtioHeader header;
  Bytes packet;
};

class Recorder : public Coalescer::Sink {
 public:
  void write(std::span<const iovec> pieces) override {
    Write write;
    std::memcpy(&write.header, pieces[0].iov_base, sizeof write.header);
    for (const iovec& piece : pieces.subspan(1))
      append(write.packet, {static_cast<const std::uint8_t*>(piece.iov_base), piece.iov_len});
    writes.push_back(std::move(write));
  }
  // What the kernel would see after segmentation.
  std::vector<Bytes> packets() const {
    std::vector<Bytes> all;
    for (const Write& write : writes)
      for (Bytes& segment : segments_of(write.header, write.packet))
        all.push_back(std::move(segment));
    return all;
  }
  std::vector<Write> writes;
};

void feed(Coalescer& coalescer, std::vector<Bytes>& packets) {
  for (Bytes& packet : packets) {
    const auto parsed = parse_ip(packet);
    ASSERT_TRUE(parsed);
    coalescer.add(packet, *parsed);
  }
  coalescer.flush();
}

std::size_t writes_for(std::vector<Bytes> packets, CoalescerOptions options = {}) {
  const std::vector<Bytes> before = packets;
  Recorder recorder;
  Coalescer coalescer(recorder, options);
  feed(coalescer, packets);
  EXPECT_EQ(recorder.packets(), before);
  return recorder.writes.size();
}

std::vector<Bytes> tcp_stream(const Flow& flow, std::size_t count, std::size_t size = 1'000) {
  std::vector<Bytes> packets;
  Tcp tcp;
  for (std::size_t i = 0; i < count; ++i) {
    packets.push_back(tcp_packet(flow, tcp, pattern(size, static_cast<std::uint8_t>(i)), 0,
                                 static_cast<std::uint16_t>(i)));
    tcp.sequence += static_cast<std::uint32_t>(size);
  }
  return packets;
}

TEST(Coalescer, JoinsAStreamAndSegmentsBackToTheSame) {
  for (const Flow& flow : {Flow{}, v6_flow()}) {
    EXPECT_EQ(writes_for(tcp_stream(flow, 40)), 1u);
    EXPECT_EQ(writes_for(tcp_stream(flow, 1)), 1u);
    EXPECT_EQ(writes_for(tcp_stream(flow, 65)), 2u);         // 64 segments
    EXPECT_EQ(writes_for(tcp_stream(flow, 50, 1'400)), 2u);  // 65,535 octets
  }
  EXPECT_EQ(writes_for(tcp_stream({}, 10), {false, true, true}), 10u);
  EXPECT_EQ(writes_for(tcp_stream(v6_flow(), 10), {true, false, true}), 10u);
}

TEST(Coalescer, APushOrAShortSegmentEndsASuperPacket) {
  auto packets = tcp_stream({}, 6);
  Tcp tcp;
  tcp.sequence += 2'000;
  tcp.flags |= ip::kPsh;
  packets[2] = tcp_packet({}, tcp, pattern(1'000), 0, 2);
  EXPECT_EQ(writes_for(packets), 2u);
  auto shorter = tcp_stream({}, 3);
  tcp = Tcp{};
  tcp.sequence += 3'000;
  shorter.push_back(tcp_packet({}, tcp, pattern(10), 0, 3));
  tcp.sequence += 10;
  shorter.push_back(tcp_packet({}, tcp, pattern(10), 0, 4));
  EXPECT_EQ(writes_for(shorter), 2u);
}

// Each of these must not be merged with what stands before it.
TEST(Coalescer, DifferencesKeepPacketsApart) {
  const Flow flow;
  Tcp next;
  next.sequence += 1'000;
  const Bytes payload = pattern(1'000);
  std::vector<Bytes> others;
  const auto other = [&](auto change) {
    Tcp tcp = next;
    change(tcp);
    others.push_back(tcp_packet(flow, tcp, payload, 0, 1));
  };
  other([](Tcp& tcp) { tcp.sequence += 1; });
  other([](Tcp& tcp) { tcp.sequence -= 1; });
  other([](Tcp& tcp) { tcp.ack += 1; });
  other([](Tcp& tcp) { tcp.window += 1; });
  other([](Tcp& tcp) { tcp.options[7] = 9; });
  other([](Tcp& tcp) { tcp.options = {}; });
  for (const std::uint8_t flag : {ip::kFin, ip::kSyn, ip::kRst, ip::kUrg, ip::kCwr, ip::kEce})
    other([flag](Tcp& tcp) { tcp.flags |= flag; });
  others.push_back(tcp_packet(flow, next, payload, ip::kEcnCe, 1));  // ECN differs
  others.push_back(tcp_packet(flow, next, pattern(1'001), 0, 1));    // larger than the first
  others.push_back(tcp_packet(flow, next, {}, 0, 1));                // a bare acknowledgement
  Bytes ttl = tcp_packet(flow, next, payload, 0, 1);
  ttl[8] = 63;
  write_ipv4_checksum(MutableBytes(ttl).first(20));
  others.push_back(ttl);
  for (std::size_t i = 0; i < others.size(); ++i)
    EXPECT_EQ(writes_for({tcp_stream(flow, 1)[0], others[i]}), 2u) << i;
  EXPECT_EQ(writes_for({tcp_stream(flow, 1)[0], tcp_packet(flow, next, payload, 0, 1)}), 1u);
}

TEST(Coalescer, NeverOnAnUnverifiedChecksum) {
  for (const std::size_t broken : {0u, 1u, 2u}) {
    auto packets = tcp_stream({}, 3);
    packets[broken][100] ^= 1;
    Recorder recorder;
    Coalescer coalescer(recorder, {});
    const auto before = packets;
    feed(coalescer, packets);
    bool seen = false;
    for (const Write& write : recorder.writes) seen |= write.packet == before[broken];
    EXPECT_TRUE(seen) << "the broken packet passes unchanged";
    EXPECT_GE(recorder.writes.size(), 2u);
  }
  auto packets = tcp_stream({}, 2);
  packets[1][10] ^= 1;  // IPv4 header checksum
  EXPECT_EQ(writes_for(packets), 2u);
}

TEST(Coalescer, JoinsUdpOfOneSize) {
  for (const Flow& flow : {Flow{}, v6_flow()}) {
    std::vector<Bytes> packets;
    for (std::uint8_t i = 0; i < 10; ++i) packets.push_back(udp_packet(flow, pattern(500, i)));
    packets.push_back(udp_packet(flow, pattern(20)));
    packets.push_back(udp_packet(flow, pattern(20)));
    Recorder recorder;
    Coalescer coalescer(recorder, {});
    const auto before = packets;
    feed(coalescer, packets);
    EXPECT_EQ(recorder.writes.size(), 2u);
    const auto after = recorder.packets();
    ASSERT_EQ(after.size(), before.size());
    for (std::size_t i = 0; i < after.size(); ++i) {
      EXPECT_TRUE(checksums_ok(after[i]));
      const std::size_t l4 = flow.source.is_v4() ? 20 : 40;
      EXPECT_TRUE(equal(ByteView(after[i]).subspan(l4), ByteView(before[i]).subspan(l4)));
    }
    EXPECT_EQ(writes_for({before[0], before[1]}, {true, true, false}), 2u);
  }
}

TEST(Coalescer, KeepsTheOrderWithinEachOfManyFlows) {
  std::mt19937 random(5);
  std::vector<Bytes> packets;
  std::vector<Tcp> state(20);
  for (int i = 0; i < 2'000; ++i) {
    const auto which = random() % state.size();
    Flow flow;
    flow.source_port = static_cast<std::uint16_t>(1'000 + which);
    const std::size_t size = random() % 10 == 0 ? random() % 300 : 400;
    packets.push_back(tcp_packet(flow, state[which], pattern(size)));
    state[which].sequence += static_cast<std::uint32_t>(size);
  }
  std::map<std::uint16_t, std::vector<Bytes>> before, after;
  const auto strip = [](Bytes packet) {  // identifiers of DF packets may change
    packet[4] = packet[5] = packet[10] = packet[11] = 0;
    return packet;
  };
  for (const Bytes& packet : packets)
    before[parse_ip(packet)->source_port].push_back(strip(packet));
  Recorder recorder;
  Coalescer coalescer(recorder, {});
  feed(coalescer, packets);
  for (const Bytes& packet : recorder.packets()) {
    EXPECT_TRUE(checksums_ok(packet));
    after[parse_ip(packet)->source_port].push_back(strip(packet));
  }
  EXPECT_EQ(before, after);
}

}  // namespace
}  // namespace culvert::esp
