// Inbound packets whose SA is not there yet: a peer may send as soon as it has answered, before its
// answer has been read here. Kept for a moment, bounded in packets, octets and age.
#pragma once

#include <array>
#include <span>

#include "base/bytes.h"
#include "base/time.h"
#include "ipsec/operations.h"

namespace culvert::esp {

// Where a packet came from, and to which of our addresses.
struct Origin {
  Endpoint remote;
  IpAddress local;
  bool udp = false;
  std::uint8_t traffic_class = 0;
  bool operator==(const Origin&) const = default;
};

struct EarlyPacket {
  IpsecProtocol protocol = IpsecProtocol::esp;
  std::uint32_t spi = 0;  // zero: nothing is kept here
  TimePoint arrived;
  Origin from;
  Bytes headers, octets;
};

class EarlyPackets {
 public:
  static constexpr std::size_t kPackets = 64, kMaxOctets = 2'048;
  static constexpr Duration kLifetime = std::chrono::seconds(1);

  // The oldest makes room: anyone can send packets with SPIs of nobody.
  void keep(IpsecProtocol protocol, std::uint32_t spi, const Origin& from, ByteView headers,
            ByteView octets, TimePoint now) {
    if (octets.size() > kMaxOctets || headers.size() > kMaxOctets) return;
    EarlyPacket& slot = slots_[next_];
    next_ = (next_ + 1) % kPackets;
    slot.protocol = protocol;
    slot.spi = spi;
    slot.arrived = now;
    slot.from = from;
    slot.headers.assign(headers.begin(), headers.end());
    slot.octets.assign(octets.begin(), octets.end());
  }
  // Hands the packets of an SA that has come, in their order, to `deliver`, and forgets them.
  template <class Deliver>
  void release(IpsecProtocol protocol, std::uint32_t spi, TimePoint now, Deliver deliver) {
    for (std::size_t i = 0; i < kPackets; ++i) {
      EarlyPacket& slot = slots_[(next_ + i) % kPackets];
      if (slot.spi != spi || slot.protocol != protocol) continue;
      slot.spi = 0;
      if (now - slot.arrived <= kLifetime) deliver(slot);
    }
  }

 private:
  std::array<EarlyPacket, kPackets> slots_;
  std::size_t next_ = 0;
};

}  // namespace culvert::esp
