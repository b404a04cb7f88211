// This machine as the router of its peers: source NAT, forwarding, and a TCP segment size that fits
// through the tunnel. A table of nftables of our own, put there by nft as a job beside the loop.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/gateway_rule.h"
#include "io/program.h"
#include "trace/event.h"

namespace culvert {

struct GatewayPlan {
  std::vector<config::GatewayRule> rules;
  std::string device;  // where packets enter tunnels; empty: the kernel's IPsec takes them
  bool operator==(const GatewayPlan&) const = default;
};

// Names of the table: one per daemon, so that two on one machine leave each other alone.
std::string gateway_table(const std::string& device);
// What nft is told: the table as it should be, in one transaction, whatever was there before.
std::string gateway_ruleset(const GatewayPlan& plan, const std::string& table);

class Gateway {
 public:
  using Emit = std::function<void(trace::Event&&)>;
  // `mark` is a file that exists while a table of ours may: one that a killed daemon left behind is
  // removed by the first apply().
  Gateway(io::EventLoop& loop, std::string mark, std::string table, Emit emit);

  // Puts the plan into effect, and takes back what was there before it.
  void apply(const GatewayPlan& plan);
  // Nothing runs for it.
  bool idle() const { return runner_.idle(); }

 private:
  void run_nft(const std::string& input, bool removes);
  void forward(const GatewayPlan& plan);
  void forward_family(Family family);
  void fail(const std::string& what, const std::string& outcome);

  std::string mark_, table_;
  Emit emit_;
  io::ProgramRunner runner_;
  GatewayPlan applied_;
  std::string last_line_;  // of what nft said
};

}  // namespace culvert
