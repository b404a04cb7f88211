// Owns how numbers and tables look. Widths count characters, not octets.
#include "cli/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "config/table_reader.h"

namespace culvert::cli {
namespace {

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string line_of(const std::vector<Cell>& cells, const std::vector<std::size_t>& widths,
                    bool colours) {
  std::string line;
  std::size_t padding = 0;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string text = printable(cells[i].text);
    if (text.empty() && i + 1 == cells.size()) break;
    line.append(padding, ' ');
    line += coloured(text, cells[i].colour, colours);
    padding = widths[i] - width_of(text) + 2;
  }
  return line + "\n";
}

}  // namespace

std::string octets_text(std::uint64_t octets) {
  constexpr auto kUnits =
      std::to_array<std::string_view>({"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"});
  if (octets < 1024) return fmt::format("{} B", octets);
  double value = static_cast<double>(octets) / 1024;
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.{}f} {}", value, value < 10 ? 1 : 0, kUnits[unit]);
}

std::string age_text(std::uint64_t seconds) {
  constexpr std::uint64_t kHour = 3'600, kDay = 24 * kHour;
  const std::uint64_t longest = 3'650 * kDay;
  seconds = std::min(seconds, longest);
  if (seconds >= kDay) {
    seconds -= seconds % kHour;
  } else if (seconds >= kHour) {
    seconds -= seconds % 60;
  }
  return config::duration_text(std::chrono::seconds(seconds));
}

std::optional<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string printable(std::string_view text) {
  std::string out(text);
  std::ranges::replace_if(
      out,
      [](char c) {
        const auto octet = static_cast<unsigned char>(c);
        return (octet < 0x20 && c != '\n') || octet == 0x7f;
      },
      '?');
  return out;
}

std::string coloured(std::string_view text, Colour colour, bool enabled) {
  constexpr auto kCodes = std::to_array<std::string_view>({"", "1", "32", "33", "31"});
  if (!enabled || colour == Colour::none) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<std::size_t>(colour)], text);
}

std::string table_text(const std::vector<std::string>& header,
                       const std::vector<std::vector<Cell>>& rows, bool colours) {
  std::vector<std::size_t> widths;
  std::vector<Cell> title;
  for (const auto& name : header) {
    widths.push_back(width_of(name));
    title.push_back({name, Colour::bold});
  }
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i)
      widths[i] = std::max(widths[i], width_of(row[i].text));
  std::string text = line_of(title, widths, colours);
  for (const auto& row : rows) text += line_of(row, widths, colours);
  return text;
}

}  // namespace culvert::cli
