// The Notify payload: RFC 7296, 3.10.
#pragma once

#include "base/bytes.h"
#include "wire/registry.h"

namespace culvert::wire {

struct Notify {
  ProtocolId protocol = ProtocolId::none;
  Bytes spi;
  NotifyType type{};
  Bytes data;
  bool operator==(const Notify&) const = default;

  // Errors: truncated; bad_value when the SPI of AH or ESP has neither 0 nor 4 octets.
  static Result<Notify> decode(Reader& reader);
  void encode(Writer& writer) const;
  std::size_t encoded_size() const { return 4 + spi.size() + data.size(); }
};

}  // namespace culvert::wire
