// Invariant: an address is online for one identity at most; it stands in its pool's indexes exactly
// when it is offline. No step is linear in leases, but loading and unloading a pool.
#include "lease/lease_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace culvert {
namespace {

bool holds(const std::vector<IpAddress>& addresses, const IpAddress& address) {
  return std::ranges::find(addresses, address) != addresses.end();
}

std::string_view family_name(Family family) { return family == Family::v4 ? "IPv4" : "IPv6"; }

std::uint64_t size_of(const PoolConfig& pool, Family family) {
  std::uint64_t size = 0;
  for (const AddressRange& range : pool.ranges)
    if (range.first.family() == family) {
      const std::uint64_t more = range.size();
      size = size > std::numeric_limits<std::uint64_t>::max() - more
                 ? std::numeric_limits<std::uint64_t>::max()
                 : size + more;
    }
  return size;
}

}  // namespace

// ---- pools ----

std::expected<void, std::string> LeaseBook::load(PoolRef pool) {
  for (const AddressRange& range : pool->ranges)
    for (auto at = ranges_.upper_bound(range.last); at != ranges_.begin();) {
      --at;
      const auto& [last, other] = at->second;
      if (last < range.first) break;
      if (other->config->name == pool->name) continue;
      return std::unexpected(fmt::format(
          "pool {} has addresses of pool {}: {} to {}", pool->name, other->config->name,
          std::max(range.first, at->first).to_string(), std::min(range.last, last).to_string()));
    }
  unload(pool->name);
  Pool& added = pools_[pool->name];
  added.config = std::move(pool);
  for (const AddressRange& range : added.config->ranges)
    ranges_[range.first] = {range.last, &added};
  for (const auto& [identity, addresses] : added.config->fixed)
    added.reserved.insert(addresses.begin(), addresses.end());
  adopt(added);
  for (const AddressRange& range : added.config->ranges) {
    added.fresh.push_back(range.first);
    skip_used(added, added.fresh.size() - 1);
  }
  return {};
}

bool LeaseBook::unload(const std::string& name) {
  const auto found = pools_.find(name);
  if (found == pools_.end()) return false;
  abandon(found->second);
  for (const AddressRange& range : found->second.config->ranges) ranges_.erase(range.first);
  pools_.erase(found);
  return true;
}

PoolRef LeaseBook::find(const std::string& name) const {
  const auto found = pools_.find(name);
  return found == pools_.end() ? nullptr : found->second.config;
}

void LeaseBook::adopt(Pool& pool) {
  for (const AddressRange& range : pool.config->ranges)
    for (auto at = leases_.lower_bound(range.first); at != leases_.end() && at->first <= range.last;
         ++at) {
      at->second.pool = &pool;
      if (at->second.users == 0)
        shelve(at->first, at->second);
      else
        ++pool.online;
    }
}

void LeaseBook::abandon(Pool& pool) {
  for (const AddressRange& range : pool.config->ranges)
    for (auto at = leases_.lower_bound(range.first); at != leases_.end() && at->first <= range.last;
         ++at)
      at->second.pool = nullptr;
}

LeaseBook::Pool* LeaseBook::pool_of(const IpAddress& address) {
  auto after = ranges_.upper_bound(address);
  if (after == ranges_.begin()) return nullptr;
  const auto& [first, range] = *--after;
  return first.family() == address.family() && address <= range.first ? range.second : nullptr;
}

// ---- offline leases ----

void LeaseBook::shelve(const IpAddress& address, Lease& lease) {
  ++lease.pool->offline;
  lease.pool->known[{lease.identity, address.family(), lease.sequence}] = address;
  if (!lease.pool->reserved.contains(address))
    lease.pool->oldest.insert({address.family(), lease.sequence, address});
}

void LeaseBook::unshelve(const IpAddress& address, Lease& lease) {
  --lease.pool->offline;
  lease.pool->known.erase({lease.identity, address.family(), lease.sequence});
  lease.pool->oldest.erase({address.family(), lease.sequence, address});
}

void LeaseBook::remember(const LeaseRecord& record) {
  const auto [at, added] = leases_.try_emplace(record.address);
  if (!added) return;
  sequence_ = std::max(sequence_, record.sequence);
  at->second = {record.identity, record.sequence, 0, pool_of(record.address)};
  if (at->second.pool) shelve(at->first, at->second);
}

// ---- leasing ----

void LeaseBook::take(const IpAddress& address, const std::string& identity) {
  const auto [at, fresh] = leases_.try_emplace(address);
  Lease& lease = at->second;
  if (fresh) lease.pool = pool_of(address);
  if (lease.users++ != 0) return;
  if (!fresh && lease.pool) unshelve(address, lease);
  if (lease.pool) ++lease.pool->online;
  lease.identity = identity;
  lease.sequence = ++sequence_;
  changed_.insert(address);
  if (!fresh || !lease.pool) return;
  const auto first = std::ranges::find(lease.pool->fresh, address);
  if (first != lease.pool->fresh.end())
    skip_used(*lease.pool, static_cast<std::size_t>(first - lease.pool->fresh.begin()));
}

void LeaseBook::release(const IpAddress& address) {
  const auto at = leases_.find(address);
  if (at == leases_.end() || at->second.users == 0) return;
  Lease& lease = at->second;
  if (--lease.users != 0) return;
  lease.sequence = ++sequence_;
  changed_.insert(address);
  if (!lease.pool) {
    leases_.erase(at);
    return;
  }
  --lease.pool->online;
  shelve(address, lease);
}

// Each address is passed once, so this is constant on average.
void LeaseBook::skip_used(Pool& pool, std::size_t range) {
  IpAddress& next = pool.fresh[range];
  const IpAddress last = pool.config->ranges[range].last;
  while (leases_.contains(next) || pool.reserved.contains(next)) {
    if (next == last) {
      next = {};
      return;
    }
    next = next.next();
  }
}

bool LeaseBook::is_online(const IpAddress& address) const {
  const auto at = leases_.find(address);
  return at != leases_.end() && at->second.users != 0;
}

// Whether nobody else has a claim to it.
bool LeaseBook::may_have(const IpAddress& address, const LeaseRequest& request) const {
  const auto at = leases_.find(address);
  if (at == leases_.end()) return true;
  if (at->second.identity != request.identity) return false;
  return at->second.users == 0 || holds(request.renewable, address);
}

IpAddress LeaseBook::choose_from(Pool& pool, const LeaseRequest& request, const IpAddress& wanted,
                                 const std::vector<IpAddress>& taken) {
  const Family family = wanted.family();
  const auto fits = [&](const IpAddress& address) {
    return address.family() == family && pool.config->contains(address) && !holds(taken, address);
  };
  if (const auto own = pool.config->fixed.find(request.identity); own != pool.config->fixed.end())
    for (const IpAddress& address : own->second)
      if (fits(address) && (!is_online(address) || may_have(address, request))) return address;
  if (!wanted.is_unspecified() && fits(wanted) && !pool.reserved.contains(wanted) &&
      may_have(wanted, request))
    return wanted;
  if (request.replaces)
    for (const IpAddress& address : request.renewable)
      if (fits(address) && may_have(address, request)) return address;
  constexpr auto kLatest = std::numeric_limits<std::uint64_t>::max();
  for (auto at = pool.known.upper_bound({request.identity, family, kLatest});
       at != pool.known.begin();) {
    --at;
    if (std::get<0>(at->first) != request.identity || std::get<1>(at->first) != family) break;
    if (!pool.reserved.contains(at->second)) return at->second;
  }
  return {};
}

// What is the peer's own goes before what is free, in whichever pool, and both before what another
// peer had.
IpAddress LeaseBook::choose(const LeaseRequest& request, const IpAddress& wanted,
                            const std::vector<IpAddress>& taken) {
  std::vector<Pool*> pools;
  for (const std::string& name : request.pools)
    if (const auto found = pools_.find(name); found != pools_.end())
      pools.push_back(&found->second);
  for (Pool* pool : pools)
    if (const IpAddress own = choose_from(*pool, request, wanted, taken); !own.is_none())
      return own;
  for (const Pool* pool : pools)
    for (const IpAddress& fresh : pool->fresh)
      if (fresh.family() == wanted.family()) return fresh;
  for (const Pool* pool : pools)
    if (const auto oldest = pool->oldest.lower_bound({wanted.family(), 0, {}});
        oldest != pool->oldest.end() && std::get<0>(*oldest) == wanted.family())
      return std::get<2>(*oldest);
  return {};
}

LeaseGrant LeaseBook::lease(const LeaseRequest& request) {
  LeaseGrant grant;
  const auto give = [&](const IpAddress& address) {
    take(address, request.identity);
    grant.addresses.push_back(address);
  };
  for (const IpAddress& wanted : request.wanted) {
    const auto given = std::ranges::find_if(request.given, [&](const IpAddress& address) {
      return address.family() == wanted.family() && !holds(grant.addresses, address);
    });
    const bool has_own = std::ranges::find(request.given, wanted.family(), &IpAddress::family) !=
                         request.given.end();
    if (given != request.given.end() && (!is_online(*given) || may_have(*given, request))) {
      give(*given);
    } else if (!has_own) {
      const IpAddress address = choose(request, wanted, grant.addresses);
      if (!address.is_none()) give(address);
    }
  }
  if (grant.addresses.empty()) {
    grant.refusal = explain(request);
    return grant;
  }
  grant.settings = request.settings;
  for (const std::string& name : request.pools)
    if (const PoolRef pool = find(name)) grant.settings.merge(pool->settings);
  return grant;
}

std::string LeaseBook::explain(const LeaseRequest& request) const {
  std::string text;
  for (const IpAddress& address : request.given)
    text += fmt::format("{}{} is in use", text.empty() ? "" : ", ", address.to_string());
  if (!text.empty()) return text;
  for (const std::string& name : request.pools) {
    const PoolRef pool = find(name);
    if (!text.empty()) text += ", ";
    if (!pool) {
      text += fmt::format("pool {} is not loaded", name);
      continue;
    }
    bool any = false;
    for (const IpAddress& wanted : request.wanted) {
      const std::uint64_t size = size_of(*pool, wanted.family());
      if (size == 0 || any) continue;
      text += fmt::format("all {} addresses of pool {} are in use", size, name);
      any = true;
    }
    if (!any)
      text += fmt::format("pool {} has no {} addresses", name,
                          request.wanted.empty() ? std::string_view("such")
                                                 : family_name(request.wanted[0].family()));
  }
  return text;
}

// ---- questions ----

std::vector<PoolStatus> LeaseBook::pools() const {
  std::vector<PoolStatus> all;
  for (const auto& [name, pool] : pools_) {
    PoolStatus status{name, {}, 0, pool.online, pool.offline};
    if (!pool.config->ranges.empty()) status.base = pool.config->ranges[0].first;
    for (const Family family : {Family::v4, Family::v6}) {
      const std::uint64_t more = size_of(*pool.config, family);
      status.size = std::max(status.size + more, more);
    }
    all.push_back(std::move(status));
  }
  return all;
}

std::vector<LeaseStatus> LeaseBook::leases(const std::string& name) const {
  std::vector<LeaseStatus> all;
  const PoolRef pool = find(name);
  if (!pool) return all;
  for (const AddressRange& range : pool->ranges)
    for (auto at = leases_.lower_bound(range.first); at != leases_.end() && at->first <= range.last;
         ++at)
      all.push_back({at->first, at->second.identity, at->second.users != 0});
  return all;
}

std::vector<LeaseRecord> LeaseBook::take_changes() {
  std::vector<LeaseRecord> changes;
  for (const IpAddress& address : changed_)
    if (const auto at = leases_.find(address); at != leases_.end())
      changes.push_back({address, at->second.identity, at->second.sequence});
  changed_.clear();
  return changes;
}

}  // namespace culvert
