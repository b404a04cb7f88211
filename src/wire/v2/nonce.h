// The Nonce payload: RFC 7296, 3.9.
#pragma once

#include "base/bytes.h"

namespace culvert::wire {

struct Nonce {
  Bytes data;
  bool operator==(const Nonce&) const = default;

  // Fails with bad_length outside 16 to 256 octets.
  static Result<Nonce> decode(Reader& reader);
  void encode(Writer& writer) const;
  std::size_t encoded_size() const { return data.size(); }
};

}  // namespace culvert::wire
