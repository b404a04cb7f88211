// The public face of a shard: each call is a value in, poll() is a value out.
#include "shard/shard.h"

#include "shard/impl.h"

namespace culvert {
namespace {

std::uint64_t random_number(Provider& provider) {
  std::uint8_t octets[8];
  provider.random(octets);
  return load_be<std::uint64_t>(octets);
}

}  // namespace

Shard::Impl::Impl(ShardOptions options, Provider& provider)
    : options_(options),
      provider_(provider),
      subscribers_(provider,
                   [this](const std::string& subscriber, std::uint64_t sqn) {
                     outputs_.push_back(SequenceNumberUsed{subscriber, sqn});
                   }),
      credentials_(provider),
      cookies_(provider),
      half_open_(random_number(provider)) {}

Output Shard::Impl::poll(TimePoint now) {
  now_ = now;
  if (outputs_.empty()) {
    expire_timers(now);
    restart_due(now);
  }
  if (outputs_.empty())
    return WaitUntil{std::min({timers_.next(), restart_timers_.next(), shutdown_deadline_})};
  Output next = std::move(outputs_.front());
  outputs_.pop_front();
  return next;
}

Shard::Shard(ShardOptions options, Provider& provider)
    : impl_(std::make_unique<Impl>(options, provider)) {}
Shard::~Shard() = default;

void Shard::receive(const Datagram& datagram, TimePoint now) { impl_->receive(datagram, now); }
void Shard::notice(const SadNotice& notice, TimePoint now) { impl_->notice(notice, now); }
void Shard::command(Command&& command, TimePoint now) { impl_->command(std::move(command), now); }
void Shard::complete(JobId job, PeerResolution&& answer, TimePoint now) {
  impl_->complete(job, std::move(answer), now);
}
void Shard::last_use(SaPairId pair, TimePoint last_use, TimePoint now) {
  impl_->last_use(pair, last_use, now);
}
void Shard::complete(JobId job, MadeSignature&& answer, TimePoint now) {
  impl_->complete(job, std::move(answer), now);
}
void Shard::complete(JobId job, LeaseGrant&& answer, TimePoint now) {
  impl_->complete(job, std::move(answer), now);
}
void Shard::complete(JobId job, FetchedEvidence&& answer, TimePoint now) {
  impl_->complete(job, std::move(answer), now);
}
void Shard::complete(JobId job, AaaAnswer&& answer, TimePoint now) {
  impl_->complete(job, std::move(answer), now);
}
void Shard::complete(JobId job, FoundPaths&& answer, TimePoint now) {
  impl_->complete(job, std::move(answer), now);
}
void Shard::refused(SadRefusal&& refusal, TimePoint now) {
  impl_->refused(std::move(refusal), now);
}
Output Shard::poll(TimePoint now) { return impl_->poll(now); }
std::vector<IkeSaStatus> Shard::list_sas(TimePoint now) const { return impl_->list_sas(now); }
std::vector<PolicyStatus> Shard::list_policies() const { return impl_->list_policies(); }
ShardStatistics Shard::statistics() const { return impl_->statistics(); }
const ConnectionTable& Shard::connections() const { return impl_->connections(); }
const SecretStore& Shard::secrets() const { return impl_->secrets(); }
const trace::Counters& Shard::counters() const { return impl_->counters(); }

}  // namespace culvert
