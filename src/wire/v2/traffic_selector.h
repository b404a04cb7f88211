// The Traffic Selector payloads, TSi and TSr: RFC 7296, 3.13.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "net/address.h"
#include "wire/registry.h"

namespace culvert::wire {

struct Selector {
  TsType type = TsType::ipv4;
  std::uint8_t ip_protocol = 0;  // 0 is any
  // For ICMP and MH these hold types and codes (RFC 7296, 3.13.1; RFC 4301, 4.4.1.1).
  std::uint16_t start_port = 0;
  std::uint16_t end_port = 65535;  // OPAQUE is start 65535 and end 0
  IpAddress first, last;           // inclusive
  // The body after the Selector Length field, for types other than the two address ranges; the
  // ports and addresses above then mean nothing and ip_protocol is the octet in its place.
  Bytes unknown;
  bool operator==(const Selector&) const = default;

  bool is_address_range() const { return type == TsType::ipv4 || type == TsType::ipv6; }
  bool is_opaque() const { return start_port == 65535 && end_port == 0; }
};

struct TrafficSelectors {
  std::vector<Selector> selectors;  // 1 to 255
  bool operator==(const TrafficSelectors&) const = default;

  // Errors: truncated; bad_length; bad_value when there are no selectors, an end lies before its
  // start, or ports that are not OPAQUE are reversed.
  static Result<TrafficSelectors> decode(Reader& reader);
  void encode(Writer& writer) const;
  std::size_t encoded_size() const;
};

}  // namespace culvert::wire
