// The Encrypted payload, SK (RFC 7296, 3.14), and the Encrypted Fragment payload, SKF (RFC 7383,
// 2.5), as they look from outside. wire/v2/protected.h makes and opens them.
#pragma once

#include "base/bytes.h"
#include "wire/registry.h"

namespace culvert::wire {

struct Encrypted {
  PayloadType inner = PayloadType::none;  // of the first payload inside
  Bytes body;                             // IV | ciphertext | ICV
  bool operator==(const Encrypted&) const = default;

  // `inner` comes from the generic header, which the reader has passed.
  static Result<Encrypted> decode(Reader& reader, PayloadType inner);
  void encode(Writer& writer) const;
  std::size_t encoded_size() const { return body.size(); }
};

// The two counters of an SKF payload.
struct FragmentPosition {
  std::uint16_t number = 1;  // from 1
  std::uint16_t total = 1;
  bool operator==(const FragmentPosition&) const = default;

  // Fails with bad_value unless 1 <= number <= total (RFC 7383, 2.6).
  static Result<FragmentPosition> decode(Reader& reader);
  void encode(Writer& writer) const;
};

struct EncryptedFragment {
  PayloadType inner = PayloadType::none;  // none in all fragments but the first
  std::uint16_t number = 1;
  std::uint16_t total = 1;
  Bytes body;  // IV | ciphertext | ICV
  bool operator==(const EncryptedFragment&) const = default;

  static Result<EncryptedFragment> decode(Reader& reader, PayloadType inner);
  void encode(Writer& writer) const;
  std::size_t encoded_size() const { return 4 + body.size(); }
};

}  // namespace culvert::wire
