// What the SPD should hold. The kernel knows one policy per selector, mark and interface; ours may
// be several (a trap, and the SA that it called for), of which the kernel is told the best.
#pragma once

#include <map>
#include <unordered_map>

#include "xfrm/messages.h"

namespace culvert::xfrm {

struct WantedPolicy {
  PolicyKey key;
  PolicyBody body;
};

// Invariant: after the batches that its functions fill are carried out, the kernel holds, for each
// key, the body with the lowest priority number, and among equals the latest.
class PolicyBook {
 public:
  // Replaces whatever `id` wanted before. Only differences go into the batch.
  void set(PolicyId id, std::vector<WantedPolicy> wanted, Batch& batch);
  void remove(PolicyId id, Batch& batch) { set(id, {}, batch); }
  // Whose policy the kernel has under this key; zero: nobody's.
  PolicyId holder(const PolicyKey& key) const;
  std::size_t size() const { return entries_.size(); }
  void remove_all(Batch& batch);

 private:
  struct Want {
    PolicyId id;
    PolicyBody body;
  };
  void tell(const PolicyKey& key, const PolicyBody* before, Batch& batch);

  std::map<PolicyKey, std::vector<Want>> entries_;  // the best last
  std::unordered_map<PolicyId, std::vector<PolicyKey>> keys_;
};

}  // namespace culvert::xfrm
