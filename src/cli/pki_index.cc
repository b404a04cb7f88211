// Owns the reading of index.txt: state, expiry, revocation, serial, file name, subject, with tabs
// between.
#include "cli/pki_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "cli/pki_files.h"

namespace culvert::cli {
namespace {

using namespace std::chrono;

constexpr std::uint8_t kLastReason = 10;

std::string plain(std::string_view name) {
  std::string out;
  for (const char c : name)
    if (c != '-' && c != ' ') out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::optional<unsigned> number(std::string_view digits) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// "261231235959Z", or with four digits of the year.
std::optional<sys_seconds> parse_time(std::string_view text) {
  if ((text.size() != 13 && text.size() != 15) || !text.ends_with('Z')) return std::nullopt;
  const std::size_t year_digits = text.size() - 11;
  auto year_number = number(text.substr(0, year_digits));
  std::array<unsigned, 5> parts{};  // month, day, hour, minute, second
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto part = number(text.substr(year_digits + 2 * i, 2));
    if (!part) return std::nullopt;
    parts[i] = *part;
  }
  if (!year_number) return std::nullopt;
  if (year_digits == 2) *year_number += *year_number < 50 ? 2'000 : 1'900;
  const year_month_day date{year(static_cast<int>(*year_number)), month(parts[0]), day(parts[1])};
  if (!date.ok() || parts[2] > 23 || parts[3] > 59 || parts[4] > 60) return std::nullopt;
  return sys_days(date) + hours(parts[2]) + minutes(parts[3]) + seconds(parts[4]);
}

// "261231235959Z,keyCompromise"; the reason may be followed by more, which is for CRLs only.
bool read_revocation(std::string_view text, pki::CertificateStatus& status) {
  const auto comma = text.find(',');
  const auto when = parse_time(text.substr(0, comma));
  if (!when) return false;
  status.revocation.when = *when;
  if (comma == std::string_view::npos) return true;
  text.remove_prefix(comma + 1);
  status.revocation.reason =
      parse_reason(text.substr(0, text.find(','))).value_or(pki::RevocationReason::unspecified);
  return true;
}

bool read_line(std::string_view line, CertificateIndex& index) {
  std::array<std::string_view, 4> fields;  // state, expiry, revocation, serial
  for (auto& field : fields) {
    const auto tab = line.find('\t');
    if (tab == std::string_view::npos) return false;
    field = line.substr(0, tab);
    line.remove_prefix(tab + 1);
  }
  const auto serial = parse_serial(std::string(fields[3]));
  if (!serial) return false;
  pki::CertificateStatus status{.state = pki::CertificateState::good};
  if (fields[0] == "R") {
    status.state = pki::CertificateState::revoked;
    if (!read_revocation(fields[2], status)) return false;
  } else if (fields[0] != "V" && fields[0] != "E") {
    return false;
  }
  index.insert_or_assign(*serial, status);
  return true;
}

}  // namespace

Outcome<CertificateIndex> parse_index(std::string_view text) {
  CertificateIndex index;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !read_line(line, index))
      return std::unexpected(fmt::format("line {} is none of an index of 'openssl ca'", number));
  }
  return index;
}

std::optional<pki::RevocationReason> parse_reason(std::string_view name) {
  const std::string wanted = plain(name);
  for (std::uint8_t number = 0; number <= kLastReason; ++number)
    if (plain(pki::name_of(pki::RevocationReason{number})) == wanted)
      return pki::RevocationReason{number};
  return std::nullopt;
}

}  // namespace culvert::cli
