// One run: from a seed, some gateways and tunnels, a time of faults and commands, a quiet time,
// the verdict, and an orderly end.
#pragma once

#include <optional>
#include <string_view>

#include "sim/world.h"

namespace culvert::sim {

// A deliberate fault by name; the check that must notice it.
struct NamedFault {
  std::string_view name;
  std::string_view caught_by;
  Sabotage sabotage;
};
const std::vector<NamedFault>& deliberate_faults();
const NamedFault* find_fault(std::string_view name);

struct RunOptions {
  std::uint64_t seed = 0;
  Sabotage sabotage;
  bool ladder = false;
  // One kept tunnel through many rekeys, while a fifth of all packets is lost, another comes twice,
  // another late.
  bool lifetime = false;
  // One tunnel that ends in many ways, which its actions answer.
  bool endings = false;
};

struct RunResult {
  std::uint64_t trace_hash = 0;
  std::vector<Violation> violations;
  std::vector<std::string> ladder;  // when asked for
  std::size_t hosts = 0, tunnels = 0;
  std::size_t delivered = 0;  // inner packets
  std::size_t kept_up = 0;    // children that had to be up after the faults, and were
  Duration simulated{};
};
RunResult run(const RunOptions& options);

}  // namespace culvert::sim
