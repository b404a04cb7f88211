// The EAP payload's reading and writing.
#include "wire/v2/eap.h"

namespace culvert::wire {

Result<Eap> Eap::decode(Reader& reader) {
  const Reader start = reader;
  Reader message = reader;
  CHECK_OK(message.u16());  // code, identifier
  // RFC 7296, 3.16: four less than the Payload Length.
  if (TRY(message.u16()) != start.remaining()) return start.bad(Reason::bad_length);
  return Eap{to_bytes(reader.rest())};
}

void Eap::encode(Writer& writer) const { writer.bytes(data); }

}  // namespace culvert::wire
