// The daemon's log on standard error: one line per event, as text or as a JSON object.
#pragma once

#include <spdlog/spdlog.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "trace/event.h"

namespace culvert {

// "error", "warning", "info", "debug", "trace"; nullopt for other words.
std::optional<trace::Level> parse_log_level(std::string_view text);

// Lets so many events of one kind through per second. Strangers can cause events without end; they
// must not fill a disk, nor keep the control thread busy with words.
class EventRate {
 public:
  static constexpr unsigned kPerSecond = 100;
  // False: this one is too many.
  bool admit(const trace::Event& event, std::chrono::steady_clock::time_point now);
  // How many were refused since the last call.
  std::uint64_t take_refused() { return std::exchange(refused_, 0); }

 private:
  std::array<unsigned, std::variant_size_v<trace::Body>> counts_{};
  std::chrono::steady_clock::time_point window_{};
  std::uint64_t refused_ = 0;
};

class EventLog {
 public:
  EventLog();
  void configure(trace::Level level, bool json);
  // For tests: lines go to `sink`.
  explicit EventLog(spdlog::sink_ptr sink);

  void write(const trace::Event& event);
  void write(trace::Level level, const std::string& text);

 private:
  spdlog::logger logger_;
  bool json_ = false;
};

}  // namespace culvert
