// Time as a value. Nothing above the purity line can ask what time it is: it is told.
#pragma once

#include <chrono>
#include <cstdint>

namespace culvert {

using Duration = std::chrono::nanoseconds;

// Monotonic time since an origin that only the event loop (or the simulator) knows.
struct MonotonicTag {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicTag>;
  static constexpr bool is_steady = true;
};
using TimePoint = MonotonicTag::time_point;

inline constexpr TimePoint kNever = TimePoint::max();

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""us;
using std::chrono_literals::operator""ns;

}  // namespace culvert
