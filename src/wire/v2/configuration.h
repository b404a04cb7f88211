// The Configuration payload: RFC 7296, 3.15.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "wire/registry.h"

namespace culvert::wire {

struct ConfigurationAttribute {
  std::uint16_t type = 0;  // a ConfigAttribute, 15 bits
  Bytes value;
  bool operator==(const ConfigurationAttribute&) const = default;
};

struct Configuration {
  ConfigType type{};
  std::vector<ConfigurationAttribute> attributes;
  bool operator==(const Configuration&) const = default;

  // Values are not judged: their lengths depend on who says them to whom.
  // Errors: truncated; too_large above limits::kMaxConfigurationAttributes.
  static Result<Configuration> decode(Reader& reader);
  void encode(Writer& writer) const;
  std::size_t encoded_size() const;
};

}  // namespace culvert::wire
