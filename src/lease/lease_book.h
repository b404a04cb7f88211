// Who has which address: the leases of all pools of the daemon. Pure; its memory of peers that are
// gone is what makes an address stick to an identity.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "policy/pool.h"

namespace culvert {

struct LeaseRequest {
  std::vector<std::string> pools;  // by name, the preferred first
  std::string identity;            // proven
  std::vector<IpAddress> wanted;   // each once; 0.0.0.0 and ::: any of that family
  // Leases that other IKE SAs of the same peer hold and that it may have again beside them.
  std::vector<IpAddress> renewable;
  bool replaces = false;  // these IKE SAs are about to go: their leases come first
  // Addresses that the peer has by its login; given in place of those of pools, in their family.
  std::vector<IpAddress> given;
  HostSettings settings;  // likewise; they come before those of pools
};

// No addresses: `refusal` says why, for the operator.
struct LeaseGrant {
  std::vector<IpAddress> addresses;
  HostSettings settings;
  std::string refusal;
};

struct LeaseRecord {  // what is kept when the daemon is not running
  IpAddress address;
  std::string identity;
  std::uint64_t sequence = 0;  // higher: used later
  bool operator==(const LeaseRecord&) const = default;
};

struct PoolStatus {
  std::string name;
  IpAddress base;
  std::uint64_t size = 0, online = 0, offline = 0;
};
struct LeaseStatus {
  IpAddress address;
  std::string identity;
  bool online = false;
};

class LeaseBook {
 public:
  // Adds the pool, or changes the one of its name. Leases of addresses that it still has stay. The
  // error is a sentence: it overlaps another pool.
  std::expected<void, std::string> load(PoolRef pool);
  // False: there is none of that name. Its leases stay until they are released.
  bool unload(const std::string& name);
  PoolRef find(const std::string& name) const;

  // A lease of an earlier run, not online now.
  void remember(const LeaseRecord& record);

  // Every address granted is to be released once.
  LeaseGrant lease(const LeaseRequest& request);
  void release(const IpAddress& address);

  std::vector<PoolStatus> pools() const;  // in the order of their names
  std::vector<LeaseStatus> leases(const std::string& pool) const;
  // Leases that are other ones since the last call, each once.
  std::vector<LeaseRecord> take_changes();

 private:
  struct Pool {
    PoolRef config;
    std::uint64_t online = 0, offline = 0;
    // For each range, the first address that was never leased; none: there is no such one.
    std::vector<IpAddress> fresh;
    std::set<IpAddress> reserved;  // fixed
    // Offline leases: the oldest first, without reserved ones; and those of each identity.
    std::set<std::tuple<Family, std::uint64_t, IpAddress>> oldest;
    std::map<std::tuple<std::string, Family, std::uint64_t>, IpAddress> known;
  };
  struct Lease {
    std::string identity;
    std::uint64_t sequence = 0;
    std::uint32_t users = 0;
    Pool* pool = nullptr;  // none: its pool has gone, or it never was in one
  };
  using Leases = std::map<IpAddress, Lease>;

  Pool* pool_of(const IpAddress& address);
  void adopt(Pool& pool);
  void abandon(Pool& pool);
  void shelve(const IpAddress& address, Lease& lease);
  void unshelve(const IpAddress& address, Lease& lease);
  void take(const IpAddress& address, const std::string& identity);
  void skip_used(Pool& pool, std::size_t range);
  bool is_online(const IpAddress& address) const;
  bool may_have(const IpAddress& address, const LeaseRequest& request) const;
  IpAddress choose(const LeaseRequest& request, const IpAddress& wanted,
                   const std::vector<IpAddress>& taken);
  IpAddress choose_from(Pool& pool, const LeaseRequest& request, const IpAddress& wanted,
                        const std::vector<IpAddress>& taken);
  std::string explain(const LeaseRequest& request) const;

  std::map<std::string, Pool> pools_;
  std::map<IpAddress, std::pair<IpAddress, Pool*>> ranges_;  // by their first addresses
  Leases leases_;
  std::set<IpAddress> changed_;
  std::uint64_t sequence_ = 0;
};

}  // namespace culvert
