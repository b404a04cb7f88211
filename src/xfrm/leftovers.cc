// Invariant: only what bears our sign is deleted.
#include "xfrm/leftovers.h"

namespace culvert::xfrm {

std::size_t remove_leftovers(RequestSocket& requests) {
  Batch policies, sas, deletions;
  dump_policies(policies);
  requests.transact(policies, [&](std::size_t, ByteView answer) {
    if (const auto policy = parse_policy(answer); policy && policy->ours)
      delete_policy(deletions, policy->key);
  });
  dump_sas(sas);
  requests.transact(sas, [&](std::size_t, ByteView answer) {
    if (const auto state = parse_sa(answer); state && state->ours)
      delete_sa(deletions, state->name);
  });
  requests.transact(deletions);
  return deletions.size();
}

}  // namespace culvert::xfrm
