// sim SEED [--ladder] [--runs N] [--lifetimes | --endings] [--fault NAME]: simulated runs from a
// seed, with their verdict.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstring>
#include <optional>

#include "sim/scenario.h"

namespace culvert::sim {
namespace {

struct Arguments {
  std::uint64_t seed = 0, runs = 1;
  bool ladder = false, lifetimes = false, endings = false;
  const NamedFault* fault = nullptr;
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Arguments> parse(int argc, char** argv) {
  Arguments arguments;
  bool seeded = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const std::string_view next = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--ladder") {
      arguments.ladder = true;
    } else if (word == "--lifetimes") {
      arguments.lifetimes = true;
    } else if (word == "--endings") {
      arguments.endings = true;
    } else if (word == "--runs" && number(next)) {
      arguments.runs = *number(next);
      ++i;
    } else if (word == "--fault" && find_fault(next)) {
      arguments.fault = find_fault(next);
      ++i;
    } else if (!seeded && number(word)) {
      arguments.seed = *number(word);
      seeded = true;
    } else {
      return std::nullopt;
    }
  }
  return seeded ? std::optional(arguments) : std::nullopt;
}

int usage() {
  std::string names;
  for (const NamedFault& fault : deliberate_faults()) names += fmt::format(" {}", fault.name);
  fmt::print(stderr,
             "usage: sim SEED [--ladder] [--runs N] [--lifetimes | --endings] [--fault NAME]\n"
             "  runs the simulated world from SEED (then SEED+1 … for N runs) and checks it\n"
             "  --ladder  prints every message of a run\n"
             "  --lifetimes  each run is a tunnel's life on a link that loses, repeats and "
             "reorders\n"
             "  --endings    each run is a tunnel that ends in many ways and has actions for that\n"
             "  --fault   breaks something on purpose:{}\n",
             names);
  return 2;
}

void print(std::uint64_t seed, const RunResult& result) {
  for (const std::string& line : result.ladder) fmt::print("{}\n", line);
  for (const Violation& violation : result.violations)
    fmt::print("seed {}: VIOLATION at {:.6f} s: {}: {}\n", seed,
               std::chrono::duration<double>(violation.at.time_since_epoch()).count(),
               violation.check, violation.text);
}

int run_all(const Arguments& arguments) {
  std::uint64_t bad = 0, kept_up = 0, delivered = 0;
  double hours = 0;
  ToyHash traces;
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < arguments.runs; ++i) {
    RunOptions options{
        arguments.seed + i, {}, arguments.ladder, arguments.lifetimes, arguments.endings};
    if (arguments.fault) options.sabotage = arguments.fault->sabotage;
    const RunResult result = run(options);
    print(options.seed, result);
    traces.add(result.trace_hash);
    bad += !result.violations.empty();
    kept_up += result.kept_up;
    delivered += result.delivered;
    hours += std::chrono::duration<double>(result.simulated).count() / 3'600;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  fmt::print(
      "{} run(s) from seed {}: {} with violations; {} tunnels kept up, {} packets delivered, "
      "{:.0f} simulated hours in {:.1f} s; trace {:016x}\n",
      arguments.runs, arguments.seed, bad, kept_up, delivered, hours, took.count(), traces.value());
  return bad == 0 ? 0 : 1;
}

}  // namespace
}  // namespace culvert::sim

int main(int argc, char** argv) {
  const auto arguments = culvert::sim::parse(argc, argv);
  return arguments ? culvert::sim::run_all(*arguments) : culvert::sim::usage();
}
