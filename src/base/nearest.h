// "Did you mean …?": the nearest of some names, by edit distance.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

namespace culvert {

inline constexpr std::size_t kMaxNearestName = 64;  // longer texts have no suggestion

// Levenshtein's distance.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

// The name among `known` (a range of things that are string_views) that `text` is probably meant to
// be: at most a third of it differs. Empty when there is none.
template <class Range>
std::string_view nearest(std::string_view text, const Range& known) {
  if (text.size() > kMaxNearestName) return {};
  std::string_view best;
  std::size_t best_distance = text.size() / 3 + 1;
  for (const std::string_view name : known) {
    const std::size_t distance = edit_distance(text, name);
    if (distance >= best_distance) continue;
    best = name;
    best_distance = distance;
  }
  return best;
}

}  // namespace culvert
