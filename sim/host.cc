#include "sim/host.h"

namespace culvert::sim {
namespace {

constexpr std::int64_t kMillion = 1'000'000;

}  // namespace

TimePoint HostClock::local(TimePoint world) const {
  const auto elapsed = static_cast<__int128>(world.time_since_epoch().count());
  return start_ + Duration(static_cast<std::int64_t>(elapsed * (kMillion + drift_ppm_) / kMillion));
}

TimePoint HostClock::world(TimePoint local) const {
  if (local == kNever) return kNever;
  if (local <= start_) return TimePoint{};
  const auto wanted = static_cast<__int128>((local - start_).count());
  const std::int64_t rate = kMillion + drift_ppm_;
  return TimePoint(Duration(static_cast<std::int64_t>((wanted * kMillion + rate - 1) / rate)));
}

}  // namespace culvert::sim
