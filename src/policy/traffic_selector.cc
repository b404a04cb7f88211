// Owns the arithmetic of traffic selectors; their text is in selector_text.cc.
// Invariant: what narrow() returns lies within both of its arguments.
#include "policy/traffic_selector.h"

#include <algorithm>
#include <array>

#include "base/limits.h"

namespace culvert {
namespace {

constexpr std::uint16_t kMaxPort = 65'535;

struct Ports {
  std::uint16_t start, end;
  bool any() const { return start == 0 && end == kMaxPort; }
  bool opaque() const { return start == kMaxPort && end == 0; }
};
Ports ports_of(const TrafficSelector& selector) { return {selector.start_port, selector.end_port}; }

// RFC 4301, 4.4.1.1: ANY includes OPAQUE, a range of ports does not.
std::optional<Ports> intersect(const Ports& a, const Ports& b) {
  if (a.any()) return b;
  if (b.any()) return a;
  if (a.opaque() || b.opaque()) return a.opaque() && b.opaque() ? std::optional(a) : std::nullopt;
  const Ports both{std::max(a.start, b.start), std::min(a.end, b.end)};
  return both.start <= both.end ? std::optional(both) : std::nullopt;
}

// Protocols whose packets carry what a selector has in its ports: ports, ICMP type and code, MH
// type.
bool has_ports(std::uint8_t protocol) {
  constexpr std::array<std::uint8_t, 8> kProtocols = {1, 6, 17, 33, 58, 132, 135, 136};
  return std::ranges::find(kProtocols, protocol) != kProtocols.end();
}

// Adds `selector` unless the list covers it; takes out what it covers itself.
void add_maximal(std::vector<TrafficSelector>& list, const TrafficSelector& selector) {
  const auto covers = [&](const TrafficSelector& other) { return other.contains(selector); };
  if (std::ranges::any_of(list, covers)) return;
  const auto covered = [&](const TrafficSelector& other) { return selector.contains(other); };
  const auto place = std::ranges::find_if(list, covered);
  if (place == list.end()) {
    list.push_back(selector);
    return;
  }
  *place = selector;
  list.erase(std::remove_if(place + 1, list.end(), covered), list.end());
}

}  // namespace

bool TrafficSelector::contains(const TrafficSelector& other) const {
  return culvert::intersect(*this, other) == other;
}

bool TrafficSelector::contains(const IpAddress& address, std::uint8_t ip_protocol,
                               std::uint16_t port) const {
  if (address.family() != first.family() || address < first || last < address) return false;
  if (protocol != 0 && protocol != ip_protocol) return false;
  const Ports ports = ports_of(*this);
  if (ports.any()) return true;
  if (!has_ports(ip_protocol)) return ports.opaque();
  return ports.start <= port && port <= ports.end;
}

std::optional<TrafficSelector> intersect(const TrafficSelector& a, const TrafficSelector& b) {
  if (a.first.family() != b.first.family()) return std::nullopt;
  if (a.protocol != b.protocol && a.protocol != 0 && b.protocol != 0) return std::nullopt;
  const auto ports = intersect(ports_of(a), ports_of(b));
  if (!ports) return std::nullopt;
  const TrafficSelector both{.first = std::max(a.first, b.first),
                             .last = std::min(a.last, b.last),
                             .protocol = std::max(a.protocol, b.protocol),
                             .start_port = ports->start,
                             .end_port = ports->end};
  return both.first <= both.last ? std::optional(both) : std::nullopt;
}

std::vector<TrafficSelector> narrow(const std::vector<TrafficSelector>& ours,
                                    const std::vector<TrafficSelector>& theirs) {
  std::vector<TrafficSelector> narrowed;
  for (const auto& their : theirs) {
    for (const auto& our : ours) {
      // No payload carries more, and a peer must not make us compute more.
      if (narrowed.size() == limits::kMaxSelectors) return narrowed;
      if (const auto both = intersect(our, their)) add_maximal(narrowed, *both);
    }
  }
  return narrowed;
}

bool is_subset(const std::vector<TrafficSelector>& inner,
               const std::vector<TrafficSelector>& outer) {
  return std::ranges::all_of(inner, [&](const TrafficSelector& selector) {
    return std::ranges::any_of(
        outer, [&](const TrafficSelector& wider) { return wider.contains(selector); });
  });
}

std::vector<TrafficSelector> resolve(const std::vector<SelectorConfig>& configs,
                                     const IpAddress& host) {
  return resolve(configs, std::vector<IpAddress>{host});
}

std::vector<TrafficSelector> resolve(const std::vector<SelectorConfig>& configs,
                                     const std::vector<IpAddress>& hosts) {
  std::vector<TrafficSelector> selectors;
  for (const auto& config : configs) {
    TrafficSelector selector = config.selector;
    if (!config.dynamic) selectors.push_back(selector);
    for (const IpAddress& host : hosts) {
      if (!config.dynamic || host.is_none()) continue;
      selector.first = host;
      // An endpoint that is not known yet may have any address.
      selector.last = host.is_unspecified() ? IpAddress::max(host.family()) : host;
      selectors.push_back(selector);
    }
  }
  return selectors;
}

std::vector<TrafficSelector> from_wire(const wire::TrafficSelectors& payload) {
  std::vector<TrafficSelector> selectors;
  for (const auto& selector : payload.selectors)
    if (selector.is_address_range())
      selectors.push_back({selector.first, selector.last, selector.ip_protocol, selector.start_port,
                           selector.end_port});
  return selectors;
}

wire::TrafficSelectors to_wire(const std::vector<TrafficSelector>& selectors) {
  wire::TrafficSelectors payload;
  for (const auto& selector : selectors) {
    if (payload.selectors.size() == limits::kMaxSelectors) break;
    payload.selectors.push_back(
        {.type = selector.first.is_v6() ? wire::TsType::ipv6 : wire::TsType::ipv4,
         .ip_protocol = selector.protocol,
         .start_port = selector.start_port,
         .end_port = selector.end_port,
         .first = selector.first,
         .last = selector.last});
  }
  return payload;
}

}  // namespace culvert
