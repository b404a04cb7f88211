// DER (X.690, 10): one element at a time, with definite lengths in their shortest form. Views point
// into what was read, because a signature covers the octets as they came.
#pragma once

#include <initializer_list>

#include "base/bytes.h"

namespace culvert::der {

inline constexpr std::uint8_t kInteger = 0x02, kBitString = 0x03, kOctetString = 0x04, kNull = 0x05,
                              kOid = 0x06, kEnumerated = 0x0a, kUtf8String = 0x0c,
                              kPrintableString = 0x13, kTeletexString = 0x14, kIa5String = 0x16,
                              kVisibleString = 0x1a, kSequence = 0x30, kSet = 0x31;
constexpr std::uint8_t context(std::uint8_t number) { return 0x80 | number; }
constexpr std::uint8_t constructed_context(std::uint8_t number) { return 0xa0 | number; }

struct Element {
  std::uint8_t tag = 0;
  ByteView value;
  ByteView whole;  // with tag and length
};

// Tags of one octet, lengths of at most four.
Result<Element> read(Reader& reader);
// Fails with bad_value when the next element has another tag.
Result<Element> read(Reader& reader, std::uint8_t tag);
// The element that is all of `octets`.
Result<Element> read_only(ByteView octets, std::uint8_t tag);

// The element that holds the parts one after the other.
Bytes element(std::uint8_t tag, std::initializer_list<ByteView> parts);

}  // namespace culvert::der
