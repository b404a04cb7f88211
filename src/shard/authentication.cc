// Jobs of authentication: what is asked of others on behalf of an IKE SA, and their answers.
#include "ikev2/ike_auth.h"
#include "shard/impl.h"

namespace culvert {

void Shard::Impl::run(LoadUser&& command, TimePoint) { users_.add(std::move(command.user)); }

void Shard::Impl::run(UnloadUser&& command, TimePoint) { users_.remove(command.name); }

void Shard::Impl::run(LoadSubscriber&& command, TimePoint) {
  subscribers_.add(std::move(command.subscriber));
}

void Shard::Impl::run(UnloadSubscriber&& command, TimePoint) {
  subscribers_.remove(command.identity);
}

void Shard::Impl::run(LoadCertificate&& command, TimePoint) {
  if (command.is_ca)
    credentials_.store().add_ca(std::move(command.certificate));
  else
    credentials_.store().add_certificate(std::move(command.certificate));
}

void Shard::Impl::run(LoadCrl&& command, TimePoint) {
  credentials_.store().add_crl(std::move(command.crl));
}

void Shard::Impl::run(LoadKey&& command, TimePoint) {
  credentials_.add_key(std::move(command.key));
}

void Shard::Impl::run(UnloadKey&& command, TimePoint) { credentials_.remove_key(command.key); }

void Shard::Impl::run(ClearCertificates&&, TimePoint) { credentials_.clear(); }

void Shard::Impl::run(SetDate&& command, TimePoint now) {
  date_ = command.date;
  date_set_ = now;
}

std::chrono::sys_seconds Shard::Impl::date(TimePoint now) const {
  return std::chrono::floor<std::chrono::seconds>(date_ + (now - date_set_));
}

JobId Shard::Impl::make_signature(const IkeSa& sa, const KeyId& key, const SignatureScheme& scheme,
                                  Bytes octets) {
  const JobId job = new_job(sa);
  outputs_.push_back(MakeSignature{job, key, scheme, std::move(octets)});
  return job;
}

JobId Shard::Impl::fetch_evidence(const IkeSa& sa, std::vector<FetchRequest> requests) {
  const JobId job = new_job(sa);
  outputs_.push_back(FetchEvidence{job, std::move(requests)});
  return job;
}

void Shard::Impl::complete(JobId job, FetchedEvidence&& answer, TimePoint now) {
  resume(job, now,
         [&](IkeSa& sa) { ikev2::evidence_fetched(*this, sa, job, std::move(answer), now); });
}

void Shard::Impl::complete(JobId job, MadeSignature&& answer, TimePoint now) {
  resume(job, now,
         [&](IkeSa& sa) { ikev2::signature_made(*this, sa, job, std::move(answer), now); });
}

}  // namespace culvert
