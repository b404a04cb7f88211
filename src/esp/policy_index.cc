// Invariant: every entry of a policy stands in the bucket of each prefix of its remote range, and
// places_ lists them all, so that erasing leaves nothing behind.
#include "esp/policy_index.h"

#include <algorithm>

namespace culvert::esp {
namespace {

Number prefix_key(Number address, int bits, int length) {
  return length == 0 ? 0 : address >> (bits - length);
}

// Addresses of a prefix, minus one.
Number prefix_width(int bits, int length) {
  return length == 0 ? ~Number{0} >> (128 - bits) : (Number{1} << (bits - length)) - 1;
}

// Ports admitted, with OPAQUE (start above end) as the narrowest.
std::uint16_t port_width(const CompiledSelector& selector) {
  return selector.opaque() ? 0
                           : static_cast<std::uint16_t>(selector.end_port - selector.start_port);
}

}  // namespace

PolicyIndex::Rank PolicyIndex::rank_of(const CompiledSelector& local,
                                       const CompiledSelector& remote, std::uint32_t priority,
                                       std::uint64_t value) {
  return {remote.last - remote.first,
          local.last - local.first,
          local.protocol == 0 && remote.protocol == 0,
          port_width(remote),
          port_width(local),
          priority,
          ~value};
}

void PolicyIndex::insert_entry(const Entry& entry, Family family, const Key& key) {
  Table& all = table(family);
  Bucket& bucket = all.buckets[key];
  if (bucket.empty()) ++all.shapes[key.lengths];
  const auto at = std::ranges::lower_bound(bucket, entry.rank, {}, &Entry::rank);
  bucket.insert(at, entry);
  places_[entry.value].push_back({family, key});
}

void PolicyIndex::insert(std::uint64_t value, const std::vector<TrafficSelector>& local,
                         const std::vector<TrafficSelector>& remote, std::uint32_t priority) {
  for (const TrafficSelector& theirs : remote)
    for (const TrafficSelector& ours : local) {
      const Family family = theirs.first.family();
      if (ours.first.family() != family || theirs.last < theirs.first || ours.last < ours.first)
        continue;
      const CompiledSelector compiled_local(ours), compiled_remote(theirs);
      const Entry entry{rank_of(compiled_local, compiled_remote, priority, value), compiled_local,
                        compiled_remote, value};
      // One prefix is enough for the local side: what it holds too much, matches() takes away.
      const Prefix around = enclosing_prefix(ours.first, ours.last);
      const int bits = theirs.first.bits();
      for (const Prefix& prefix : cover(theirs.first, theirs.last))
        insert_entry(entry, family,
                     {{prefix.length, around.length},
                      prefix_key(number_of(prefix.address), bits, prefix.length),
                      prefix_key(number_of(around.address), bits, around.length)});
    }
}

bool PolicyIndex::erase(std::uint64_t value) {
  const auto found = places_.find(value);
  if (found == places_.end()) return false;
  for (const Place& place : found->second) {
    Table& all = table(place.family);
    const auto bucket = all.buckets.find(place.key);
    if (bucket == all.buckets.end()) continue;
    std::erase_if(bucket->second, [&](const Entry& entry) { return entry.value == value; });
    if (!bucket->second.empty()) continue;
    all.buckets.erase(bucket);
    const auto shape = all.shapes.find(place.key.lengths);
    if (--shape->second == 0) all.shapes.erase(shape);
  }
  places_.erase(found);
  return true;
}

const PolicyIndex::Bucket* PolicyIndex::bucket(const Lengths& lengths, const PacketSide& local,
                                               const PacketSide& remote) const {
  const int bits = remote.family == Family::v4 ? 32 : 128;
  const auto& buckets = table(remote.family).buckets;
  const auto found = buckets.find({lengths, prefix_key(remote.address, bits, lengths.remote),
                                   prefix_key(local.address, bits, lengths.local)});
  return found == buckets.end() ? nullptr : &found->second;
}

std::optional<std::uint64_t> PolicyIndex::find(const PacketSide& local, const PacketSide& remote,
                                               const Admits& admits) const {
  const int bits = remote.family == Family::v4 ? 32 : 128;
  const Entry* best = nullptr;
  for (const auto& [lengths, count] : table(remote.family).shapes) {
    // Shorter prefixes hold ranges at least this wide, so they can't be narrower than the best.
    if (best && best->rank.remote_width < prefix_width(bits, lengths.remote)) break;
    const Bucket* entries = bucket(lengths, local, remote);
    if (!entries) continue;
    for (const Entry& entry : *entries) {
      if (best && best->rank < entry.rank) break;
      if (!entry.local.matches(local) || !entry.remote.matches(remote)) continue;
      if (admits && !admits(entry.value)) continue;
      best = &entry;
      break;
    }
  }
  if (!best) return std::nullopt;
  return best->value;
}

bool PolicyIndex::partly_covers(const PacketSide& local, const PacketSide& remote) const {
  for (const auto& [lengths, count] : table(remote.family).shapes) {
    const Bucket* entries = bucket(lengths, local, remote);
    if (!entries) continue;
    for (const Entry& entry : *entries)
      if (entry.partial() && entry.local.covers(local) && entry.remote.covers(remote)) return true;
  }
  return false;
}

}  // namespace culvert::esp
