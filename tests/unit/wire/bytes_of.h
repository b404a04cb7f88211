// Octets from hexadecimal text, spaces ignored, for tests.
#pragma once

#include <string_view>

#include "base/bytes.h"

namespace culvert::wire::testing {

inline Bytes hex(std::string_view text) {
  Bytes out;
  int digits = 0;
  for (const char c : text) {
    if (c == ' ' || c == '\n') continue;
    const int value = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    if (digits++ % 2 == 0)
      out.push_back(static_cast<std::uint8_t>(value << 4));
    else
      out.back() = static_cast<std::uint8_t>(out.back() | value);
  }
  return out;
}

}  // namespace culvert::wire::testing
