// The outbound policy database in the order of decision: narrower selectors win, then the lower
// priority, then the lower id. Indexed by the remote address's prefixes, so that a lookup costs as
// many hash probes as there are different prefix lengths, however many policies there are.
#pragma once

#include <map>
#include <unordered_map>

#include "esp/selectors.h"

namespace culvert::esp {

class PolicyIndex {
 public:
  // `value` is handed back by find(); it names the policy, and is unique.
  void insert(std::uint64_t value, const std::vector<TrafficSelector>& local,
              const std::vector<TrafficSelector>& remote, std::uint32_t priority);
  bool erase(std::uint64_t value);
  // The policy for a packet from `local` to `remote`.
  std::optional<std::uint64_t> find(const PacketSide& local, const PacketSide& remote) const;
  // Whether an entry covers both addresses and admits some protocols or ports only. Costs more than
  // find(): to be asked of rare packets.
  bool partly_covers(const PacketSide& local, const PacketSide& remote) const;

 private:
  // Narrower first: the fewer remote addresses, then local ones, then a protocol, then ports.
  struct Rank {
    Number remote_width, local_width;
    bool any_protocol;
    std::uint16_t remote_ports, local_ports;
    std::uint32_t priority;
    std::uint64_t value;
    auto operator<=>(const Rank&) const = default;
  };
  struct Entry {
    Rank rank;
    CompiledSelector local, remote;

    bool partial() const { return !rank.any_protocol || !local.any_port() || !remote.any_port(); }
  };
  struct NumberHash {
    std::size_t operator()(Number number) const {
      return (static_cast<std::uint64_t>(number) ^ static_cast<std::uint64_t>(number >> 64)) *
             0x9e37'79b9'7f4a'7c15;
    }
  };
  using Bucket = std::vector<Entry>;  // by rank
  // One level a prefix length, longest first; keys are the prefix's bits.
  using Levels = std::map<int, std::unordered_map<Number, Bucket, NumberHash>, std::greater<int>>;

  static Rank rank_of(const CompiledSelector& local, const CompiledSelector& remote,
                      std::uint32_t priority, std::uint64_t value);
  const Levels& levels(Family family) const { return family == Family::v4 ? v4_ : v6_; }
  void insert_entry(const Entry& entry, const Prefix& prefix);

  Levels v4_, v6_;
  struct Place {
    Family family;
    int length;
    Number key;
  };
  std::unordered_map<std::uint64_t, std::vector<Place>> places_;
};

}  // namespace culvert::esp
