// From the network to the TUN device: SPI, replay, opening, selectors, coalescing (RFC 4301, 5.2).
#pragma once

#include <functional>

#include "esp/coalescer.h"
#include "esp/early_packets.h"
#include "esp/ipcomp.h"
#include "esp/sockets.h"
#include "esp/worker_context.h"
#include "net/datagram.h"

namespace culvert::esp {

class Inbound : private Coalescer::Sink {
 public:
  using IkeSink = std::function<void(const Datagram&)>;
  Inbound(WorkerContext context, const TunOffloads& offloads, const IkeSink& ike_sink,
          std::uint16_t nat_t_port);

  // Takes one received buffer; its octets stay put until flush().
  void received(OuterSocket::Kind kind, const Received& buffer, TimePoint now);
  // Takes the packets that came before their SA, which has just been installed.
  void release_early(IpsecProtocol protocol, std::uint32_t spi, TimePoint now);
  // Opens and writes what is held. To be called before the buffers are used again.
  void flush(TimePoint now);

 private:
  static constexpr std::size_t kMaxPacket = 65'535;
  // One packet of AH, with room for its headers and its ICV.
  static constexpr std::size_t kAhSlot = kMaxPrefix + kMaxPacket + kMaxIcv;

  // Packets of one SA from one source that are opened together.
  struct Run {
    InboundSa* sa = nullptr;
    Origin from;
    bool operator==(const Run&) const = default;
  };

  void datagram(const Received& buffer, MutableBytes octets, TimePoint now);
  // A packet of `protocol`; `headers` stand in front of it where the kernel shows them.
  void packet(IpsecProtocol protocol, const Origin& from, ByteView headers, MutableBytes octets,
              TimePoint now);
  MutableBytes copy_for_ah(ByteView headers, ByteView octets);
  InboundSa* find(std::uint32_t spi);
  void finish_run(TimePoint now);
  // Looks at one opened packet; true when it was authentic.
  bool accept(InboundSa& sa, const CryptoOp& op, ByteView headers, TimePoint now);
  void deliver(InboundSa& sa, std::uint8_t next_header, MutableBytes payload, ByteView headers);
  std::optional<MutableBytes> expand(const InboundSa& sa, MutableBytes payload,
                                     std::uint8_t& next_header);
  MutableBytes restore_headers(std::uint8_t next_header, MutableBytes payload, ByteView headers);
  bool take_over_outer_header(const InboundSa& sa, MutableBytes packet, const IpPacket& parsed);
  void report_source(InboundSa& sa, TimePoint now);
  MutableBytes scratch(std::size_t size);
  void write(std::span<const iovec> pieces) override;

  WorkerContext context_;
  const IkeSink& ike_sink_;
  std::uint16_t nat_t_port_;
  Coalescer coalescer_;
  Decompressor decompressor_;
  EarlyPackets early_;
  Run run_;
  std::vector<CryptoOp> ops_;
  std::vector<ByteView> headers_;  // of each op
  std::uint64_t cached_generation_ = 0;
  InboundSa* cached_ = nullptr;
  // Where packets are put together anew; what lies there is good until flush().
  std::unique_ptr<std::uint8_t[]> scratch_, ah_scratch_;
  std::size_t scratch_used_ = 0, ah_used_ = 0;
};

}  // namespace culvert::esp
