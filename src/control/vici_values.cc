// Parsing of single vici values. Nothing here allocates for input that is wrong.
#include "control/vici_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace culvert::vici {

namespace {

constexpr std::uint64_t kMaxSeconds = 10ull * 365 * 24 * 3'600;
constexpr std::size_t kMaxQuoted = 80;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Takes decimal digits off the front of `text`.
std::optional<std::uint64_t> take_digits(std::string_view& text) {
  std::uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc{} || result.ptr == text.data()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(result.ptr - text.data()));
  return value;
}

std::optional<std::uint64_t> multiply(std::uint64_t value, std::uint64_t factor) {
  if (value > std::numeric_limits<std::uint64_t>::max() / factor) return std::nullopt;
  return value * factor;
}

std::optional<std::uint64_t> take_seconds(std::string_view& text) {
  const auto count = take_digits(text);
  if (!count) return std::nullopt;
  while (text.starts_with(' ')) text.remove_prefix(1);
  if (text.empty()) return count;
  const char unit = lower(text.front());
  text.remove_prefix(1);
  switch (unit) {
    case 's':
      return count;
    case 'm':
      return multiply(*count, 60);
    case 'h':
      return multiply(*count, 3'600);
    case 'd':
      return multiply(*count, 86'400);
    default:
      return std::nullopt;
  }
}

}  // namespace

bool equal_without_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::optional<bool> parse_bool(std::string_view text) {
  for (const std::string_view yes : {"yes", "true", "enabled", "1"})
    if (equal_without_case(text, yes)) return true;
  for (const std::string_view no : {"no", "false", "disabled", "0"})
    if (equal_without_case(text, no)) return false;
  return std::nullopt;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  }
  std::uint64_t value = 0;
  const auto* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value, base);
  if (text.empty() || result.ec != std::errc{} || result.ptr != end) return std::nullopt;
  return value;
}

std::optional<Duration> parse_time(std::string_view text) {
  std::uint64_t total = 0;
  do {
    const auto seconds = take_seconds(text);
    if (!seconds || *seconds > kMaxSeconds) return std::nullopt;
    total += *seconds;
    if (total > kMaxSeconds) return std::nullopt;
  } while (!text.empty());
  return std::chrono::seconds(total);
}

std::optional<std::uint64_t> parse_octets(std::string_view text) {
  const auto count = take_digits(text);
  if (!count) return std::nullopt;
  while (text.starts_with(' ')) text.remove_prefix(1);
  if (text.empty()) return count;
  if (text.size() > 1) return std::nullopt;
  switch (lower(text.front())) {
    case 'k':
      return multiply(*count, 1ull << 10);
    case 'm':
      return multiply(*count, 1ull << 20);
    case 'g':
      return multiply(*count, 1ull << 30);
    default:
      return std::nullopt;
  }
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto value = static_cast<unsigned char>(c);
    return value >= 0x20 && value != 0x7f;
  });
}

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (!is_printable(std::string_view(&c, 1))) c = '?';
  return out;
}

std::string quoted(std::string_view text) {
  return "'" + printable(text.substr(0, kMaxQuoted)) + (text.size() > kMaxQuoted ? "...'" : "'");
}

}  // namespace culvert::vici
