// The Authentication payload: RFC 7296, 3.8.
#pragma once

#include "base/bytes.h"
#include "wire/registry.h"

namespace culvert::wire {

struct Auth {
  AuthMethod method{};
  Bytes data;
  bool operator==(const Auth&) const = default;

  static Result<Auth> decode(Reader& reader);
  void encode(Writer& writer) const;
  std::size_t encoded_size() const { return 4 + data.size(); }
};

}  // namespace culvert::wire
