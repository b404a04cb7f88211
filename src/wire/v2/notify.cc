// The Notify payload's reading and writing.
#include "wire/v2/notify.h"

namespace culvert::wire {

Result<Notify> Notify::decode(Reader& reader) {
  Notify notify;
  notify.protocol = ProtocolId{TRY(reader.u8())};
  const Reader at_spi_size = reader;
  const std::uint8_t spi_size = TRY(reader.u8());
  const bool child = notify.protocol == ProtocolId::ah || notify.protocol == ProtocolId::esp;
  if (child && spi_size != 0 && spi_size != 4) return at_spi_size.bad(Reason::bad_value);
  notify.type = NotifyType{TRY(reader.u16())};
  notify.spi = to_bytes(TRY(reader.take(spi_size)));
  notify.data = to_bytes(reader.rest());
  return notify;
}

void Notify::encode(Writer& writer) const {
  writer.u8(static_cast<std::uint8_t>(protocol));
  writer.u8(static_cast<std::uint8_t>(spi.size()));
  writer.u16(static_cast<std::uint16_t>(type));
  writer.bytes(spi);
  writer.bytes(data);
}

}  // namespace culvert::wire
