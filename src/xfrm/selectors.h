// Traffic selectors as the kernel has them: prefixes and masked ports instead of ranges.
#pragma once

#include <compare>
#include <expected>
#include <string>
#include <vector>

#include "policy/traffic_selector.h"

namespace culvert::xfrm {

struct Selector {
  Prefix source, destination;
  std::uint8_t protocol = 0;
  std::uint16_t source_port = 0, source_mask = 0;
  std::uint16_t destination_port = 0, destination_mask = 0;
  int interface = 0;  // index; zero: any
  constexpr auto operator<=>(const Selector&) const = default;

  Selector reversed() const;
};

// So many kernel policies may one policy of ours become in one direction.
inline constexpr std::size_t kMaxSelectors = 512;

// The selectors that together match exactly what goes from `local` to `remote`. The error is a
// sentence: too many, or something that the kernel cannot say.
std::expected<std::vector<Selector>, std::string> selectors_of(
    const std::vector<TrafficSelector>& local, const std::vector<TrafficSelector>& remote);

// The kernel takes the policy with the lowest number; ours are ordered by how narrow their
// selectors are, and then by `priority`.
std::uint32_t kernel_priority(const Selector& selector, std::uint32_t priority);

}  // namespace culvert::xfrm
