// Fragments on their way out, put together again: transport mode protects whole packets only (RFC
// 4303, 3.3.4), and the ports that a policy asks for stand in the first fragment alone.
#pragma once

#include <array>
#include <bitset>
#include <memory>
#include <optional>

#include "base/time.h"
#include "net/encapsulation.h"

namespace culvert::esp {

class Reassembler {
 public:
  // Takes a fragment that parse_ip() took; returns the whole packet once it is complete, good until
  // the next call. What overlaps, or would exceed 64 KiB, ends its packet (RFC 5722, 3).
  std::optional<MutableBytes> add(ByteView packet, const IpPacket& parsed, TimePoint now);

 private:
  static constexpr std::size_t kSlots = 16;
  static constexpr std::size_t kMaxHeaders = 512, kMaxPayload = 65'535;
  static constexpr Duration kLifetime = std::chrono::seconds(2);

  // A fragment, as its headers tell.
  struct Piece {
    ByteView headers;  // that stand before the fragment, IPv6's fragment header left out
    ByteView data;
    std::size_t offset = 0;
    bool more = false;
    std::uint32_t id = 0;
    std::uint8_t protocol = 0;
  };
  struct Slot {
    IpAddress source, destination;
    std::uint32_t id = 0;
    std::uint8_t protocol = 0;
    TimePoint since = TimePoint::min();
    bool used = false, has_last = false;
    std::size_t headers = 0, length = 0;  // zero: not known yet
    std::size_t blocks = 0;               // of 8 octets, that came
    std::bitset<kMaxPayload / 8 + 1> seen;
    std::unique_ptr<std::uint8_t[]> octets;  // kMaxHeaders, then the payload
  };

  static std::optional<Piece> read(ByteView packet, const IpPacket& parsed);
  Slot& slot_for(const Piece& piece, const IpPacket& parsed, TimePoint now);
  static bool place(Slot& slot, const Piece& piece);
  static std::optional<MutableBytes> finish(Slot& slot);

  std::array<Slot, kSlots> slots_;
};

}  // namespace culvert::esp
