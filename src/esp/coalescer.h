// Joins decrypted packets of one flow into super-packets for the TUN device, so that the host's
// stack is crossed once for many. The opposite of segmenter.h.
#pragma once

#include <sys/uio.h>

#include <array>
#include <span>
#include <vector>

#include "esp/virtio.h"
#include "net/ip.h"

namespace culvert::esp {

struct CoalescerOptions {
  bool tcp4 = true, tcp6 = true, udp = true;
};

class Coalescer {
 public:
  using Options = CoalescerOptions;
  // Takes one write of a TUN device: the virtio header, then a packet in pieces.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void write(std::span<const iovec> pieces) = 0;
  };

  Coalescer(Sink& sink, Options options) : sink_(sink), options_(options) {}

  // Takes a packet (exactly as long as its header says); its octets stay put until flush(). The
  // order within a flow is kept.
  void add(MutableBytes packet, const IpPacket& parsed);
  // Writes what is held.
  void flush();

 private:
  static constexpr std::size_t kFlows = 8, kMaxSegments = 64, kMaxLength = 65'535;

  struct Candidate {
    MutableBytes packet;
    const IpPacket* parsed;
    std::size_t headers;  // IP and TCP or UDP
    std::size_t payload;
    std::uint32_t sequence;  // TCP
    bool last;               // nothing may follow it (PSH)
  };
  struct Flow {
    bool used = false;
    IpPacket parsed;
    MutableBytes first;
    std::size_t headers = 0, chunk = 0, length = 0, segments = 0;
    std::uint32_t next_sequence = 0;
    std::uint8_t flags = 0;                      // TCP flags to add to the first packet's
    bool closed = false;                         // the last segment was short, or pushed
    std::array<iovec, kMaxSegments + 1> pieces;  // [0] is the virtio header's place
  };

  // Whether the packet could be part of a super-packet at all (header shape, verified checksums).
  bool eligible(Candidate& candidate) const;
  static bool same_flow(const Flow& flow, const IpPacket& parsed);
  static bool continues(const Flow& flow, const Candidate& candidate);
  void begin(Flow& flow, const Candidate& candidate);
  static void extend(Flow& flow, const Candidate& candidate);
  void write(Flow& flow);
  void write_alone(MutableBytes packet);

  Sink& sink_;
  Options options_;
  std::array<Flow, kFlows> flows_;
  std::size_t next_victim_ = 0;
};

}  // namespace culvert::esp
