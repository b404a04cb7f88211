// Owns the typed reading of tables and the wording of what is wrong with a value.
#include "config/table_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace culvert::config {
namespace {

struct Unit {
  std::string_view name;
  Duration length;
};
constexpr Unit kUnits[] = {{"d", std::chrono::hours(24)},
                           {"h", std::chrono::hours(1)},
                           {"m", std::chrono::minutes(1)},
                           {"s", std::chrono::seconds(1)},
                           {"ms", std::chrono::milliseconds(1)}};
constexpr Duration kLongest = std::chrono::hours(24 * 3'650);

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  Duration sum{};
  std::span<const Unit> units = kUnits;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc{} || text.front() == '-') return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const auto name = text.substr(0, text.find_first_of("0123456789"));
    const auto unit = std::ranges::find(units, name, &Unit::name);
    if (unit == units.end() || count > (kLongest - sum) / unit->length) return std::nullopt;
    sum += count * unit->length;
    text.remove_prefix(name.size());
    units = units.subspan(static_cast<std::size_t>(unit - units.begin()) + 1);
  }
  return sum;
}

std::string duration_text(Duration duration) {
  std::string text;
  for (const Unit& unit : kUnits) {
    if (duration < unit.length) continue;
    text += fmt::format("{}{}", duration / unit.length, unit.name);
    duration %= unit.length;
  }
  return text.empty() ? "0s" : text;
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kLongestShown = 64;
  std::string out = "'";
  for (const char c : text.substr(0, kLongestShown)) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) {
      out += fmt::format("\\x{:02x}", octet);
    } else {
      out += c;
    }
  }
  return out + (text.size() > kLongestShown ? "…'" : "'");
}

std::string TableReader::place(std::string_view key) const {
  return fmt::format("'{}' in {}", key, name_);
}

const Member* TableReader::any(std::string_view key) {
  asked_.push_back(key);
  const auto found = std::ranges::find(table_, key, &Member::key);
  return found == table_.end() ? nullptr : &*found;
}

const Value* TableReader::find(std::string_view key) {
  const Member* member = any(key);
  return member ? &member->value : nullptr;
}

void TableReader::wrong_type(std::string_view key, const Value& value, std::string_view expected) {
  report_.error(value.at,
                fmt::format("{}: expected {}, found {}", place(key), expected, kind_of(value)));
}

std::optional<LocatedText> TableReader::text(std::string_view key) {
  const Value* value = find(key);
  if (!value) return std::nullopt;
  if (const auto* text = std::get_if<std::string>(&value->content))
    return LocatedText{*text, value->at};
  wrong_type(key, *value, "a string");
  return std::nullopt;
}

std::vector<LocatedText> TableReader::texts(std::string_view key) {
  const Value* value = find(key);
  if (!value) return {};
  if (const auto* text = std::get_if<std::string>(&value->content)) return {{*text, value->at}};
  const auto* array = std::get_if<Array>(&value->content);
  if (!array) {
    wrong_type(key, *value, "a string or an array of strings");
    return {};
  }
  std::vector<LocatedText> texts;
  for (const Value& item : *array) {
    if (const auto* text = std::get_if<std::string>(&item.content)) {
      texts.push_back({*text, item.at});
    } else {
      wrong_type(key, item, "a string in the array");
    }
  }
  if (array->empty())
    report_.error(value->at, place(key) + ": the array is empty", "leave the key out");
  return texts;
}

std::optional<bool> TableReader::boolean(std::string_view key) {
  const Value* value = find(key);
  if (!value) return std::nullopt;
  if (const auto* boolean = std::get_if<bool>(&value->content)) return *boolean;
  wrong_type(key, *value, "a boolean");
  return std::nullopt;
}

std::optional<std::int64_t> TableReader::integer(std::string_view key, std::int64_t min,
                                                 std::int64_t max) {
  const Value* value = find(key);
  if (!value) return std::nullopt;
  const auto* integer = std::get_if<std::int64_t>(&value->content);
  if (!integer) {
    wrong_type(key, *value, "an integer");
    return std::nullopt;
  }
  if (*integer >= min && *integer <= max) return *integer;
  report_.error(value->at,
                fmt::format("{}: {} is not within {} to {}", place(key), *integer, min, max));
  return std::nullopt;
}

std::optional<double> TableReader::number(std::string_view key, double min, double max) {
  const Value* value = find(key);
  if (!value) return std::nullopt;
  double number = 0;
  if (const auto* integer = std::get_if<std::int64_t>(&value->content)) {
    number = static_cast<double>(*integer);
  } else if (const auto* fraction = std::get_if<double>(&value->content)) {
    number = *fraction;
  } else {
    wrong_type(key, *value, "a number");
    return std::nullopt;
  }
  if (number >= min && number <= max) return number;
  report_.error(value->at,
                fmt::format("{}: {} is not within {} to {}", place(key), number, min, max));
  return std::nullopt;
}

std::optional<Duration> TableReader::duration(std::string_view key, Duration min, Duration max) {
  const Value* value = find(key);
  if (!value) return std::nullopt;
  const auto* text = std::get_if<std::string>(&value->content);
  if (!text) {
    wrong_type(key, *value, "a duration such as \"30s\"");
    return std::nullopt;
  }
  const auto duration = parse_duration(*text);
  if (!duration) {
    report_.error(value->at, fmt::format("{}: {} is not a duration", place(key), in_quotes(*text)),
                  "write numbers with units, such as \"30s\", \"5m\", \"1h30m\" or \"1d\"");
    return std::nullopt;
  }
  if (*duration >= min && *duration <= max) return duration;
  report_.error(value->at, fmt::format("{}: {} is not within {} to {}", place(key),
                                       in_quotes(*text), duration_text(min), duration_text(max)));
  return std::nullopt;
}

void TableReader::bad_choice(std::string_view key, const LocatedText& given,
                             const std::vector<std::string_view>& names) {
  const auto near = nearest(given.value, names);
  report_.error(given.at,
                fmt::format("{}: {} is none of \"{}\"", place(key), in_quotes(given.value),
                            fmt::join(names, "\", \"")),
                did_you_mean(near));
}

void TableReader::finish() {
  for (const Member& member : table_) {
    if (std::ranges::find(asked_, member.key) != asked_.end()) continue;
    report_.error(member.at, fmt::format("unknown key {} in {}", in_quotes(member.key), name_),
                  did_you_mean(nearest(member.key, asked_)));
  }
}

}  // namespace culvert::config
