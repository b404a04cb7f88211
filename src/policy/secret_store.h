// Pre-shared keys, found by the pair of identities in constant time for exact owners.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "policy/connection.h"

namespace culvert {

class SecretStore {
 public:
  SecretStore() = default;
  SecretStore(SecretStore&&) = default;
  SecretStore& operator=(SecretStore&&) = default;

  // Replaces the secret with the same id.
  void add(SharedSecret secret);
  bool remove(const std::string& id);
  void clear();
  std::vector<std::string> ids() const;
  std::size_t size() const { return by_id_.size(); }

  // The secret whose owners fit best: both identities named before one, exact before wildcards,
  // owner-less last. One that names only us fits any peer, one that names us and others fits only
  // them. Ties go to the lower id. nullptr when none fits. The pointer is valid until the next
  // change.
  const SharedSecret* find(const Identity& mine, const Identity& theirs) const;

 private:
  using Ref = std::shared_ptr<const SharedSecret>;
  using ById = std::map<std::string, Ref>;
  using OwnerIndex = std::unordered_map<std::string, ById>;  // by index_key
  static std::set<std::string> owner_keys(const SharedSecret& secret);

  ById by_id_;
  OwnerIndex by_exact_owner_;
  OwnerIndex by_sole_owner_;  // those with one owner: our own secret for everybody
  ById others_;               // without owners, or with wildcards
};

}  // namespace culvert
