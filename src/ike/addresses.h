// Addresses that one end of an IKE SA gets from the other, and who is asked about them.
#pragma once

#include <vector>

#include "ike/action.h"
#include "lease/lease_book.h"

namespace culvert {

// Leases are all shards' together. Answered by Shard::complete() with a LeaseGrant; what is granted
// comes back with ReleaseAddresses.
struct LeaseAddresses {
  JobId job;
  LeaseRequest request;
};
struct ReleaseAddresses {
  std::vector<IpAddress> addresses;
};

// What the peer has assigned to us is to be on this machine before CHILD SAs use it. In place of
// what the holder had; nothing: it is to go.
struct AssignAddresses {
  std::uint64_t holder = 0;  // a line of IKE SAs that follow each other by rekeying
  std::vector<IpAddress> addresses;
  HostSettings settings;
};

}  // namespace culvert
