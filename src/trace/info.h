// What every event has beside its fields: its name, its level, its sentence.
#pragma once

#include <cstdint>
#include <string_view>
#include <tuple>

namespace culvert::trace {

enum class Level : std::uint8_t { error, warning, info, debug, trace };

// Which part speaks, as strongSwan's log groups name it (for vici's `log` event).
enum class Group : std::uint8_t { dmn, ike, chd, net, enc, cfg, knl };

struct Info {
  std::string_view name;  // stable, snake_case: JSON "event", metric culvert_<name>_total
  Level level;
  Group group;
  std::string_view text;          // "{field}" is replaced
  bool explains_failure = false;  // kept as the answer of `culvert why CONNECTION`
};

template <class T>
struct Field {
  std::string_view name;
  const T& value;
};
template <class T>
Field(std::string_view, const T&) -> Field<T>;

#define CULVERT_FIELDS(...) \
  auto fields() const { return std::tuple{__VA_ARGS__}; }
#define CULVERT_FIELD(member) \
  Field { #member, member }

}  // namespace culvert::trace
