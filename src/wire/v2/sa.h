// The Security Association payload: RFC 7296, 3.3.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "crypto/transforms.h"
#include "wire/registry.h"

namespace culvert::wire {

inline constexpr std::uint16_t kKeyLengthAttribute = 14;

// A transform attribute other than a usual Key Length. `value` counts when short_form, else `data`.
struct Attribute {
  std::uint16_t type = 0;  // 15 bits
  bool short_form = true;
  std::uint16_t value = 0;
  Bytes data;
  bool operator==(const Attribute&) const = default;
};

struct Transform {
  TransformType type{};
  std::uint16_t id = 0;
  std::uint16_t key_bits = 0;     // Key Length attribute; 0 when absent
  std::vector<Attribute> others;  // RFC 7296, 3.3.6: if any, the transform is not acceptable
  bool operator==(const Transform&) const = default;
};

struct Proposal {
  std::uint8_t number = 1;
  ProtocolId protocol = ProtocolId::none;
  Bytes spi;
  std::vector<Transform> transforms;  // at most 255
  bool operator==(const Proposal&) const = default;
};

struct Sa {
  std::vector<Proposal> proposals;
  bool operator==(const Sa&) const = default;

  // Errors: truncated, bad_length, bad_value (order and numbers of substructures; SPI size, which
  // is 0 or 8 for IKE and 4 for AH and ESP), too_large (limits::kMaxProposals).
  static Result<Sa> decode(Reader& reader);
  void encode(Writer& writer) const;
  std::size_t encoded_size() const;
};

}  // namespace culvert::wire
