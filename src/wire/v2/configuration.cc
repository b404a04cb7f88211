// The Configuration payload's reading and writing.
#include "wire/v2/configuration.h"

#include "base/limits.h"

namespace culvert::wire {
namespace {

constexpr std::uint16_t kTypeMask = 0x7fff;  // RFC 7296, 3.15.1: the high bit is reserved

}  // namespace

Result<Configuration> Configuration::decode(Reader& reader) {
  Configuration configuration;
  configuration.type = ConfigType{TRY(reader.u8())};
  CHECK_OK(reader.take(3));  // reserved
  while (!reader.empty()) {
    if (configuration.attributes.size() == limits::kMaxConfigurationAttributes)
      return reader.bad(Reason::too_large);
    const std::uint16_t type = TRY(reader.u16()) & kTypeMask;
    const std::uint16_t length = TRY(reader.u16());
    configuration.attributes.push_back({type, to_bytes(TRY(reader.take(length)))});
  }
  return configuration;
}

void Configuration::encode(Writer& writer) const {
  writer.u8(static_cast<std::uint8_t>(type));
  writer.zeros(3);
  for (const ConfigurationAttribute& attribute : attributes) {
    writer.u16(attribute.type & kTypeMask);
    writer.u16(static_cast<std::uint16_t>(attribute.value.size()));
    writer.bytes(attribute.value);
  }
}

std::size_t Configuration::encoded_size() const {
  std::size_t size = 4;
  for (const ConfigurationAttribute& attribute : attributes) size += 4 + attribute.value.size();
  return size;
}

}  // namespace culvert::wire
