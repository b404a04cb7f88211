// A TOML document as plain values that know where they stand. The TOML library is behind this
// header and in one source file, because it takes longer to compile than all of config/.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace culvert::config {

struct Position {
  unsigned line = 0;  // from 1
  unsigned column = 0;
  auto operator<=>(const Position&) const = default;
};

struct Member;
struct Value;
using Table = std::vector<Member>;  // in the order of the file, names distinct
using Array = std::vector<Value>;
// A date, which stands for the whole day, or a date with a time; a time without an offset is UTC.
struct Moment {
  std::optional<std::chrono::sys_seconds> begin;  // none: a time of day
  bool whole_day = false;
};

struct Value {
  Position at;
  std::variant<bool, std::int64_t, double, Moment, std::string, Array, Table> content;
};

struct Member {
  std::string key;
  Position at;  // of the key
  Value value;
};

// "a string", "an integer": how diagnostics name a value's type.
std::string_view kind_of(const Value& value);

struct SyntaxError {
  Position at;
  std::string message;
};
// Keys may have up to kMaxKeyParts parts ("a.b.c" has three) and values nest up to kMaxNesting
// deep, so that functions over the tree may recurse.
inline constexpr unsigned kMaxKeyParts = 8;
inline constexpr unsigned kMaxNesting = 16;
std::expected<Table, SyntaxError> parse_document(std::string_view text);

// Zeroises every string: a document may hold pre-shared keys.
void wipe(Table& table);

}  // namespace culvert::config
