// The IKE SAs that peers have begun and not finished, by age and by source, and the sources whose
// attempts come to nothing. Invariant: what it holds is bounded by the half-open IKE SAs and by
// limits::kMaxFailingSources.
#pragma once

#include <unordered_map>

#include "base/slab.h"
#include "base/time.h"
#include "net/address.h"

namespace culvert {

namespace ikev2 {
struct IkeSa;
}

// Whom budgets are for: an IPv4 address, or the /64 that an IPv6 host can choose its address from.
IpAddress source_of(const IpAddress& address);

class HalfOpenTable {
 public:
  using SaHandle = Handle<ikev2::IkeSa>;
  struct Key {
    std::uint64_t spi_i;
    Endpoint peer;
    bool operator==(const Key&) const = default;
  };

  // The seed keeps peers, who choose the keys, from choosing the buckets.
  explicit HalfOpenTable(std::uint64_t seed)
      : by_key_(0, KeyHash{seed}), by_source_(0, AddressHash{seed}) {}

  std::size_t size() const { return by_key_.size(); }
  std::size_t size_of(const IpAddress& source) const;
  SaHandle find(const Key& key) const;  // null: none
  // Null when there is none.
  SaHandle oldest() const { return by_age_.oldest ? by_age_.oldest->sa : SaHandle{}; }
  SaHandle oldest_of(const IpAddress& source) const;
  void add(const Key& key, SaHandle sa);
  // True when it was there.
  bool remove(const Key& key, SaHandle sa);

 private:
  struct AddressHash {
    std::uint64_t seed;
    std::size_t operator()(const IpAddress& address) const noexcept;
  };
  struct KeyHash {
    std::uint64_t seed;
    std::size_t operator()(const Key& key) const noexcept;
  };
  struct Entry;
  struct Links {
    Entry* older = nullptr;
    Entry* newer = nullptr;
  };
  struct Entry {
    SaHandle sa;
    Links by_age, by_source;
  };
  struct Queue {
    Entry* oldest = nullptr;
    Entry* newest = nullptr;
    std::size_t size = 0;
  };
  static void append(Queue& queue, Entry& entry, Links Entry::* links);
  static void unlink(Queue& queue, Entry& entry, Links Entry::* links);

  std::unordered_map<Key, Entry, KeyHash> by_key_;               // whose nodes stay where they are
  std::unordered_map<IpAddress, Queue, AddressHash> by_source_;  // none is empty
  Queue by_age_;
};

// How often attempts of a source have come to nothing in the last 10 to 20 seconds, and how many
// more it may begin in this second.
class FailureLog {
 public:
  void failed(const IpAddress& source, TimePoint now);
  std::uint32_t failures_of(const IpAddress& source, TimePoint now);
  // Counts an attempt of a source that fails too often; false when it has had its share.
  bool spend(const IpAddress& source, TimePoint now);

 private:
  struct Record {
    std::uint32_t failures = 0;
    std::uint32_t begun = 0;
    TimePoint second{};
  };
  using Records = std::unordered_map<IpAddress, Record>;
  void rotate(TimePoint now);

  Records current_, previous_;
  TimePoint next_rotation_ = TimePoint::min();
};

}  // namespace culvert
