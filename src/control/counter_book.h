// How often what happened on each connection's IKE SAs: strongSwan's counters, by its names.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>

#include "shard/output.h"
#include "trace/event.h"

namespace culvert::control {

class CounterBook {
 public:
  static constexpr std::array<std::string_view, 21> kNames = {
      "ike-rekey-init",        "ike-rekey-resp",
      "child-rekey",           "invalid",
      "invalid-spi",           "ike-init-in-req",
      "ike-init-in-resp",      "ike-init-out-req",
      "ike-init-out-resp",     "ike-auth-in-req",
      "ike-auth-in-resp",      "ike-auth-out-req",
      "ike-auth-out-resp",     "create-child-in-req",
      "create-child-in-resp",  "create-child-out-req",
      "create-child-out-resp", "info-in-req",
      "info-in-resp",          "info-out-req",
      "info-out-resp"};
  using Counts = std::array<std::uint64_t, kNames.size()>;

  void record(const trace::Event& event);
  void record(const SaNews& news);

  const Counts& total() const { return total_; }
  // Of the connections that something was counted for.
  const std::map<std::string, Counts>& by_connection() const { return by_connection_; }
  const Counts* find(const std::string& connection) const;
  void reset() { total_ = {}; }
  void reset_connections() { by_connection_.clear(); }
  void forget(const std::string& connection) { by_connection_.erase(connection); }

 private:
  void count(std::size_t counter, const std::string& connection);

  Counts total_{};
  // Bounded by the configuration: names of connections that are loaded, or were.
  std::map<std::string, Counts> by_connection_;
};

}  // namespace culvert::control
