// The value forms of vici options, as strongSwan's configuration writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace culvert::vici {

// "yes", "true", "enabled", "1" and their opposites, without case.
std::optional<bool> parse_bool(std::string_view text);
// Decimal, or hexadecimal after "0x".
std::optional<std::uint64_t> parse_number(std::string_view text);
// "30s", "5m", "4h", "1d", "3600" (seconds), "1h30m"; at most ten years.
std::optional<Duration> parse_time(std::string_view text);
// "500000", "64K", "500M", "2G", in units of 1024.
std::optional<std::uint64_t> parse_octets(std::string_view text);

bool equal_without_case(std::string_view a, std::string_view b);
// In single quotes, cut to a length that suits a message, unprintable characters replaced.
std::string quoted(std::string_view text);
// The same without quotes and without a cut.
std::string printable(std::string_view text);
// True for text without control characters; names end up in logs and on terminals.
bool is_printable(std::string_view text);

}  // namespace culvert::vici
