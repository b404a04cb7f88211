// Logins that AAA servers decide: questions on behalf of IKE SAs, and their answers.
#include "ikev2/aaa_session.h"
#include "ikev2/eap_relay.h"
#include "ikev2/tasks.h"
#include "shard/impl.h"

namespace culvert {
namespace {

// RFC 2866, 5.10
radius::TerminateCause cause_of(std::string_view by, bool shutting_down) {
  using radius::TerminateCause;
  if (shutting_down) return TerminateCause::admin_reboot;
  if (by == "peer" || by == "restart of the peer" || by == "replacement")
    return TerminateCause::user_request;
  if (by == "timeout") return TerminateCause::lost_carrier;
  return by == "failure" ? TerminateCause::nas_error : TerminateCause::admin_reset;
}

}  // namespace

JobId Shard::Impl::ask_aaa(const IkeSa& sa, Bytes eap, std::unique_ptr<AaaLogin> login) {
  const JobId job = new_job(sa);
  outputs_.push_back(AskAaa{job,
                            sa.connection->remote.aaa.value_or(std::string()),
                            {sa.unique_id, sa.connection->name, sa.local, sa.remote},
                            std::move(eap),
                            std::move(login)});
  return job;
}

void Shard::Impl::complete(JobId job, AaaAnswer&& answer, TimePoint now) {
  resume(job, now, [&](IkeSa& sa) { ikev2::aaa_answered(*this, sa, job, std::move(answer)); });
}

SessionId Shard::Impl::begin_session(const IkeSa& sa) {
  const SessionId id{++last_session_};
  sessions_[id] = sa.self;
  const bool gave = sa.assigned && !sa.assigned->ours;
  outputs_.push_back(SessionBegan{id,
                                  sa.connection->remote.aaa.value_or(std::string()),
                                  {sa.unique_id, sa.connection->name, sa.local, sa.remote},
                                  sa.eap_user,
                                  sa.session->granted,
                                  gave ? sa.assigned->addresses : std::vector<IpAddress>{}});
  return id;
}

void Shard::Impl::own_pair(SaPairId pair, const IkeSa& sa) {
  pair_owner_[pair] = sa.self;
  if (sa.session) outputs_.push_back(SessionUses{sa.session->id, pair});
}

void Shard::Impl::close_session(const IkeSa& sa, std::string_view by) {
  using radius::TerminateCause;
  TerminateCause cause = sa.session->cause;
  if (cause == TerminateCause::none) cause = cause_of(by, shutting_down_);
  sessions_.erase(sa.session->id);
  outputs_.push_back(SessionEnded{sa.session->id, cause});
}

void Shard::Impl::run(EndSession&& command, TimePoint now) {
  const auto at = sessions_.find(command.session);
  IkeSa* sa = at == sessions_.end() ? nullptr : sas_.get(at->second);
  if (!sa) return;
  ikev2::end_session(*sa, command.cause);
  ikev2::run_next_task(*this, *sa, now);
  settle(sa->self, now);
}

void Shard::Impl::run(ChangeSession&& command, TimePoint now) {
  const auto at = sessions_.find(command.session);
  IkeSa* sa = at == sessions_.end() ? nullptr : sas_.get(at->second);
  if (!sa) return;
  ikev2::change_session(*this, *sa, *command.changes, now);
  settle(sa->self, now);
}

}  // namespace culvert
