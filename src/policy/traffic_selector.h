// Traffic selectors (RFC 7296, 3.13; RFC 4301, 4.4.1): parsing, narrowing, explaining.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"
#include "wire/v2/traffic_selector.h"

namespace culvert {

// A range of addresses with a protocol (0: any) and a range of ports. OPAQUE ports are start 65535,
// end 0. ICMP type and code stand in the ports (RFC 4301, 4.4.1.1).
struct TrafficSelector {
  IpAddress first, last;
  std::uint8_t protocol = 0;
  std::uint16_t start_port = 0;
  std::uint16_t end_port = 65'535;

  bool contains(const TrafficSelector& other) const;
  bool contains(const IpAddress& address, std::uint8_t ip_protocol, std::uint16_t port) const;
  bool operator==(const TrafficSelector&) const = default;
};

// As the operator wrote it: an address range, or "dynamic" (the IKE endpoint's own address, or the
// virtual one), each with protocol and ports.
struct SelectorConfig {
  bool dynamic = false;
  TrafficSelector selector;  // addresses unused when dynamic
  bool operator==(const SelectorConfig&) const = default;
};

// strongSwan's syntax: "10.1.0.0/16", "10.1.0.1-10.1.0.9", "10.1.0.0/16[tcp/80]",
// "[udp/1000-2000]", "dynamic", "dynamic[tcp/http]", "fec1::/16[/53]", "0.0.0.0/0[icmp]",
// "[tcp/opaque]".
std::optional<SelectorConfig> parse_selector(std::string_view text);
std::string to_string(
    const TrafficSelector& selector);  // as charon prints: "10.1.0.0/16[tcp/http]"
std::string to_string(const std::vector<TrafficSelector>& selectors);  // joined by spaces
std::string to_string(const SelectorConfig& selector);

// Selectors with every "dynamic" replaced by `host`, or by one for each of the hosts.
std::vector<TrafficSelector> resolve(const std::vector<SelectorConfig>& configs,
                                     const IpAddress& host);
std::vector<TrafficSelector> resolve(const std::vector<SelectorConfig>& configs,
                                     const std::vector<IpAddress>& hosts);

std::optional<TrafficSelector> intersect(const TrafficSelector& a, const TrafficSelector& b);
// All non-empty intersections, duplicates and contained ones removed; order of `theirs`, so that
// the selectors of the triggering packet stay first (RFC 7296, 2.9).
std::vector<TrafficSelector> narrow(const std::vector<TrafficSelector>& ours,
                                    const std::vector<TrafficSelector>& theirs);
// True when every one of `inner` lies within one of `outer`: the check on a responder's answer.
bool is_subset(const std::vector<TrafficSelector>& inner,
               const std::vector<TrafficSelector>& outer);

std::vector<TrafficSelector> from_wire(
    const wire::TrafficSelectors& payload);  // unknown types skipped
wire::TrafficSelectors to_wire(const std::vector<TrafficSelector>& selectors);

}  // namespace culvert
