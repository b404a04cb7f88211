// "Did you mean …?": the nearest of some names, by edit distance.
#pragma once

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace culvert {

inline constexpr std::size_t kMaxNearestName = 64;  // longer texts have no suggestion

// The fewest letters to add, drop or replace, or neighbours to swap, that make `a` into `b`.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before, above, row(b.size() + 1);  // of the last two letters of a
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(above, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, above[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

// The name among `known` (a range of things that are string_views) that `text` is probably meant to
// be: at most a third of it (or one letter) differs. Empty when there is none.
template <class Range>
std::string_view nearest(std::string_view text, const Range& known) {
  if (text.size() > kMaxNearestName) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, text.size() / 3 + 1);
  for (const std::string_view name : known) {
    const std::size_t distance = edit_distance(text, name);
    if (distance >= best_distance) continue;
    best = name;
    best_distance = distance;
  }
  return best;
}

}  // namespace culvert
