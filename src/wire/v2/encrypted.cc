// The outside of the SK and SKF payloads: reading and writing.
#include "wire/v2/encrypted.h"

namespace culvert::wire {

Result<Encrypted> Encrypted::decode(Reader& reader, PayloadType inner) {
  return Encrypted{inner, to_bytes(reader.rest())};
}

void Encrypted::encode(Writer& writer) const { writer.bytes(body); }

Result<FragmentPosition> FragmentPosition::decode(Reader& reader) {
  const Reader start = reader;
  FragmentPosition position;
  position.number = TRY(reader.u16());
  position.total = TRY(reader.u16());
  // RFC 7383, 2.6: neither is zero.
  if (position.number == 0 || position.number > position.total) return start.bad(Reason::bad_value);
  return position;
}

void FragmentPosition::encode(Writer& writer) const {
  writer.u16(number);
  writer.u16(total);
}

Result<EncryptedFragment> EncryptedFragment::decode(Reader& reader, PayloadType inner) {
  const FragmentPosition position = TRY(FragmentPosition::decode(reader));
  return EncryptedFragment{inner, position.number, position.total, to_bytes(reader.rest())};
}

void EncryptedFragment::encode(Writer& writer) const {
  FragmentPosition{number, total}.encode(writer);
  writer.bytes(body);
}

}  // namespace culvert::wire
