// Owns the choice among policies with one key.
#include "xfrm/policy_book.h"

#include <algorithm>
#include <optional>

namespace culvert::xfrm {

void PolicyBook::set(PolicyId id, std::vector<WantedPolicy> wanted, Batch& batch) {
  std::map<PolicyKey, std::optional<PolicyBody>> before;  // what the kernel has now
  const auto remember = [&](const PolicyKey& key) {
    if (before.contains(key)) return;
    const auto entry = entries_.find(key);
    before[key] = entry == entries_.end() ? std::nullopt : std::optional(entry->second.back().body);
  };
  std::vector<PolicyKey>& keys = keys_[id];
  for (const PolicyKey& key : keys) {
    remember(key);
    auto& wants = entries_.at(key);
    std::erase_if(wants, [&](const Want& want) { return want.id == id; });
  }
  keys.clear();
  for (WantedPolicy& one : wanted) {
    remember(one.key);
    auto& wants = entries_[one.key];
    const auto worse = [&](const Want& other) { return other.body.priority >= one.body.priority; };
    // Behind all that are not better.
    const auto place = std::find_if_not(wants.begin(), wants.end(), worse);
    keys.push_back(one.key);
    wants.insert(place, {id, std::move(one.body)});
  }
  if (keys.empty()) keys_.erase(id);
  for (const auto& [key, body] : before) tell(key, body ? &*body : nullptr, batch);
}

void PolicyBook::tell(const PolicyKey& key, const PolicyBody* before, Batch& batch) {
  const auto entry = entries_.find(key);
  if (entry->second.empty()) {
    entries_.erase(entry);
    if (before) delete_policy(batch, key);
  } else if (const PolicyBody& best = entry->second.back().body; !before || *before != best) {
    put_policy(batch, key, best);
  }
}

PolicyId PolicyBook::holder(const PolicyKey& key) const {
  const auto entry = entries_.find(key);
  return entry == entries_.end() ? PolicyId{} : entry->second.back().id;
}

void PolicyBook::remove_all(Batch& batch) {
  for (const auto& [key, wants] : entries_) delete_policy(batch, key);
  entries_.clear();
  keys_.clear();
}

}  // namespace culvert::xfrm
