// Deadlines in time order. Re-arming is lazy: an owner keeps its true deadline and, when an entry
// comes due, either acts or schedules the rest; a stale entry costs one comparison.
// Invariant: entries with equal deadlines come out in the order they went in, so runs replay.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/time.h"

namespace culvert {

template <class Key>
class TimerQueue {
 public:
  void schedule(TimePoint when, Key key) {
    heap_.push_back({when, next_sequence_++, std::move(key)});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  // The next key that is due at `now`, or nothing.
  std::optional<Key> pop_due(TimePoint now) {
    if (heap_.empty() || heap_.front().when > now) return std::nullopt;
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Key key = heap_.back().key;
    heap_.pop_back();
    return key;
  }
  TimePoint next() const { return heap_.empty() ? kNever : heap_.front().when; }
  std::size_t size() const { return heap_.size(); }

 private:
  struct Entry {
    TimePoint when;
    std::uint64_t sequence;
    Key key;
  };
  static bool later(const Entry& a, const Entry& b) {
    return a.when != b.when ? a.when > b.when : a.sequence > b.sequence;
  }
  std::vector<Entry> heap_;
  std::uint64_t next_sequence_ = 0;
};

}  // namespace culvert
