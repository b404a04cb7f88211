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
          value};
}

void PolicyIndex::insert_entry(const Entry& entry, const Prefix& prefix) {
  const Family family = prefix.address.family();
  const Number key = prefix_key(number_of(prefix.address), prefix.address.bits(), prefix.length);
  Bucket& bucket = (family == Family::v4 ? v4_ : v6_)[prefix.length][key];
  const auto at = std::ranges::lower_bound(bucket, entry.rank, {}, &Entry::rank);
  bucket.insert(at, entry);
  places_[entry.rank.value].push_back({family, prefix.length, key});
}

void PolicyIndex::insert(std::uint64_t value, const std::vector<TrafficSelector>& local,
                         const std::vector<TrafficSelector>& remote, std::uint32_t priority) {
  for (const TrafficSelector& theirs : remote)
    for (const TrafficSelector& ours : local) {
      if (ours.first.family() != theirs.first.family() || theirs.last < theirs.first) continue;
      const CompiledSelector compiled_local(ours), compiled_remote(theirs);
      const Entry entry{rank_of(compiled_local, compiled_remote, priority, value), compiled_local,
                        compiled_remote};
      for (const Prefix& prefix : cover(theirs.first, theirs.last)) insert_entry(entry, prefix);
    }
}

bool PolicyIndex::erase(std::uint64_t value) {
  const auto found = places_.find(value);
  if (found == places_.end()) return false;
  for (const Place& place : found->second) {
    Levels& all = place.family == Family::v4 ? v4_ : v6_;
    const auto level = all.find(place.length);
    if (level == all.end()) continue;
    const auto bucket = level->second.find(place.key);
    if (bucket == level->second.end()) continue;
    std::erase_if(bucket->second, [&](const Entry& entry) { return entry.rank.value == value; });
    if (bucket->second.empty()) level->second.erase(bucket);
    if (level->second.empty()) all.erase(level);
  }
  places_.erase(found);
  return true;
}

std::optional<std::uint64_t> PolicyIndex::find(const PacketSide& local,
                                               const PacketSide& remote) const {
  const int bits = remote.family == Family::v4 ? 32 : 128;
  const Entry* best = nullptr;
  for (const auto& [length, level] : levels(remote.family)) {
    // Shorter prefixes hold ranges at least this wide, so they can't be narrower than the best.
    if (best && best->rank.remote_width < prefix_width(bits, length)) break;
    const auto bucket = level.find(prefix_key(remote.address, bits, length));
    if (bucket == level.end()) continue;
    for (const Entry& entry : bucket->second) {
      if (best && best->rank < entry.rank) break;
      if (!entry.local.matches(local) || !entry.remote.matches(remote)) continue;
      best = &entry;
      break;
    }
  }
  if (!best) return std::nullopt;
  return best->rank.value;
}

bool PolicyIndex::partly_covers(const PacketSide& local, const PacketSide& remote) const {
  const int bits = remote.family == Family::v4 ? 32 : 128;
  for (const auto& [length, level] : levels(remote.family)) {
    const auto bucket = level.find(prefix_key(remote.address, bits, length));
    if (bucket == level.end()) continue;
    for (const Entry& entry : bucket->second)
      if (entry.partial() && entry.local.covers(local) && entry.remote.covers(remote)) return true;
  }
  return false;
}

}  // namespace culvert::esp
