// Reads the published vectors in tests/vectors/ and finds algorithms by the names used there.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "base/bytes.h"
#include "crypto/openssl_provider.h"

namespace culvert::testing {

// One top-level member of a vector file, by value.
inline nlohmann::json load_vectors(const std::string& path, const char* member) {
  std::ifstream file(std::string(CULVERT_VECTORS) + "/" + path);
  if (!file) throw std::runtime_error("missing test vectors: " + path);
  return nlohmann::json::parse(file).at(member);
}

inline Bytes from_hex(std::string_view text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(
        static_cast<std::uint8_t>(std::stoul(std::string(text.substr(i, 2)), nullptr, 16)));
  return bytes;
}

// The octets of a hexadecimal member; none where the member is absent.
inline Bytes octets(const nlohmann::json& object, const char* member) {
  return from_hex(object.value(member, std::string()));
}

// The inverse of name_of() over the registry's first hundred numbers.
template <class Enum>
Enum named(std::string_view name) {
  for (std::uint16_t number = 0; number < 100; ++number)
    if (name_of(static_cast<Enum>(number)) == name) return static_cast<Enum>(number);
  throw std::runtime_error("unknown name: " + std::string(name));
}

inline Bytes copy(ByteView view) { return to_bytes(view); }
inline Bytes joined(std::initializer_list<ByteView> parts) {
  Bytes all;
  for (ByteView part : parts) append(all, part);
  return all;
}
inline Bytes counting(std::size_t size, std::uint8_t first = 0) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(first + i);
  return bytes;
}

}  // namespace culvert::testing
