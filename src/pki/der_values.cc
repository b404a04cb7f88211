// Owns the contents octets of the types: shortest integers, named bits, times.
#include "pki/der_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

namespace culvert::der {
namespace {

constexpr std::uint8_t kBoolean = 0x01, kUtcTime = 0x17, kGeneralizedTime = 0x18;

// Parts of the calendar, with the year kept within what four digits can say.
struct Calendar {
  explicit Calendar(std::chrono::sys_seconds when) {
    using namespace std::chrono;
    const sys_seconds first = sys_days(std::chrono::year(0) / January / 1);
    const sys_seconds end = sys_days(std::chrono::year(10'000) / January / 1);
    when = std::clamp(when, first, end - 1s);
    const auto day = floor<days>(when);
    date = year_month_day(day);
    time = hh_mm_ss<seconds>(when - day);
  }
  int year() const { return int{date.year()}; }
  std::string text() const {  // without the year
    return fmt::format("{:02}{:02}{:02}{:02}{:02}Z", unsigned{date.month()}, unsigned{date.day()},
                       time.hours().count(), time.minutes().count(), time.seconds().count());
  }
  std::chrono::year_month_day date;
  std::chrono::hh_mm_ss<std::chrono::seconds> time;
};

void append_base128(Bytes& out, std::uint32_t value) {
  std::array<std::uint8_t, 5> digits{};
  std::size_t count = 0;
  do {
    digits[count++] = static_cast<std::uint8_t>(value & 0x7f);
    value >>= 7;
  } while (value != 0);
  while (count-- > 0)
    out.push_back(static_cast<std::uint8_t>(digits[count] | (count != 0 ? 0x80 : 0)));
}

}  // namespace

Bytes sequence(std::initializer_list<ByteView> elements) { return element(kSequence, elements); }

Bytes set_of(ByteView one) { return element(kSet, {one}); }

Bytes boolean(bool value) {
  const std::uint8_t octet = value ? 0xff : 0x00;
  return element(kBoolean, {ByteView(&octet, 1)});
}

Bytes integer(std::uint64_t value) {
  std::array<std::uint8_t, 8> octets{};
  store_be(octets.data(), value);
  return integer(ByteView(octets));
}

Bytes integer(ByteView octets) {
  while (!octets.empty() && octets.front() == 0) octets = octets.subspan(1);
  Bytes contents;
  if (octets.empty() || octets.front() >= 0x80) contents.push_back(0);
  append(contents, octets);
  return element(kInteger, {contents});
}

Bytes enumerated(std::uint8_t value) { return element(kEnumerated, {ByteView(&value, 1)}); }

Bytes octet_string(ByteView octets) { return element(kOctetString, {octets}); }

Bytes bit_string(ByteView octets) {
  Bytes contents{0};
  append(contents, octets);
  return element(kBitString, {contents});
}

Bytes named_bits(std::uint16_t bits) {
  Bytes contents{0};
  for (unsigned first = 0; bits >> first != 0; first += 8) {
    std::uint8_t octet = 0;
    for (unsigned i = 0; i < 8; ++i)
      if ((bits >> (first + i) & 1) != 0) octet |= static_cast<std::uint8_t>(0x80 >> i);
    contents.push_back(octet);
  }
  if (contents.size() > 1)
    while ((contents.back() >> contents[0] & 1) == 0) ++contents[0];
  return element(kBitString, {contents});
}

Bytes utf8_string(std::string_view text) { return element(kUtf8String, {as_bytes(text)}); }

Bytes oid(std::string_view contents) { return element(kOid, {as_bytes(contents)}); }

std::optional<Bytes> oid_from_text(std::string_view dotted) {
  constexpr std::size_t kMaxArcs = 64;
  std::vector<std::uint32_t> arcs;
  for (const char *at = dotted.data(), *const end = at + dotted.size();;) {
    std::uint32_t arc = 0;
    const auto [next, error] = std::from_chars(at, end, arc);
    if (error != std::errc{} || arcs.size() == kMaxArcs) return std::nullopt;
    arcs.push_back(arc);
    if (next == end) break;
    if (*next != '.') return std::nullopt;
    at = next + 1;
  }
  // X.690, 8.19.4: the first two arcs share a subidentifier.
  if (arcs.size() < 2 || arcs[0] > 2 || (arcs[0] < 2 && arcs[1] > 39)) return std::nullopt;
  if (arcs[1] > UINT32_MAX - 80) return std::nullopt;
  Bytes contents;
  append_base128(contents, arcs[0] * 40 + arcs[1]);
  for (std::size_t i = 2; i < arcs.size(); ++i) append_base128(contents, arcs[i]);
  return element(kOid, {contents});
}

Bytes time(std::chrono::sys_seconds when) {
  const Calendar calendar(when);
  if (calendar.year() < 1950 || calendar.year() > 2049) return generalized_time(when);
  return element(kUtcTime,
                 {as_bytes(fmt::format("{:02}{}", calendar.year() % 100, calendar.text()))});
}

Bytes generalized_time(std::chrono::sys_seconds when) {
  const Calendar calendar(when);
  return element(kGeneralizedTime,
                 {as_bytes(fmt::format("{:04}{}", calendar.year(), calendar.text()))});
}

}  // namespace culvert::der
