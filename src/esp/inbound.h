// From the network to the TUN device: SPI, replay, opening, selectors, coalescing (RFC 4301, 5.2).
#pragma once

#include <functional>

#include "esp/coalescer.h"
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
  // Opens and writes what is held. To be called before the buffers are used again.
  void flush(TimePoint now);

 private:
  // Packets of one SA from one source that are opened together.
  struct Run {
    InboundSa* sa = nullptr;
    Endpoint remote;
    bool udp = false;
    std::uint8_t traffic_class = 0;
  };

  void datagram(const Received& buffer, MutableBytes octets, TimePoint now);
  void esp(const Run& from, MutableBytes packet, TimePoint now);
  InboundSa* find(std::uint32_t spi);
  void finish_run(TimePoint now);
  // Looks at one opened packet; true when it was authentic.
  bool accept(InboundSa& sa, const CryptoOp& op);
  void deliver(InboundSa& sa, std::uint8_t next_header, MutableBytes payload);
  void report_source(InboundSa& sa);
  void write(std::span<const iovec> pieces) override;

  WorkerContext context_;
  const IkeSink& ike_sink_;
  std::uint16_t nat_t_port_;
  Coalescer coalescer_;
  Run run_;
  std::vector<CryptoOp> ops_;
  std::uint64_t cached_generation_ = 0;
  InboundSa* cached_ = nullptr;
};

}  // namespace culvert::esp
