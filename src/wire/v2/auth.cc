// The Authentication payload's reading and writing.
#include "wire/v2/auth.h"

namespace culvert::wire {

Result<Auth> Auth::decode(Reader& reader) {
  Auth auth;
  auth.method = AuthMethod{TRY(reader.u8())};
  CHECK_OK(reader.take(3));  // reserved
  auth.data = to_bytes(reader.rest());
  return auth;
}

void Auth::encode(Writer& writer) const {
  writer.u8(static_cast<std::uint8_t>(method));
  writer.zeros(3);
  writer.bytes(data);
}

}  // namespace culvert::wire
