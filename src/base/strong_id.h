// Numbers that must not be mixed up: SPIs, job numbers, reqids.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace culvert {

template <class Tag, class Rep>
struct StrongId {
  using rep = Rep;
  Rep value{};
  constexpr auto operator<=>(const StrongId&) const = default;
  constexpr explicit operator bool() const { return value != Rep{}; }
};

}  // namespace culvert

template <class Tag, class Rep>
struct std::hash<culvert::StrongId<Tag, Rep>> {
  std::size_t operator()(const culvert::StrongId<Tag, Rep>& id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};
