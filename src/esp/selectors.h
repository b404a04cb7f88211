// Traffic selectors in the form that packets are compared with: addresses as 128-bit numbers.
#pragma once

#include <vector>

#include "net/ip.h"
#include "policy/traffic_selector.h"

namespace culvert::esp {

using Number = unsigned __int128;

inline Number number_of(const IpAddress& address) {
  if (address.is_v4()) return address.v4_value();
  return (Number{load_be<std::uint64_t>(address.raw().data())} << 64) |
         load_be<std::uint64_t>(address.raw().data() + 8);
}

// One side of a packet.
struct PacketSide {
  Family family = Family::none;
  Number address = 0;
  std::uint8_t protocol = 0;
  bool has_port = false;
  std::uint16_t port = 0;
  bool operator==(const PacketSide&) const = default;
};

inline PacketSide source_side(const IpPacket& packet) {
  return {packet.family(), number_of(packet.source), packet.protocol, packet.has_ports,
          packet.source_port};
}
inline PacketSide destination_side(const IpPacket& packet) {
  return {packet.family(), number_of(packet.destination), packet.protocol, packet.has_ports,
          packet.destination_port};
}

struct CompiledSelector {
  explicit CompiledSelector(const TrafficSelector& from)
      : family(from.first.family()),
        protocol(from.protocol),
        start_port(from.start_port),
        end_port(from.end_port),
        first(number_of(from.first)),
        last(number_of(from.last)) {}

  bool any_port() const { return start_port == 0 && end_port == 65'535; }
  bool opaque() const { return start_port == 65'535 && end_port == 0; }
  bool covers(const PacketSide& side) const {  // as far as the address goes
    return side.family == family && side.address >= first && side.address <= last;
  }
  // RFC 4301, 7: a packet whose ports can't be seen (later fragments, protocols without any)
  // matches "any" and OPAQUE only.
  bool matches(const PacketSide& side) const {
    return covers(side) && (protocol == 0 || protocol == side.protocol) &&
           (any_port() ||
            (side.has_port ? side.port >= start_port && side.port <= end_port : opaque()));
  }

  Family family;
  std::uint8_t protocol;
  std::uint16_t start_port, end_port;
  Number first, last;
};

// The selectors of one side of an SA.
class SelectorSet {
 public:
  SelectorSet() = default;
  explicit SelectorSet(const std::vector<TrafficSelector>& from)
      : selectors_(from.begin(), from.end()) {}
  bool matches(const PacketSide& side) const {
    for (const CompiledSelector& selector : selectors_)
      if (selector.matches(side)) return true;
    return false;
  }

 private:
  std::vector<CompiledSelector> selectors_;
};

}  // namespace culvert::esp
