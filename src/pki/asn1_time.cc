#include "pki/asn1_time.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/der.h"

namespace culvert::pki {
namespace {

constexpr std::uint8_t kUtcTime = 0x17, kGeneralizedTime = 0x18;

// The next two digits, which the caller has checked to be digits.
int two_digits(std::string_view& text) {
  const int value = (text[0] - '0') * 10 + (text[1] - '0');
  text.remove_prefix(2);
  return value;
}

}  // namespace

Result<std::chrono::sys_seconds> read_time(Reader& reader) {
  using namespace std::chrono;
  const Reader start = reader;
  const der::Element element = TRY(der::read(reader));
  const bool utc = element.tag == kUtcTime;
  std::string_view text = as_text(element.value);
  if ((!utc && element.tag != kGeneralizedTime) || text.size() != (utc ? 13u : 15u) ||
      text.back() != 'Z')
    return start.bad(Reason::bad_value);
  text.remove_suffix(1);
  if (!std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }))
    return start.bad(Reason::bad_value);
  int century = utc ? 0 : two_digits(text) * 100;
  const int years = two_digits(text);
  if (utc) century = years >= 50 ? 1900 : 2000;  // RFC 5280, 4.1.2.5.1
  const auto month_number = static_cast<unsigned>(two_digits(text));
  const auto day_number = static_cast<unsigned>(two_digits(text));
  const year_month_day date{year(century + years), month(month_number), day(day_number)};
  const int h = two_digits(text), m = two_digits(text), s = two_digits(text);
  if (!date.ok() || h > 23 || m > 59 || s > 59) return start.bad(Reason::bad_value);
  return sys_seconds(sys_days(date)) + hours(h) + minutes(m) + seconds(s);
}

std::string to_string(std::chrono::sys_seconds time) {
  using namespace std::chrono;
  const auto midnight = floor<days>(time);
  const year_month_day date(midnight);
  const hh_mm_ss clock(time - midnight);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace culvert::pki
