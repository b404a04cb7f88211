// Addresses that are assigned by one end to the other: leases of peers, and our own.
#include "ikev2/configuration.h"
#include "shard/impl.h"

namespace culvert {

JobId Shard::Impl::lease_addresses(const IkeSa& sa, LeaseRequest&& request) {
  const JobId job = new_job(sa);
  outputs_.push_back(LeaseAddresses{job, std::move(request)});
  return job;
}

void Shard::Impl::complete(JobId job, LeaseGrant&& answer, TimePoint now) {
  const bool waits = resume(job, now, [&](IkeSa& sa) {
    ikev2::addresses_leased(*this, sa, job, std::move(answer), now);
  });
  if (!waits && !answer.addresses.empty())
    outputs_.push_back(ReleaseAddresses{std::move(answer.addresses)});
}

std::vector<IpAddress> Shard::Impl::renewable_addresses(const IkeSa& sa, bool all) const {
  std::vector<IpAddress> addresses;
  const std::uint64_t key = identity_key(sa);
  auto at = by_identity_.lower_bound({key, SaHandle{}});
  for (int seen = 0; at != by_identity_.end() && at->first == key && seen < kMostAlike;
       ++at, ++seen) {
    const IkeSa* other = sas_.get(at->second);
    if (!other || !other->assigned || other->assigned->ours || !is_same_peer(*other, sa)) continue;
    if (all || other->remote.address == sa.remote.address)
      addresses.insert(addresses.end(), other->assigned->addresses.begin(),
                       other->assigned->addresses.end());
  }
  return addresses;
}

void Shard::Impl::assign_addresses(const IkeSa& sa) {
  outputs_.push_back(
      AssignAddresses{sa.assigned->holder, sa.assigned->addresses, sa.assigned->settings});
}

void Shard::Impl::give_back_addresses(IkeSa& sa) {
  const auto assigned = std::exchange(sa.assigned, nullptr);
  if (!assigned || assigned.use_count() > 1) return;
  if (assigned->ours)
    outputs_.push_back(AssignAddresses{assigned->holder, {}, {}});
  else
    outputs_.push_back(ReleaseAddresses{assigned->addresses});
}

}  // namespace culvert
