// From the TUN device to the network: policy, segmentation, sealing, trains (RFC 4301, 5.1).
#pragma once

#include "esp/held_packets.h"
#include "esp/ipcomp.h"
#include "esp/reassembly.h"
#include "esp/segmenter.h"
#include "esp/sockets.h"
#include "esp/worker_context.h"
#include "net/icmp.h"

namespace culvert::esp {

// The sockets that packets leave by; any may be missing. `ip` ones take whole packets.
struct OuterSockets {
  OuterSocket* udp4 = nullptr;
  OuterSocket* udp6 = nullptr;
  OuterSocket* raw4 = nullptr;
  OuterSocket* raw6 = nullptr;
  OuterSocket* ip4 = nullptr;
  OuterSocket* ip6 = nullptr;
};

class Outbound {
 public:
  Outbound(WorkerContext context, OuterSockets sockets);

  // Takes one (super-)packet from the device; its octets are not needed after the call.
  void packet(const VirtioHeader& header, ByteView octets, TimePoint now);
  // Seals and sends what is held. To be called at the end of every batch.
  void flush(TimePoint now);
  // Which kept packets an operation may have found an SA for; empty: any.
  struct Release {
    PolicyId policy{};
    std::optional<SelectorSet> remote;
  };
  // Sends the kept packets that an SA has come for.
  void release_held(const Release& filter, TimePoint now);
  // Once a second: gives up kept packets that are too old.
  void tick(TimePoint now);
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
    bool clear = false;  // leaves unprotected
  };
  struct Train {
    OutboundSa* sa;  // null: in clear
    OuterSocket* socket;
    Endpoint local, remote;
    std::size_t offset, length, segment;
    std::uint8_t traffic_class;
    bool open, alone, dont_fragment;
    FragmentPlan fragments;  // of a whole packet that exceeds the path's MTU; else none
    std::size_t place;       // of these, in the arena
  };
  // What goes around every segment of one packet.
  struct Framing {
    std::size_t split = 0;      // octets of its own headers that stay outside
    std::size_t prefix = 0;     // octets of IP headers that we write
    std::uint8_t protocol = 0;  // of what is protected
    std::uint8_t traffic_class = 0;
    bool dont_fragment = true;
  };

  void reassembled(ByteView octets, TimePoint now);
  void process(const VirtioHeader& header, ByteView octets, const IpPacket& parsed, TimePoint now);
  const Decision& decide(const IpPacket& parsed);
  // A fragment that has to be whole first.
  bool wants_whole(const IpPacket& parsed);
  // The SA that the packet may leave by; null when it was dropped (and accounted for), or kept.
  OutboundSa* admit(const Decision& decision, const VirtioHeader& header, const IpPacket& parsed,
                    ByteView octets, TimePoint now);
  void keep(Policy& policy, const VirtioHeader& header, const IpPacket& parsed, ByteView octets,
            TimePoint now);
  void pass(const Segmenter& segments, const IpPacket& parsed, ByteView octets, TimePoint now);
  bool refuse_too_big(const OutboundSa& sa, const Segmenter& segments, const IpPacket& parsed,
                      ByteView octets, TimePoint now);
  void answer(IcmpError error, const IpPacket& parsed, ByteView octets, std::size_t mtu,
              TimePoint now);
  void lay_out(OutboundSa& sa, const Segmenter& segments, const IpPacket& parsed, ByteView octets,
               TimePoint now);
  std::optional<Framing> frame(const OutboundSa& sa, const Segmenter& segments,
                               const IpPacket& parsed, ByteView octets) const;
  // Writes the headers that stay outside to `head` and what is protected to `to`; returns its size.
  std::size_t write_payload(OutboundSa& sa, const Segmenter& segments, std::size_t index,
                            Framing& framing, std::uint8_t* head, std::uint8_t* to);
  void write_prefix(const OutboundSa& sa, const Framing& framing, std::size_t sealed,
                    std::uint8_t* to);
  void join_train(OutboundSa& sa, const Framing& framing, std::size_t size);
  void make_room(std::size_t size, TimePoint now);
  void plan(Train& train, std::size_t headers, std::size_t mtu);
  Outgoing outgoing(const Train& train);
  void seal_pending(TimePoint now);
  void expire(OutboundSa& sa, bool hard);
  OuterSocket* socket_for(const OutboundSa& sa) const;
  OuterSocket* ip_socket(Family family) const {
    return family == Family::v4 ? sockets_.ip4 : sockets_.ip6;
  }

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
  Reassembler reassembler_;
  HeldPackets held_;
  Compressor compressor_;
  std::unique_ptr<std::uint8_t[]> uncompressed_;
  std::uint16_t next_id_ = 1;  // of IP headers that we write
  std::uint32_t next_fragment_id_ = 1;
  TimePoint icmp_window_ = TimePoint::min();
  unsigned icmp_sent_ = 0;
  bool mtu_changed_ = false;
};

}  // namespace culvert::esp
