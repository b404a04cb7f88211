// One end of an SA for the tests that carry packets within a process: databases, both directions, a
// recording device, and sockets on the loopback interface.
#pragma once

#include <gtest/gtest.h>

#include "esp/inbound.h"
#include "esp/netlink.h"
#include "esp/outbound.h"
#include "packets.h"

namespace culvert::esp::testing_ends {

using testing_packets::pattern;

class Recorder : public PacketSink {
 public:
  bool write(std::span<const iovec> pieces) override {
    VirtioHeader header;
    std::memcpy(&header, pieces[0].iov_base, sizeof header);
    Bytes packet;
    for (const iovec& piece : pieces.subspan(1))
      append(packet, {static_cast<const std::uint8_t*>(piece.iov_base), piece.iov_len});
    ++writes;
    const auto parsed = parse_ip(packet);
    EXPECT_TRUE(parsed);
    const auto segmenter = Segmenter::make(header, packet, *parsed);
    EXPECT_TRUE(segmenter);
    for (std::size_t i = 0; i < segmenter->count(); ++i) {
      packets.emplace_back(segmenter->size(i));
      segmenter->write(i, packets.back().data());
    }
    return true;
  }
  std::size_t writes = 0;
  std::vector<Bytes> packets;
};

inline OuterSocket open_socket(OuterSocket::Kind kind = OuterSocket::Kind::udp,
                               Family family = Family::v4) {
  bool no_family = false;
  auto socket = OuterSocket::open(kind, family, 0, 0, no_family);
  EXPECT_TRUE(socket) << socket.error();
  return std::move(*socket);
}

inline const IpAddress kLoopback = IpAddress::v4(0x7f000001);

// One end: a database and both directions. With `raw` it has the raw sockets, too (for root).
struct End {
  explicit End(unsigned mtu = 1'500, IpAddress its_address = kLoopback, bool raw = false)
      : path_mtu(mtu), address(its_address) {
    using Kind = OuterSocket::Kind;
    const Family family = address.family();
    if (raw)
      for (const Kind kind : {Kind::raw_esp, Kind::raw_ah, Kind::raw_ip})
        raws.push_back(open_socket(kind, family));
    OuterSockets sockets;
    const bool v4 = family == Family::v4;
    (v4 ? sockets.udp4 : sockets.udp6) = &socket;
    if (raw) {
      (v4 ? sockets.raw4 : sockets.raw6) = &raws[0];
      (v4 ? sockets.ip4 : sockets.ip6) = &raws[2];
    }
    outbound.emplace(context(), sockets);
  }

  WorkerContext context() { return {database, notices, device, drops}; }
  Endpoint endpoint() const { return {address, socket.port()}; }
  Result<> apply(SadOp op) { return database.apply(std::move(op), statistics); }
  void send(const VirtioHeader& header, ByteView packet) {
    outbound->packet(header, packet, now);
    outbound->flush(now);
  }
  void receive(OuterSocket& from) {
    for (int i = 0; i < 50; ++i) {
      const auto buffers = batch.receive(from);
      for (const Received& buffer : buffers) inbound.received(from.kind(), buffer, now);
      inbound.flush(now);
      if (buffers.empty()) break;
    }
  }
  void receive() {
    receive(socket);
    for (OuterSocket& raw : raws)
      if (raw.kind() != OuterSocket::Kind::raw_ip) receive(raw);
  }

  unsigned path_mtu;
  IpAddress address;
  TimePoint now{std::chrono::seconds(100)};
  OuterSocket socket = open_socket(OuterSocket::Kind::udp, address.family());
  std::vector<OuterSocket> raws;
  CipherEngine engine;
  Netlink netlink = std::move(*Netlink::open());
  Database database{engine, [this](const Endpoint&, const Endpoint&) { return path_mtu; },
                    [this](const IpAddress& to) { return netlink.interface_to(to, 0); }};
  NoticeQueue notices{make_event()};
  Recorder device;
  DropCounters drops;
  std::vector<Bytes> ike;
  Inbound::IkeSink sink = [this](const Datagram& datagram) {
    ike.push_back(to_bytes(datagram.payload));
  };
  Inbound inbound{context(), {true, true, true}, sink, socket.port()};
  std::optional<Outbound> outbound;
  ReceiveBatch batch;
  std::shared_ptr<PairStatistics> statistics = std::make_shared<PairStatistics>();
};

inline TrafficSelector net(const char* prefix, std::uint8_t protocol = 0, std::uint16_t start = 0,
                           std::uint16_t end = 65'535) {
  const Prefix parsed = Prefix::parse(prefix).value();
  return {parsed.first(), parsed.last(), protocol, start, end};
}

}  // namespace culvert::esp::testing_ends
