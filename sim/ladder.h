// The exchange as people draw it: one lifeline per host, an arrow per message.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"

namespace culvert::sim {

struct Step {
  enum class Kind : std::uint8_t { sent, arrived, told } kind = Kind::told;
  TimePoint at;
  std::size_t host = 0;
  std::size_t peer = 0;  // of sent and arrived; the host itself when the peer is nobody
  std::string text;
};

// Lines without line feeds, a heading first. `names` are the hosts', shorter than 14 characters.
std::vector<std::string> draw_ladder(const std::vector<std::string>& names,
                                     const std::vector<Step>& steps);

}  // namespace culvert::sim
