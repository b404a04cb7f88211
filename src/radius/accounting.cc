// Invariant: of one session at most one record is in flight, the first of its list; the list is
// empty exactly when the session is not counted as unacknowledged.
#include "radius/accounting.h"

#include <algorithm>

#include "base/limits.h"

namespace culvert::radius {
namespace {

// RFC 2866, 5.6
constexpr std::uint32_t kByRadius = 1;
constexpr std::uint32_t kLocally = 2;

std::uint32_t low(std::uint64_t count) { return static_cast<std::uint32_t>(count); }
std::uint32_t high(std::uint64_t count) { return static_cast<std::uint32_t>(count >> 32); }

std::uint32_t whole_seconds(Duration duration) {
  return low(static_cast<std::uint64_t>(
      std::max(std::chrono::duration_cast<std::chrono::seconds>(duration).count(), 0L)));
}

void add_usage(AttributeWriter& writer, const Usage& usage) {
  writer.add(Type::acct_input_octets, low(usage.octets_in));
  writer.add(Type::acct_input_gigawords, high(usage.octets_in));
  writer.add(Type::acct_output_octets, low(usage.octets_out));
  writer.add(Type::acct_output_gigawords, high(usage.octets_out));
  // RFC 2866 has no high halves for packets.
  writer.add(Type::acct_input_packets, low(usage.packets_in));
  writer.add(Type::acct_output_packets, low(usage.packets_out));
}

bool of_session(Accounting::Status status) {
  return status != Accounting::Status::on && status != Accounting::Status::off;
}

}  // namespace

Accounting::SessionHandle Accounting::start(Session session, std::chrono::sys_seconds wall,
                                            TimePoint now) {
  const auto interval = session.interim;
  const auto handle = kept_.emplace(Kept{.session = std::move(session), .began = now});
  set_interim(handle, interval, now);
  add(handle, {.status = Status::start, .wall = wall, .at = now}, now);
  return handle;
}

void Accounting::set_interim(SessionHandle session, std::chrono::seconds interval, TimePoint now) {
  Kept* kept = kept_.get(session);
  if (!kept || kept->stopped) return;
  const bool never = interval <= std::chrono::seconds::zero();
  kept->session.interim = never ? interval : std::max(interval, kMinInterim);
  kept->next_interim = never ? kNever : now + kept->session.interim;
  if (!never) timers_.schedule(kept->next_interim, session);
}

void Accounting::interim(SessionHandle session, const Usage& usage, std::chrono::sys_seconds wall,
                         TimePoint now) {
  Kept* kept = kept_.get(session);
  if (!kept || kept->stopped) return;
  // A newer one says all that the older one did.
  auto& records = kept->records;
  if (records.size() > 1 && records.back().status == Status::interim) records.pop_back();
  add(session, {.status = Status::interim, .usage = usage, .wall = wall, .at = now}, now);
}

void Accounting::stop(SessionHandle session, const Usage& usage, TerminateCause cause,
                      std::chrono::sys_seconds wall, TimePoint now) {
  Kept* kept = kept_.get(session);
  if (!kept || kept->stopped) return;
  kept->stopped = true;
  kept->next_interim = kNever;
  if (kept->records.size() > 1 && kept->records.back().status == Status::interim)
    kept->records.pop_back();
  make_room(now);
  ended_.push_back(session);
  add(session, {.status = Status::stop, .usage = usage, .cause = cause, .wall = wall, .at = now},
      now);
}

void Accounting::on(std::chrono::sys_seconds wall, TimePoint now) {
  machine(Status::on, wall, now);
}
void Accounting::off(std::chrono::sys_seconds wall, TimePoint now) {
  machine(Status::off, wall, now);
}

void Accounting::machine(Status status, std::chrono::sys_seconds wall, TimePoint now) {
  const auto handle = kept_.emplace(Kept{.began = now, .stopped = true});
  add(handle, {.status = status, .wall = wall, .at = now}, now);
}

// No server has been there for very long: the oldest of the sessions that have ended gives way.
void Accounting::make_room(TimePoint now) {
  while (!ended_.empty() && !kept_.get(ended_.front())) ended_.pop_front();
  if (ended_.size() < limits::kMaxAccountingRecords) return;
  const auto oldest = ended_.front();
  ended_.pop_front();
  Kept& kept = *kept_.get(oldest);
  outputs_.push_back(NotTaken{kept.session.id, {}, true});
  client_->cancel(kept.in_flight, now);
  in_flight_.erase(kept.in_flight);
  --unacknowledged_;
  kept_.erase(oldest);
}

void Accounting::add(SessionHandle handle, Record record, TimePoint now) {
  Kept& kept = *kept_.get(handle);
  if (kept.records.empty()) ++unacknowledged_;
  kept.records.push_back(record);
  if (kept.records.size() == 1) send_next(handle, now);
}

void Accounting::send_next(SessionHandle handle, TimePoint now) {
  Kept& kept = *kept_.get(handle);
  kept.next_try = kNever;
  kept.in_flight = client_->send(
      {.code = Code::accounting_request, .attributes = attributes(kept, kept.records.front(), now)},
      now);
  in_flight_.emplace(kept.in_flight, handle);
}

Bytes Accounting::attributes(const Kept& kept, const Record& record, TimePoint now) const {
  Bytes out;
  AttributeWriter writer(out);
  const Session& session = kept.session;
  writer.add(Type::acct_status_type, static_cast<std::uint32_t>(record.status));
  add_nas(writer, nas_);
  writer.add(Type::event_timestamp,
             low(static_cast<std::uint64_t>(std::max(record.wall.time_since_epoch().count(), 0L))));
  writer.add(Type::acct_delay_time, whole_seconds(now - record.at));
  if (!of_session(record.status)) return out;
  writer.add(Type::acct_session_id, session.id);
  writer.add(Type::user_name, session.user_name);
  add_port(writer, session.port);
  writer.add(Type::acct_authentic, session.by_radius ? kByRadius : kLocally);
  const std::size_t shown = std::min(session.addresses.size(), limits::kMaxAuthorizationItems);
  for (std::size_t i = 0; i < shown; ++i)
    writer.add(Type::framed_ip_address, Type::framed_ipv6_address, session.addresses[i]);
  for (const Bytes& value : session.classes)
    if (out.size() + value.size() + 2 < kMaxRequestAttributes / 2) writer.add(Type::class_, value);
  if (record.status == Status::start) return out;
  add_usage(writer, record.usage);
  writer.add(Type::acct_session_time, whole_seconds(record.at - kept.began));
  if (record.status == Status::stop)
    writer.add(Type::acct_terminate_cause, static_cast<std::uint32_t>(record.cause));
  return out;
}

void Accounting::use(Client& client, Nas nas, TimePoint now) {
  client_ = &client;
  nas_ = std::move(nas);
  for (const auto& [id, handle] : std::exchange(in_flight_, {})) send_next(handle, now);
}

// The first record of its list is over.
void Accounting::done(SessionHandle handle, TimePoint now) {
  Kept& kept = *kept_.get(handle);
  kept.records.pop_front();
  kept.complained = false;
  if (!kept.records.empty()) return send_next(handle, now);
  --unacknowledged_;
  if (kept.stopped) kept_.erase(handle);
}

bool Accounting::take(const Answered& answered, TimePoint now) {
  const auto found = in_flight_.find(answered.id);
  if (found == in_flight_.end()) return false;
  const auto handle = found->second;
  in_flight_.erase(found);
  done(handle, now);
  return true;
}

bool Accounting::take(const Failed& failed, TimePoint now) {
  const auto found = in_flight_.find(failed.id);
  if (found == in_flight_.end()) return false;
  const auto handle = found->second;
  in_flight_.erase(found);
  Kept& kept = *kept_.get(handle);
  const bool lost = failed.failure.kind == Failure::Kind::unsendable;
  if (!kept.complained) outputs_.push_back(NotTaken{kept.session.id, failed.failure, lost});
  kept.complained = true;
  if (lost) {
    done(handle, now);
  } else {
    kept.next_try = now + retry_;
    timers_.schedule(kept.next_try, handle);
  }
  return true;
}

void Accounting::expire(SessionHandle handle, TimePoint now) {
  Kept* kept = kept_.get(handle);
  if (!kept) return;
  if (kept->next_interim <= now) {
    kept->next_interim = now + kept->session.interim;
    timers_.schedule(kept->next_interim, handle);
    outputs_.push_back(UsageWanted{handle});
  }
  if (kept->next_try <= now) send_next(handle, now);
}

std::optional<Accounting::Output> Accounting::poll(TimePoint now) {
  while (outputs_.empty()) {
    const auto due = timers_.pop_due(now);
    if (!due) return std::nullopt;
    expire(*due, now);
  }
  Output next = std::move(outputs_.front());
  outputs_.pop_front();
  return next;
}

const Session* Accounting::find(SessionHandle session) const {
  const Kept* kept = kept_.get(session);
  return kept && !kept->stopped ? &kept->session : nullptr;
}

}  // namespace culvert::radius
