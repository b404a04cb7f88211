// The outbound policy database in the order of decision: narrower selectors win, then the lower
// priority, then the higher id: of two IKE SAs with one peer, the newer. Indexed by the prefixes of
// both addresses, so that a lookup costs as many hash probes as there are different pairs of prefix
// lengths, however many policies there are.
#pragma once

#include <functional>
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
  // The policy for a packet from `local` to `remote`, of those that `admits` says yes to.
  using Admits = std::function<bool(std::uint64_t value)>;
  std::optional<std::uint64_t> find(const PacketSide& local, const PacketSide& remote,
                                    const Admits& admits = nullptr) const;
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
    std::uint64_t age;  // ~value
    auto operator<=>(const Rank&) const = default;
  };
  struct Entry {
    Rank rank;
    CompiledSelector local, remote;
    std::uint64_t value;

    bool partial() const { return !rank.any_protocol || !local.any_port() || !remote.any_port(); }
  };
  // Prefix lengths of an entry; the longest remote ones first.
  struct Lengths {
    int remote, local;
    auto operator<=>(const Lengths&) const = default;
  };
  struct Key {
    Lengths lengths;
    Number remote, local;  // the prefixes' bits
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      constexpr std::uint64_t kOdd = 0x9e37'79b9'7f4a'7c15;
      std::uint64_t hash = static_cast<std::uint64_t>(key.lengths.remote) * 256 +
                           static_cast<std::uint64_t>(key.lengths.local);
      for (const Number number : {key.remote, key.local}) {
        hash = (hash ^ static_cast<std::uint64_t>(number)) * kOdd;
        hash = (hash ^ static_cast<std::uint64_t>(number >> 64) ^ (hash >> 32)) * kOdd;
      }
      return hash ^ (hash >> 29);
    }
  };
  using Bucket = std::vector<Entry>;  // by rank
  struct Table {
    std::map<Lengths, std::size_t, std::greater<>> shapes;  // with how many buckets
    std::unordered_map<Key, Bucket, KeyHash> buckets;
  };

  static Rank rank_of(const CompiledSelector& local, const CompiledSelector& remote,
                      std::uint32_t priority, std::uint64_t value);
  const Table& table(Family family) const { return family == Family::v4 ? v4_ : v6_; }
  Table& table(Family family) { return family == Family::v4 ? v4_ : v6_; }
  void insert_entry(const Entry& entry, Family family, const Key& key);
  const Bucket* bucket(const Lengths& lengths, const PacketSide& local,
                       const PacketSide& remote) const;

  Table v4_, v6_;
  struct Place {
    Family family;
    Key key;
  };
  std::unordered_map<std::uint64_t, std::vector<Place>> places_;
};

}  // namespace culvert::esp
