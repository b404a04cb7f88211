// The Delete payload's reading and writing.
#include "wire/v2/delete.h"

#include "base/limits.h"

namespace culvert::wire {
namespace {

// RFC 7296, 3.11: zero for IKE, four for AH and ESP.
bool spi_size_is_valid(ProtocolId protocol, std::uint8_t size) {
  switch (protocol) {
    case ProtocolId::ike:
      return size == 0;
    case ProtocolId::ah:
    case ProtocolId::esp:
      return size == 4;
    default:
      return true;
  }
}

}  // namespace

Delete Delete::child_sas(ProtocolId protocol, std::span<const std::uint32_t> spis) {
  Delete payload{protocol, 4, {}};
  payload.spis.reserve(spis.size() * payload.spi_size);
  Writer writer(payload.spis);
  for (const std::uint32_t spi : spis) writer.u32(spi);
  return payload;
}

Result<Delete> Delete::decode(Reader& reader) {
  Delete payload;
  payload.protocol = ProtocolId{TRY(reader.u8())};
  const Reader at_spi_size = reader;
  payload.spi_size = TRY(reader.u8());
  if (!spi_size_is_valid(payload.protocol, payload.spi_size))
    return at_spi_size.bad(Reason::bad_value);
  const Reader at_count = reader;
  const std::uint16_t count = TRY(reader.u16());
  if (count > limits::kMaxSpisPerDelete) return at_count.bad(Reason::too_large);
  payload.spis = to_bytes(TRY(reader.take(std::size_t{count} * payload.spi_size)));
  return payload;
}

void Delete::encode(Writer& writer) const {
  writer.u8(static_cast<std::uint8_t>(protocol));
  writer.u8(spi_size);
  writer.u16(static_cast<std::uint16_t>(count()));
  writer.bytes(spis);
}

}  // namespace culvert::wire
