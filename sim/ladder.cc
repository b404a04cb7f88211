#include "sim/ladder.h"

#include <fmt/format.h>

#include <algorithm>

namespace culvert::sim {
namespace {

constexpr std::size_t kTimeWidth = 12;
constexpr std::size_t kColumn = 16;  // from one lifeline to the next

std::size_t lifeline(std::size_t host) { return kTimeWidth + 3 + host * kColumn; }

std::string blank(std::size_t hosts) {
  std::string line(lifeline(hosts - 1) + 3, ' ');
  for (std::size_t host = 0; host < hosts; ++host) line[lifeline(host)] = '|';
  return line;
}

// An arrow that starts at the sender's lifeline. Messages take time, so it stops short of the
// receiver's; the arrival is drawn when it happens.
void draw_arrow(std::string& line, std::size_t from, std::size_t to) {
  const std::size_t start = lifeline(from), end = lifeline(to);
  if (start < end) {
    std::fill(line.begin() + static_cast<long>(start) + 1,
              line.begin() + static_cast<long>(end) - 1, '-');
    line[end - 1] = '>';
  } else if (end < start) {
    std::fill(line.begin() + static_cast<long>(end) + 2, line.begin() + static_cast<long>(start),
              '-');
    line[end + 1] = '<';
  } else {
    line.replace(start + 1, 3, "-->");
  }
}

char mark_of(Step::Kind kind) { return kind == Step::Kind::arrived ? '*' : 'o'; }

}  // namespace

std::vector<std::string> draw_ladder(const std::vector<std::string>& names,
                                     const std::vector<Step>& steps) {
  std::vector<std::string> lines;
  if (names.empty()) return lines;
  std::string heading(lifeline(names.size() - 1) + kColumn, ' ');
  for (std::size_t host = 0; host < names.size(); ++host)
    heading.replace(lifeline(host) - 2, names[host].size(), names[host]);
  lines.push_back(std::move(heading));
  for (const Step& step : steps) {
    std::string line = blank(names.size());
    const double seconds = std::chrono::duration<double>(step.at.time_since_epoch()).count();
    line.replace(0, kTimeWidth, fmt::format("{:>{}.6f}", seconds, kTimeWidth));
    if (step.kind == Step::Kind::sent)
      draw_arrow(line, step.host, step.peer);
    else
      line[lifeline(step.host)] = mark_of(step.kind);
    lines.push_back(line + step.text);
  }
  return lines;
}

}  // namespace culvert::sim
