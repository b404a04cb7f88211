// The only source of chance in the simulator: one 64-bit seed, SplitMix64.
// Invariant: equal seeds give equal sequences on every machine.
#pragma once

#include <cstdint>
#include <iterator>

#include "base/bytes.h"
#include "base/time.h"

namespace culvert::sim {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // 0 to bound - 1; bound is not 0.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  // low to high, both included.
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    return low + below(high - low + 1);
  }
  Duration between(Duration low, Duration high) {
    return low + Duration(static_cast<Duration::rep>(
                     below(static_cast<std::uint64_t>((high - low).count()) + 1)));
  }
  bool percent(std::uint64_t chance) { return below(100) < chance; }
  bool per_mille(std::uint64_t chance) { return below(1'000) < chance; }
  void fill(MutableBytes out) {
    for (std::uint8_t& octet : out) octet = static_cast<std::uint8_t>(next() >> 56);
  }
  template <class Range>
  auto& pick(Range& range) {
    return range[below(std::size(range))];
  }
  // An independent sequence, so that one consumer does not shift another's.
  Random fork() { return Random(next()); }

 private:
  std::uint64_t state_;
};

}  // namespace culvert::sim
