// Reads the members of one table by name and type. Whatever was not asked for by the end is an
// unknown key, so that the code that reads a key is the only list of keys there is.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/nearest.h"
#include "config/report.h"

namespace culvert::config {

// A value together with where it stands, for diagnostics about it later.
template <class T>
struct Located {
  T value;
  Position at;
};
using LocatedText = Located<std::string>;

class TableReader {
 public:
  // `name` as diagnostics call the table: "[tunnel.branch]". All three outlive the reader.
  TableReader(const Table& table, std::string name, Position at, Report& report)
      : table_(table), name_(std::move(name)), at_(at), report_(report) {}

  // Each returns nothing when the key is absent, and after reporting when its value is no good.
  std::optional<LocatedText> text(std::string_view key);
  // A string or an array of strings; nothing also for an empty array, which is an error.
  std::vector<LocatedText> texts(std::string_view key);
  std::optional<bool> boolean(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t min, std::int64_t max);
  // A number with or without a fraction.
  std::optional<double> number(std::string_view key, double min, double max);
  std::optional<Duration> duration(std::string_view key, Duration min, Duration max);
  // Any value; nullptr when absent.
  const Member* any(std::string_view key);

  // A string that is one of these words.
  template <class T>
  std::optional<T> choice(std::string_view key,
                          std::span<const std::pair<std::string_view, T>> words) {
    const auto given = text(key);
    if (!given) return std::nullopt;
    std::vector<std::string_view> names;
    for (const auto& [word, value] : words) {
      if (word == given->value) return value;
      names.push_back(word);
    }
    bad_choice(key, *given, names);
    return std::nullopt;
  }

  // Reports the keys nobody asked for.
  void finish();

  const std::string& name() const { return name_; }
  Position at() const { return at_; }
  Report& report() { return report_; }
  // "'peer' in [tunnel.branch]"
  std::string place(std::string_view key) const;
  void wrong_type(std::string_view key, const Value& value, std::string_view expected);

 private:
  const Value* find(std::string_view key);
  void bad_choice(std::string_view key, const LocatedText& given,
                  const std::vector<std::string_view>& names);

  const Table& table_;
  std::string name_;
  Position at_;
  Report& report_;
  std::vector<std::string_view> asked_;
};

// "30s", "5m", "1h30m", "1d", "250ms": numbers with units, each unit at most once and larger ones
// first. At most ten years.
std::optional<Duration> parse_duration(std::string_view text);
// The reverse, for messages.
std::string duration_text(Duration duration);
// In single quotes, with control characters made visible and cut where it gets long.
std::string in_quotes(std::string_view text);

}  // namespace culvert::config
