// The Delete payload: RFC 7296, 3.11.
#pragma once

#include "base/bytes.h"
#include "wire/registry.h"

namespace culvert::wire {

struct Delete {
  ProtocolId protocol = ProtocolId::none;
  std::uint8_t spi_size = 0;  // 0 for the IKE SA, whose SPIs are in the header; 4 for AH and ESP
  Bytes spis;                 // all of them, one after the other
  bool operator==(const Delete&) const = default;

  std::size_t count() const { return spi_size == 0 ? 0 : spis.size() / spi_size; }
  // `index` is below count().
  ByteView spi(std::size_t index) const {
    return ByteView(spis).subspan(index * spi_size, spi_size);
  }

  static Delete ike_sa() { return {ProtocolId::ike, 0, {}}; }
  // SPIs of AH or ESP, in host order as everywhere in the program.
  static Delete child_sas(ProtocolId protocol, std::span<const std::uint32_t> spis);

  // Errors: truncated; bad_length; bad_value (SPI size that the protocol forbids); too_large
  // (limits::kMaxSpisPerDelete). A count of SPIs without octets is ignored.
  static Result<Delete> decode(Reader& reader);
  void encode(Writer& writer) const;
  std::size_t encoded_size() const { return 4 + spis.size(); }
};

}  // namespace culvert::wire
