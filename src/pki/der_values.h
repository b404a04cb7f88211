// The values that certificates, CRLs and OCSP are made of, in DER: each function gives one whole
// element.
#pragma once

#include <chrono>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "base/der.h"

namespace culvert::der {

Bytes sequence(std::initializer_list<ByteView> elements);
Bytes set_of(ByteView element);
Bytes boolean(bool value);
Bytes integer(std::uint64_t value);
// A number that is not negative, as big-endian octets; leading zeros are dropped.
Bytes integer(ByteView octets);
Bytes enumerated(std::uint8_t value);
Bytes octet_string(ByteView octets);
Bytes bit_string(ByteView octets);
// The bits that are set, bit 0 first, without trailing zero bits (X.690, 11.2.2).
Bytes named_bits(std::uint16_t bits);
Bytes utf8_string(std::string_view text);
// `contents` are the contents octets.
Bytes oid(std::string_view contents);
// From "1.3.6.1.4.1.36906". nullopt: no OBJECT IDENTIFIER.
std::optional<Bytes> oid_from_text(std::string_view dotted);
// UTCTime from 1950 until 2049, GeneralizedTime otherwise: RFC 5280, 4.1.2.5. Years are 0 to 9999;
// what lies outside becomes the nearest of them.
Bytes time(std::chrono::sys_seconds when);
Bytes generalized_time(std::chrono::sys_seconds when);

}  // namespace culvert::der
