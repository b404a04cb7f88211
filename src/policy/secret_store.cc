// Owns the loaded pre-shared keys and the choice among them.
// Invariant: a secret stands in by_id_ and in exactly the indexes that its owners call for.
#include "policy/secret_store.h"

#include <algorithm>
#include <tuple>

namespace culvert {
namespace {

bool has_pattern(const SharedSecret& secret) {
  return std::ranges::any_of(secret.owners, is_pattern);
}

int best_match(const SharedSecret& secret, const Identity& identity) {
  int best = 0;
  for (const auto& owner : secret.owners) best = std::max(best, match(owner, identity));
  return best;
}

// How well a secret fits; the larger the better. Absent when it does not.
using Fit = std::tuple<int, int, int>;  // identities named, match of theirs, match of ours
std::optional<Fit> fit(const SharedSecret& secret, const Identity& mine, const Identity& theirs) {
  if (secret.owners.empty()) return Fit{0, 0, 0};
  const int their_match = best_match(secret, theirs);
  const int my_match = best_match(secret, mine);
  // A secret shared with somebody else must not prove that this peer is who it says.
  if (their_match == 0 && !std::ranges::all_of(secret.owners, [&](const Identity& owner) {
        return matches(owner, mine);
      }))
    return std::nullopt;
  return Fit{(their_match > kAnyMatch) + (my_match > kAnyMatch), their_match, my_match};
}

}  // namespace

void SecretStore::add(SharedSecret secret) {
  remove(secret.id);
  auto shared = std::make_shared<const SharedSecret>(std::move(secret));
  by_id_[shared->id] = shared;
  if (shared->owners.empty() || has_pattern(*shared)) {
    others_[shared->id] = shared;
    return;
  }
  for (const auto& key : owner_keys(*shared)) by_exact_owner_[key][shared->id] = shared;
  if (owner_keys(*shared).size() == 1)
    by_sole_owner_[index_key(shared->owners.front())][shared->id] = shared;
}

bool SecretStore::remove(const std::string& id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return false;
  const Ref secret = found->second;
  by_id_.erase(found);
  others_.erase(secret->id);
  for (const auto& key : owner_keys(*secret)) {
    for (OwnerIndex* index : {&by_exact_owner_, &by_sole_owner_}) {
      const auto entry = index->find(key);
      if (entry == index->end()) continue;
      entry->second.erase(secret->id);
      if (entry->second.empty()) index->erase(entry);
    }
  }
  return true;
}

void SecretStore::clear() {
  by_id_.clear();
  by_exact_owner_.clear();
  by_sole_owner_.clear();
  others_.clear();
}

std::vector<std::string> SecretStore::ids() const {
  std::vector<std::string> ids;
  for (const auto& [id, secret] : by_id_) ids.push_back(id);
  return ids;
}

std::set<std::string> SecretStore::owner_keys(const SharedSecret& secret) {
  std::set<std::string> keys;
  for (const auto& owner : secret.owners) keys.insert(index_key(owner));
  return keys;
}

const SharedSecret* SecretStore::find(const Identity& mine, const Identity& theirs) const {
  const SharedSecret* best = nullptr;
  Fit best_fit{};
  const auto consider = [&](const ById& secrets) {
    for (const auto& [id, secret] : secrets) {
      const auto its_fit = fit(*secret, mine, theirs);
      if (!its_fit || (best && *its_fit <= best_fit)) continue;
      best = secret.get();
      best_fit = *its_fit;
    }
  };
  const auto entry_of = [](const OwnerIndex& index, const Identity& owner) {
    const auto entry = index.find(index_key(owner));
    return entry == index.end() ? nullptr : &entry->second;
  };
  if (const auto* secrets = entry_of(by_exact_owner_, theirs)) consider(*secrets);
  if (best && best_fit == Fit{2, kExactMatch, kExactMatch}) return best;
  if (const auto* secrets = entry_of(by_sole_owner_, mine)) consider(*secrets);
  consider(others_);
  return best;
}

}  // namespace culvert
