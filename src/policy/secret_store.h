// Pre-shared keys, found by the pair of identities in constant time for exact owners.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "policy/connection.h"

namespace culvert {

class SecretStore {
 public:
  // Replaces the secret with the same id.
  void add(SharedSecret secret);
  bool remove(const std::string& id);
  void clear();
  std::vector<std::string> ids() const;
  std::size_t size() const { return by_id_.size(); }

  // The secret whose owners fit best: both identities named before one, exact before wildcards,
  // owner-less last. nullptr when none fits. The pointer is valid until the next change.
  const SharedSecret* find(const Identity& mine, const Identity& theirs) const;

 private:
  std::map<std::string, std::shared_ptr<const SharedSecret>> by_id_;
  std::unordered_multimap<std::string, std::shared_ptr<const SharedSecret>> by_exact_owner_;
  std::vector<std::shared_ptr<const SharedSecret>> others_;  // without owners, or with wildcards
};

}  // namespace culvert
