// Invariant: nothing is ever widened: what can't be said exactly is refused.
#include "xfrm/selectors.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace culvert::xfrm {
namespace {

struct Ports {
  std::uint16_t port = 0, mask = 0;
};

// The fewest aligned blocks that make up first..last.
std::vector<Ports> cover_ports(std::uint32_t first, std::uint32_t last) {
  std::vector<Ports> blocks;
  while (first <= last) {
    std::uint32_t size = first == 0 ? 65'536 : first & -first;
    while (first + size - 1 > last) size /= 2;
    blocks.push_back(
        {static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(65'536 - size)});
    first += size;
  }
  return blocks;
}

bool is_any_port(const TrafficSelector& selector) {
  return selector.start_port == 0 && selector.end_port == 65'535;
}

bool is_icmp(std::uint8_t protocol) {
  return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

// RFC 4301, 4.4.1.1: type and code stand in the port; the kernel has the type as source port
// and the code as destination port, whichever way the packet goes.
std::expected<std::pair<Ports, Ports>, std::string> type_and_code(const TrafficSelector& local,
                                                                  const TrafficSelector& remote) {
  const TrafficSelector& told = is_any_port(local) ? remote : local;
  if (is_any_port(told)) return std::pair<Ports, Ports>{};
  const auto first = told.start_port, last = told.end_port;
  const Ports type{static_cast<std::uint16_t>(first >> 8), 0xffff};
  if (first == last) return std::pair(type, Ports{static_cast<std::uint16_t>(first & 255), 0xffff});
  if ((first & 255) == 0 && last == first + 255) return std::pair(type, Ports{});
  return std::unexpected(fmt::format(
      "the kernel can't match the range of ICMP types in {}; give one type", to_string(told)));
}

void append_pairs(const TrafficSelector& local, const TrafficSelector& remote,
                  std::uint8_t protocol, const std::vector<Ports>& sources,
                  const std::vector<Ports>& destinations, std::vector<Selector>& to) {
  for (const Prefix& source : cover(local.first, local.last))
    for (const Prefix& destination : cover(remote.first, remote.last))
      for (const Ports& from : sources)
        for (const Ports& into : destinations) {
          if (to.size() > kMaxSelectors) return;
          to.push_back({source, destination, protocol, from.port, from.mask, into.port, into.mask});
        }
}

std::expected<void, std::string> append(const TrafficSelector& local, const TrafficSelector& remote,
                                        std::vector<Selector>& to) {
  if (local.first.is_none() || local.first.family() != remote.first.family()) return {};
  // Selectors of different protocols have nothing in common; one without takes the other's.
  if (local.protocol != 0 && remote.protocol != 0 && local.protocol != remote.protocol) return {};
  const std::uint8_t protocol = local.protocol != 0 ? local.protocol : remote.protocol;
  for (const TrafficSelector* one : {&local, &remote})
    if (one->start_port > one->end_port)
      return std::unexpected(
          fmt::format("the kernel can't match OPAQUE ports ({})", to_string(*one)));
  if (is_icmp(protocol)) {
    const auto ports = type_and_code(local, remote);
    if (!ports) return std::unexpected(ports.error());
    append_pairs(local, remote, protocol, {ports->first}, {ports->second}, to);
  } else {
    append_pairs(local, remote, protocol, cover_ports(local.start_port, local.end_port),
                 cover_ports(remote.start_port, remote.end_port), to);
  }
  return {};
}

}  // namespace

Selector Selector::reversed() const {
  Selector other = *this;
  std::swap(other.source, other.destination);
  if (is_icmp(protocol)) return other;
  std::swap(other.source_port, other.destination_port);
  std::swap(other.source_mask, other.destination_mask);
  return other;
}

std::expected<std::vector<Selector>, std::string> selectors_of(
    const std::vector<TrafficSelector>& local, const std::vector<TrafficSelector>& remote) {
  std::vector<Selector> selectors;
  for (const TrafficSelector& from : local)
    for (const TrafficSelector& to : remote) {
      if (auto appended = append(from, to, selectors); !appended)
        return std::unexpected(std::move(appended.error()));
      if (selectors.size() > kMaxSelectors)
        return std::unexpected(fmt::format(
            "these selectors need more than {} kernel policies; use prefixes instead of ranges",
            kMaxSelectors));
    }
  std::ranges::sort(selectors);
  selectors.erase(std::unique(selectors.begin(), selectors.end()), selectors.end());
  return selectors;
}

std::uint32_t kernel_priority(const Selector& selector, std::uint32_t priority) {
  const unsigned prefixes = selector.source.length + selector.destination.length;  // 0 to 256
  const int ports =
      std::popcount(selector.source_mask) + std::popcount(selector.destination_mask);  // 0 to 32
  const unsigned narrow =
      prefixes << 7 | (selector.protocol != 0 ? 64u : 0u) | static_cast<unsigned>(ports);
  return (0xffffu - narrow) << 16 | std::min<std::uint32_t>(priority, 0xffff);
}

}  // namespace culvert::xfrm
