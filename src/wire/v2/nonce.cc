// The Nonce payload's reading and writing.
#include "wire/v2/nonce.h"

#include "base/limits.h"

namespace culvert::wire {

Result<Nonce> Nonce::decode(Reader& reader) {
  const std::size_t size = reader.remaining();
  if (size < limits::kMinNonceSize || size > limits::kMaxNonceSize)
    return reader.bad(Reason::bad_length);
  return Nonce{to_bytes(reader.rest())};
}

void Nonce::encode(Writer& writer) const { writer.bytes(data); }

}  // namespace culvert::wire
