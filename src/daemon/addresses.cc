#include "daemon/addresses.h"

#include <fmt/format.h>

#include <algorithm>

namespace culvert {
namespace {

constexpr const char* kLeases = "/leases.db";

io::Assigned::Options options(const std::string& state_dir, const std::string& device) {
  io::Assigned::Options options;
  options.device = device;
  options.state_dir = state_dir;
  return options;
}

}  // namespace

Addresses::Addresses(io::EventLoop& loop, const std::string& state_dir, const std::string& device,
                     Complain complain)
    : complain_(std::move(complain)),
      store_(state_dir + kLeases,
             [&loop, tell = complain_](const std::string& sentence) {
               loop.post([tell, sentence] { tell(sentence); });
             }),
      assigned_(loop, options(state_dir, device), complain_) {
  for (const LeaseRecord& record : store_.take_records()) book_.remember(record);
}

LeaseGrant Addresses::lease(const LeaseRequest& request) {
  LeaseGrant grant = book_.lease(request);
  store_.write(book_.take_changes());
  return grant;
}

void Addresses::release(const ReleaseAddresses& given) {
  for (const IpAddress& address : given.addresses) book_.release(address);
  store_.write(book_.take_changes());
}

void Addresses::assign(AssignAddresses&& own) {
  assigned_.set(own.holder, {std::move(own.addresses), std::move(own.settings.dns),
                             std::move(own.settings.domains)});
}

std::vector<IpAddress> Addresses::without_assigned(std::vector<IpAddress> addresses) const {
  std::erase_if(addresses, [&](const IpAddress& address) {
    return std::ranges::find(assigned_.own_addresses(), address) != assigned_.own_addresses().end();
  });
  return addresses;
}

// What goes makes room for what comes.
void Addresses::apply(const Difference& difference) {
  for (const std::string& name : difference.old_pools) book_.unload(name);
  for (const PoolRef& pool : difference.new_pools) book_.unload(pool->name);
  for (const PoolRef& pool : difference.new_pools)
    if (const auto loaded = book_.load(pool); !loaded) complain_(loaded.error());
}

std::expected<void, std::string> Addresses::load(PoolRef pool) { return book_.load(pool); }

std::expected<void, std::string> Addresses::unload(const std::string& name) {
  for (const PoolStatus& pool : book_.pools())
    if (pool.name == name && pool.online != 0)
      return std::unexpected(
          fmt::format("pool {} has {} online leases, it can't be unloaded", name, pool.online));
  if (!book_.unload(name)) return std::unexpected(fmt::format("pool {} not found", name));
  return {};
}

}  // namespace culvert
