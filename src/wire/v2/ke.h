// The Key Exchange payload: RFC 7296, 3.4.
#pragma once

#include "base/bytes.h"

namespace culvert::wire {

struct KeyExchangePayload {
  std::uint16_t method = 0;  // a Ke
  Bytes data;                // the public value
  bool operator==(const KeyExchangePayload&) const = default;

  static Result<KeyExchangePayload> decode(Reader& reader);
  void encode(Writer& writer) const;
  std::size_t encoded_size() const { return 4 + data.size(); }
};

}  // namespace culvert::wire
