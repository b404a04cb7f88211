// The Identification payloads, IDi and IDr: RFC 7296, 3.5.
#pragma once

#include <array>

#include "base/bytes.h"
#include "wire/registry.h"

namespace culvert::wire {

struct Identification {
  IdType type{};
  Bytes data;
  // Zero in what we send. Kept from what we receive, because AUTH covers the payload as sent
  // (RFC 7296, 2.15).
  std::array<std::uint8_t, 3> reserved{};
  bool operator==(const Identification&) const = default;

  // RestOfIDPayload of RFC 7296, 2.15: the payload without its generic header.
  Bytes body() const;

  // Errors: truncated; too_large (limits::kMaxIdentitySize); bad_length when an address has
  // neither 4 nor 16 octets as its type says.
  static Result<Identification> decode(Reader& reader);
  void encode(Writer& writer) const;
  std::size_t encoded_size() const { return 4 + data.size(); }
};

}  // namespace culvert::wire
