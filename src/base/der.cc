#include "base/der.h"

namespace culvert::der {
namespace {

constexpr std::size_t kMaxLengthOctets = 4;

Result<std::size_t> read_length(Reader& reader) {
  const std::uint8_t first = TRY(reader.u8());
  if (first < 0x80) return first;
  const std::size_t count = first & 0x7fu;
  if (count == 0 || count > kMaxLengthOctets) return reader.bad(Reason::bad_length);
  std::size_t length = 0;
  for (const std::uint8_t octet : TRY(reader.take(count))) length = length << 8 | octet;
  const bool shortest = length >= 0x80 && length >> 8 * (count - 1) != 0;
  if (!shortest) return reader.bad(Reason::bad_length);
  return length;
}

}  // namespace

Result<Element> read(Reader& reader) {
  Reader start = reader;
  Element element;
  element.tag = TRY(reader.u8());
  if ((element.tag & 0x1f) == 0x1f) return start.bad(Reason::bad_value);  // more octets of tag
  const std::size_t length = TRY(read_length(reader));
  element.value = TRY(reader.take(length));
  element.whole = TRY(start.take(reader.offset() - start.offset()));
  return element;
}

Result<Element> read(Reader& reader, std::uint8_t tag) {
  const Reader start = reader;
  const Element element = TRY(read(reader));
  if (element.tag != tag) return start.bad(Reason::bad_value);
  return element;
}

Result<Element> read_only(ByteView octets, std::uint8_t tag) {
  Reader reader(octets);
  const Element element = TRY(read(reader, tag));
  if (!reader.empty()) return reader.bad(Reason::bad_length);
  return element;
}

Bytes element(std::uint8_t tag, std::initializer_list<ByteView> parts) {
  std::size_t size = 0;
  for (const ByteView part : parts) size += part.size();
  Bytes out{tag};
  out.reserve(size + 2 + sizeof size);
  if (size < 0x80) {
    out.push_back(static_cast<std::uint8_t>(size));
  } else {
    std::uint8_t count = 1;
    while (size >> 8 * count != 0) ++count;
    out.push_back(0x80 | count);
    while (count-- > 0) out.push_back(static_cast<std::uint8_t>(size >> 8 * count));
  }
  for (const ByteView part : parts) append(out, part);
  return out;
}

}  // namespace culvert::der
