// Pools of addresses for peers, as the operator wants them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"

namespace culvert {

struct AddressRange {  // of one family
  IpAddress first, last;
  bool contains(const IpAddress& address) const {
    return address.family() == first.family() && first <= address && address <= last;
  }
  bool overlaps(const AddressRange& other) const {
    return first.family() == other.first.family() && first <= other.last && other.first <= last;
  }
  // 2^64 - 1 stands for that many and more.
  std::uint64_t size() const;
  bool operator==(const AddressRange&) const = default;
};

// "10.9.0.0/24", "10.9.0.10-10.9.0.20", "10.9.0.7". Of a prefix with more than two addresses the
// first and the last one are left out: routers and hosts may take them for something else.
std::optional<AddressRange> parse_address_range(std::string_view text);

// What a peer learns along with its addresses.
struct HostSettings {
  std::vector<IpAddress> dns, nbns, p_cscf;
  std::vector<Prefix> subnets;       // behind the gateway
  std::vector<std::string> domains;  // for these names only, DNS is asked (RFC 8598)
  // Adds what is not there yet.
  void merge(const HostSettings& other);
  bool operator==(const HostSettings&) const = default;
};
// "corp.example.org", fit for resolv.conf and the wire; nothing else.
bool is_domain(std::string_view text);

struct PoolConfig {
  std::string name;
  std::vector<AddressRange> ranges;
  HostSettings settings;
  std::map<std::string, std::vector<IpAddress>> fixed;  // by identity; within the ranges
  bool contains(const IpAddress& address) const;
  bool operator==(const PoolConfig&) const = default;
};
using PoolRef = std::shared_ptr<const PoolConfig>;

}  // namespace culvert
