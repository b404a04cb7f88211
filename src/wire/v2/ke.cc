// The Key Exchange payload's reading and writing.
#include "wire/v2/ke.h"

namespace culvert::wire {

Result<KeyExchangePayload> KeyExchangePayload::decode(Reader& reader) {
  KeyExchangePayload ke;
  ke.method = TRY(reader.u16());
  CHECK_OK(reader.u16());  // reserved
  ke.data = to_bytes(reader.rest());
  return ke;
}

void KeyExchangePayload::encode(Writer& writer) const {
  writer.u16(method);
  writer.u16(0);
  writer.bytes(data);
}

}  // namespace culvert::wire
