// What the shard makes of changes of the machine's own network.
#include <algorithm>

#include "ikev2/path.h"
#include "shard/impl.h"

namespace culvert {

void Shard::Impl::run(NetworkChanged&& command, TimePoint now) {
  std::ranges::sort(command.addresses);
  const bool other_addresses = command.addresses != own_addresses_;
  own_addresses_ = std::move(command.addresses);
  std::vector<SaHandle> all;
  sas_.for_each([&](SaHandle handle, IkeSa&) { all.push_back(handle); });
  for (const SaHandle handle : all)
    if (IkeSa* sa = sas_.get(handle)) {
      ikev2::network_changed(*this, *sa, now);
      settle(handle, now);
    }
  if (!other_addresses) return;
  // What could not be reached before may be now.
  for (auto& [name, restart] : restarts_) {
    if (restart.at == kNever) continue;
    restart.at = now;
    restart.attempt = 0;
    restart_timers_.schedule(now, name);
  }
}

void Shard::Impl::find_paths(const IkeSa& sa, std::vector<IpAddress> remotes) {
  const JobId job = new_job(sa);
  outputs_.push_back(FindPaths{job, sa.connection, std::move(remotes)});
}

void Shard::Impl::complete(JobId job, FoundPaths&& answer, TimePoint now) {
  resume(job, now, [&](IkeSa& sa) {
    if (sa.mobility) ikev2::paths_found(*this, sa, answer, now);
  });
}

}  // namespace culvert
