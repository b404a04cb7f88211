// Routes into the TUN device for what policies protect, and the rules that lead there.
#pragma once

#include <map>
#include <unordered_map>

#include "base/strong_id.h"
#include "esp/netlink.h"
#include "esp/own_addresses.h"
#include "ipsec/operations.h"

namespace culvert::esp {

struct RouteOptions {
  std::uint32_t table = 0, rule_priority = 0, mark = 0;
  unsigned device = 0;
};

class RouteTable {
 public:
  // Removes what a crashed predecessor left behind and adds the rules. The error is a sentence; a
  // host without IPv6 is none.
  static std::expected<std::unique_ptr<RouteTable>, std::string> make(const RouteOptions& options);
  ~RouteTable();
  RouteTable(const RouteTable&) = delete;
  RouteTable& operator=(const RouteTable&) = delete;

  // Routes for the policy's remote selectors; routes that policies share are counted. Errors:
  // system, when the kernel refused one (those that stood before are taken back).
  Result<> add(const InstallPolicy& policy) { return add(policy, {options_.device, {}}); }
  Result<> add(const InstallPolicy& policy, const Netlink::NextHop& through);
  void remove(PolicyId policy);
  std::size_t size() const { return uses_.size(); }
  // The way of packets that our routes do not lead.
  std::optional<Netlink::NextHop> next_hop(const IpAddress& to) {
    return netlink_.next_hop(to, options_.mark);
  }

 private:
  RouteTable(Netlink netlink, const RouteOptions& options)
      : netlink_(std::move(netlink)), options_(options) {}

  struct Use {
    std::size_t through = 0, thrown = 0;  // policies that want it so
  };
  int place(Route route);
  int acquire(const Route& route);
  void release(const Prefix& prefix, Route::Kind kind);
  bool family_present(Family family) const { return family == Family::v4 || has_v6_; }

  struct Held {
    std::vector<Prefix> prefixes;
    Route::Kind kind;
  };
  Netlink netlink_;
  OwnAddresses own_addresses_;  // for the preferred source
  RouteOptions options_;
  bool has_v6_ = true;
  std::map<Prefix, Use> uses_;
  std::unordered_map<PolicyId, Held> policies_;
};

// The fewest prefixes that cover the addresses of all selectors of one family or both, each once.
std::vector<Prefix> prefixes_of(const std::vector<TrafficSelector>& selectors);

}  // namespace culvert::esp
