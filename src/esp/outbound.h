// From the TUN device to the network: policy, segmentation, sealing, trains (RFC 4301, 5.1).
#pragma once

#include "esp/segmenter.h"
#include "esp/sockets.h"
#include "esp/worker_context.h"
#include "net/icmp.h"

namespace culvert::esp {

// The sockets that ESP leaves by; any may be missing.
struct OuterSockets {
  OuterSocket* udp4 = nullptr;
  OuterSocket* udp6 = nullptr;
  OuterSocket* raw4 = nullptr;
  OuterSocket* raw6 = nullptr;
};

class Outbound {
 public:
  Outbound(WorkerContext context, OuterSockets sockets);

  // Takes one (super-)packet from the device; its octets are not needed after the call.
  void packet(const VirtioHeader& header, ByteView octets, TimePoint now);
  // Seals and sends what is held. To be called at the end of every batch.
  void flush(TimePoint now);
  // True when sending taught that a path's MTU shrank; asking clears it.
  bool take_mtu_changed() { return std::exchange(mtu_changed_, false); }

 private:
  static constexpr std::size_t kArena = 2 * 1'024 * 1'024;
  static constexpr std::size_t kMaxTrain = 65'000;  // octets in one UDP_SEGMENT message
  static constexpr std::size_t kMaxSegments = 64;
  static constexpr std::size_t kMaxTrains = 64;

  struct Decision {  // the one-entry flow cache
    std::uint64_t generation = 0;
    PacketSide local, remote;
    Policy* policy = nullptr;
    OutboundSa* sa = nullptr;
  };
  struct Train {
    OutboundSa* sa;
    std::size_t offset, length, segment;
    std::uint8_t traffic_class;
    bool open, alone;
  };

  const Decision& decide(const IpPacket& parsed);
  // The SA that the packet may leave by; null when it was dropped (and accounted for).
  OutboundSa* admit(const IpPacket& parsed, ByteView octets, TimePoint now);
  void acquire(Policy& policy, const IpPacket& parsed, TimePoint now);
  bool refuse_too_big(const OutboundSa& sa, const Segmenter& segments, const IpPacket& parsed,
                      ByteView octets, TimePoint now);
  void answer(IcmpError error, const IpPacket& parsed, ByteView octets, std::size_t mtu,
              TimePoint now);
  void lay_out(OutboundSa& sa, const Segmenter& segments, const IpPacket& parsed, TimePoint now);
  void join_train(OutboundSa& sa, std::size_t size, std::uint8_t traffic_class, bool alone);
  void seal_pending(TimePoint now);
  void expire(OutboundSa& sa, bool hard);
  OuterSocket* socket_for(const OutboundSa& sa) const;

  WorkerContext context_;
  OuterSockets sockets_;
  Decision cache_;
  std::unique_ptr<std::uint8_t[]> arena_;
  std::size_t used_ = 0;
  std::vector<CryptoOp> pending_;  // all of pending_sa_
  OutboundSa* pending_sa_ = nullptr;
  std::vector<Train> trains_;
  std::vector<Outgoing> outgoing_;
  Sender sender_;
  TimePoint icmp_window_ = TimePoint::min();
  unsigned icmp_sent_ = 0;
  bool mtu_changed_ = false;
};

}  // namespace culvert::esp
