// Small forms of text for people: sizes, ages, tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::cli {

// "999 B", "1.5 KiB", "12 MiB".
std::string octets_text(std::uint64_t octets);
// The two largest units: "42s", "12m3s", "3h12m", "5d4h".
std::string age_text(std::uint64_t seconds);
std::optional<std::uint64_t> parse_count(std::string_view text);
// Without control characters, which could take over a terminal; lines stay lines.
std::string printable(std::string_view text);

enum class Colour : std::uint8_t { none, bold, green, yellow, red };
// Escape codes around the text, unless colours are off.
std::string coloured(std::string_view text, Colour colour, bool enabled);

struct Cell {
  std::string text;
  Colour colour = Colour::none;
};
// Left-aligned columns, two spaces apart, as wide as their widest cell; no trailing spaces. Rows
// may be shorter than the header. `first` is the header.
std::string table_text(const std::vector<std::string>& header,
                       const std::vector<std::vector<Cell>>& rows, bool colours);

}  // namespace culvert::cli
