// SPIs as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace culvert {

// `value` as lower-case hexadecimal with all its digits: "c0ffee42".
template <class Spi>
std::string spi_text(Spi value) {
  std::string text(sizeof(Spi) * 2, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, value >>= 4)
    *digit = "0123456789abcdef"[value & 15];
  return text;
}

}  // namespace culvert
