// The addresses that this daemon's peers have of its pools, and those that it has of peers.
#pragma once

#include <string>
#include <vector>

#include "daemon/difference.h"
#include "io/assigned.h"
#include "io/lease_store.h"
#include "lease/lease_book.h"
#include "shard/output.h"

namespace culvert {

class Addresses {
 public:
  using Complain = std::function<void(const std::string&)>;
  // `device` gets our own addresses. The loop outlives this.
  Addresses(io::EventLoop& loop, const std::string& state_dir, const std::string& device,
            Complain complain);

  LeaseGrant lease(const LeaseRequest& request);
  void release(const ReleaseAddresses& given);
  void assign(AssignAddresses&& own);
  // Of a list of this machine's addresses, those that no peer has assigned.
  std::vector<IpAddress> without_assigned(std::vector<IpAddress> addresses) const;

  void apply(const Difference& difference);
  // The errors are sentences.
  std::expected<void, std::string> load(PoolRef pool);
  std::expected<void, std::string> unload(const std::string& name);
  const LeaseBook& book() const { return book_; }

 private:
  Complain complain_;
  LeaseBook book_;
  io::LeaseStore store_;
  io::Assigned assigned_;
};

}  // namespace culvert
