// The Identification payload's reading and writing.
#include "wire/v2/identification.h"

#include <algorithm>

#include "base/limits.h"

namespace culvert::wire {
namespace {

bool size_is_valid(IdType type, std::size_t size) {
  if (type == IdType::ipv4_addr) return size == 4;
  if (type == IdType::ipv6_addr) return size == 16;
  return true;
}

}  // namespace

Bytes Identification::body() const {
  Bytes out;
  out.reserve(encoded_size());
  Writer writer(out);
  encode(writer);
  return out;
}

Result<Identification> Identification::decode(Reader& reader) {
  Identification id;
  id.type = IdType{TRY(reader.u8())};
  std::ranges::copy(TRY(reader.take(id.reserved.size())), id.reserved.begin());
  if (reader.remaining() > limits::kMaxIdentitySize) return reader.bad(Reason::too_large);
  if (!size_is_valid(id.type, reader.remaining())) return reader.bad(Reason::bad_length);
  id.data = to_bytes(reader.rest());
  return id;
}

void Identification::encode(Writer& writer) const {
  writer.u8(static_cast<std::uint8_t>(type));
  writer.bytes(reserved);
  writer.bytes(data);
}

}  // namespace culvert::wire
