// The inside of a shard: its tables, and itself as the host of its IKE SAs.
// Invariant: every IKE SA is in sas_ and by_spi_ for its whole life; every other index is derived
// from its state and is cleared in retire().
#pragma once

#include <array>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/timer_queue.h"
#include "ikev2/host.h"
#include "shard/cookie.h"
#include "shard/half_open.h"
#include "shard/shard.h"

namespace culvert {

using ikev2::IkeSa;
using SaHandle = Handle<IkeSa>;

class Shard::Impl final : public ikev2::Host {
 public:
  Impl(ShardOptions options, Provider& provider);

  // routing.cc
  void receive(const Datagram& datagram, TimePoint now);
  // commands.cc
  void command(Command&& command, TimePoint now);
  void complete(JobId job, PeerResolution&& answer, TimePoint now);
  // network.cc
  void complete(JobId job, FoundPaths&& answer, TimePoint now);
  // authentication.cc
  void complete(JobId job, MadeSignature&& answer, TimePoint now);
  // addresses.cc
  void complete(JobId job, LeaseGrant&& answer, TimePoint now);
  void complete(JobId job, FetchedEvidence&& answer, TimePoint now);
  // aaa.cc
  void complete(JobId job, AaaAnswer&& answer, TimePoint now);
  // notices.cc
  void notice(const SadNotice& notice, TimePoint now);
  void last_use(SaPairId pair, TimePoint last_use, TimePoint now);
  void refused(SadRefusal&& refusal, TimePoint now);
  // shard.cc
  Output poll(TimePoint now);
  // report.cc
  std::vector<IkeSaStatus> list_sas(TimePoint now) const;
  std::vector<PolicyStatus> list_policies() const;
  ShardStatistics statistics() const;
  const trace::Counters& counters() const { return counters_; }

  // Host
  Provider& provider() override { return provider_; }
  const IkeOptions& options() const override { return options_; }
  const ConnectionTable& connections() const override { return connections_; }
  const SecretStore& secrets() const override { return secrets_; }
  const eap::UserStore& users() const override { return users_; }
  eap::SubscriberStore& subscribers() override { return subscribers_; }
  Credentials& credentials() override { return credentials_; }
  std::chrono::sys_seconds date(TimePoint now) const override;
  void transmit(Transmit&& message) override { outputs_.push_back(std::move(message)); }
  void apply(SadOp&& operation) override { outputs_.push_back(std::move(operation)); }
  void emit(trace::Event&& event) override;
  void finished(CommandId command, bool success, const std::string& explanation) override;
  void child_missing(const IkeSa& sa) override;
  void child_closing(const IkeSa& sa, const ikev2::ChildSa& child) override;
  void up_down(const IkeSa& sa, bool up, std::optional<std::size_t> child) override;
  void ike_rekeyed(const IkeSa& old, const IkeSa& successor) override;
  void child_rekeyed(const IkeSa& sa, std::size_t old, std::size_t successor) override;
  void endpoints_changing(const IkeSa& sa, const Endpoint& local, const Endpoint& remote) override;
  void keepalive(Keepalive&& due) override { outputs_.push_back(std::move(due)); }
  void find_paths(const IkeSa& sa, std::vector<IpAddress> remotes) override;
  JobId make_signature(const IkeSa& sa, const KeyId& key, const SignatureScheme& scheme,
                       Bytes octets) override;
  JobId lease_addresses(const IkeSa& sa, LeaseRequest&& request) override;
  std::vector<IpAddress> renewable_addresses(const IkeSa& sa, bool all) const override;
  void assign_addresses(const IkeSa& sa) override;
  JobId fetch_evidence(const IkeSa& sa, std::vector<FetchRequest> requests) override;
  JobId ask_aaa(const IkeSa& sa, Bytes eap, std::unique_ptr<AaaLogin> login) override;
  SessionId begin_session(const IkeSa& sa) override;
  void own_session(const IkeSa& sa) override { sessions_[sa.session->id] = sa.self; }
  const std::vector<IpAddress>& own_addresses() const override { return own_addresses_; }
  std::uint64_t new_ike_spi() override;
  std::uint32_t new_child_spi() override;
  void release_child_spi(std::uint32_t spi) override { child_spis_.erase(spi); }
  std::uint16_t new_cpi() override;
  void release_cpi(std::uint16_t cpi) override { cpis_.erase(cpi); }
  std::uint32_t new_child_id() override { return ++last_child_id_; }
  SaPairId new_pair_id() override { return {++last_pair_}; }
  PolicyId new_policy_id() override { return {++last_policy_}; }
  std::uint32_t reqid_for(const IkeSa& sa, const ikev2::ChildSa& child) override;
  IkeSa& create_successor(const IkeSa& old, ikev2::Role role, std::uint64_t spi_i,
                          std::uint64_t spi_r) override;
  IkeSa* find(SaHandle sa) override { return sas_.get(sa); }
  void touched(const IkeSa& sa) override { touched_.push_back(sa.self); }
  void reauthenticate(IkeSa& sa) override;
  void ask_last_use(SaPairId pair) override { outputs_.push_back(AskLastUse{pair}); }
  bool pfs_is_known(const IkeSa& sa, const ChildConfig& child) const override;
  void know_pfs(const IkeSa& sa, const ChildConfig& child) override;
  void authenticated(IkeSa& sa, bool initial_contact) override;
  bool has_elder(const IkeSa& sa, const ikev2::ChildSa& child) const override;
  bool is_first_contact(const IkeSa& sa) const override;
  ikev2::FragmentPool& fragment_pool() override { return fragment_pool_; }
  void own_pair(SaPairId pair, const IkeSa& sa) override;
  void disown_pair(SaPairId pair) override;

 private:
  // Identities that many peers share have many SAs: a look through them ends after some.
  static constexpr int kMostAlike = 16;

  struct Restart {
    TimePoint at = kNever;
    std::uint32_t attempt = 0;  // without success since the connection was last up
    std::vector<ikev2::Waiter> waiters;
  };

  // ---- SAs (lifecycle.cc) ----
  IkeSa& create();
  // After anything has touched an SA: takes it down if it is closed, else arms its timer.
  void settle(SaHandle handle, TimePoint now);
  void settle_touched(TimePoint now);
  void retire(SaHandle handle, TimePoint now);
  void give_back_addresses(IkeSa& sa);
  void supersede(IkeSa& old, bool peer_has_none);
  // Its IKE SA has gone.
  void close_session(const IkeSa& sa, std::string_view by);
  void index_half_open(const IkeSa& sa);
  bool unindex_half_open(const IkeSa& sa);  // true when it was half-open
  void expire_timers(TimePoint now);
  // Whether both ends began at once; then which of the two SAs goes, the same on both ends.
  bool crossed(const IkeSa& sa, const IkeSa& other) const;
  void settle_crossed(IkeSa& sa, IkeSa& other);

  // ---- jobs: questions on behalf of an SA ----
  JobId new_job(const IkeSa& sa) {
    const JobId job{++last_job_};
    jobs_[job] = sa.self;
    return job;
  }
  // Hands the SA that has asked to `go_on`. False: it has gone, or nobody has asked.
  template <class GoOn>
  bool resume(JobId job, TimePoint now, GoOn go_on) {
    now_ = now;
    const auto waiting = jobs_.extract(job);
    IkeSa* sa = waiting ? sas_.get(waiting.mapped()) : nullptr;
    if (!sa) return false;
    go_on(*sa);
    settle(waiting.mapped(), now);
    settle_touched(now);
    return true;
  }

  // ---- again (restart.cc) ----
  void act_on_end(const IkeSa& sa, TimePoint now);
  void act(const IkeSa& sa, const ikev2::ChildSa& child, CloseAction action, TimePoint now);
  void schedule_restart(const IkeSa& sa, bool was_established, TimePoint now);
  void try_again(const ConnectionRef& connection, std::vector<ikev2::Waiter>& waiters,
                 TimePoint now);
  void schedule(const std::string& connection, Restart& restart, bool at_first, TimePoint now);
  void restart_later(const std::string& connection, bool at_first, TimePoint now);
  bool cancel_restart(const std::string& connection, const std::string& why);
  void restart_due(TimePoint now);

  // ---- messages (routing.cc) ----
  void answer_first_message(const wire::Header& header, const Datagram& datagram, TimePoint now);
  void refuse_first_message(const wire::Header& header, const Datagram& datagram,
                            const Error& error);
  bool repeat_first_response(const wire::Header& header, const Datagram& datagram);
  bool admit(const wire::Header& header, std::span<const wire::Payload> payloads,
             const Datagram& datagram, TimePoint now);
  bool has_shown_cookie(const wire::Header& header, std::span<const wire::Payload> payloads,
                        const Datagram& datagram, TimePoint now);
  bool needs_cookie(const IpAddress& source);
  void make_room(const IpAddress& source, TimePoint now);
  void tell_of(const Datagram& datagram, trace::Body&& body);
  void refuse_version(const wire::Header& header, const Datagram& datagram);
  void drop(const Datagram& datagram, Reason reason, std::string_view what,
            std::uint32_t offset = 0);

  // ---- commands (commands.cc) ----
  void run(Initiate&& command, TimePoint now);
  void run(Terminate&& command, TimePoint now);
  void run(Rekey&& command, TimePoint now);
  void run(LoadConnection&& command, TimePoint now);
  void run(UpdateConnection&& command, TimePoint now);
  void run(UnloadConnection&& command, TimePoint now);
  void run(LoadSecret&& command, TimePoint now);
  void run(UnloadSecret&& command, TimePoint now);
  void run(ClearSecrets&& command, TimePoint now);
  void run(LoadUser&& command, TimePoint now);
  void run(LoadCertificate&& command, TimePoint now);
  void run(LoadCrl&& command, TimePoint now);
  void run(LoadKey&& command, TimePoint now);
  void run(UnloadKey&& command, TimePoint now);
  void run(ClearCertificates&& command, TimePoint now);
  void run(UnloadUser&& command, TimePoint now);
  void run(LoadSubscriber&& command, TimePoint now);
  void run(UnloadSubscriber&& command, TimePoint now);
  void run(SetDate&& command, TimePoint now);
  void run(InstallTrap&& command, TimePoint now);
  void run(UninstallTrap&& command, TimePoint now);
  void run(Shutdown&& command, TimePoint now);
  void run(NetworkChanged&& command, TimePoint now);
  void run(EndSession&& command, TimePoint now);
  void run(ChangeSession&& command, TimePoint now);
  // What Terminate and Rekey name: IKE SAs, or the CHILD SAs of IKE SAs.
  struct Selection {
    std::vector<SaHandle> ikes;
    std::vector<std::pair<SaHandle, SaPairId>> children;
    bool empty() const { return ikes.empty() && children.empty(); }
  };
  template <class C>
  Selection select(const C& command);
  // `scope`: traffic that waits for the (only) child.
  void bring_up(CommandId command, const ConnectionRef& connection,
                std::vector<const ChildConfig*> children, TimePoint now,
                const ikev2::ScopeRef& scope = nullptr);
  void bring_up(const ConnectionRef& connection, std::vector<ikev2::Waiter>&& waiters,
                TimePoint now);
  void bring_up_on(IkeSa& sa, const ConnectionRef& connection, std::vector<ikev2::Waiter>&& waiters,
                   TimePoint now);
  void start(const ConnectionRef& connection, std::vector<ikev2::Waiter>&& waiters,
             const IpAddress& local, const IpAddress& remote, TimePoint now);
  IkeSa* find_sa_of(const ConnectionRef& connection);
  // Reauthentication: an SA with the same peer that is younger than `old`, and giving it the place.
  IkeSa* find_newer(const IkeSa& old);
  void hand_over(IkeSa& old, IkeSa& newer);
  void terminate_ike(CommandId command, IkeSa& sa, bool force, TimePoint now);
  void terminate_child(CommandId command, IkeSa& sa, SaPairId pair, TimePoint now);
  void expect(CommandId command, std::uint32_t parts);
  void done(CommandId command, bool success, std::string explanation);
  // Puts it into the table, with its traps; the children that its actions want up.
  std::vector<const ChildConfig*> load(const ConnectionRef& connection);
  // The inverse of start_action = start, when its configuration goes.
  void undo_starts(const ConnectionConfig& connection, TimePoint now);
  void adopt(IkeSa& sa, const UpdateConnection& update, TimePoint now);
  void adopt_times(IkeSa& sa, const ConnectionConfig& old, TimePoint now);
  // `acquires`: traffic brings the child up; otherwise the trap only holds its traffic back.
  void install_trap(const ConnectionRef& connection, const ChildConfig& child, bool acquires);
  bool uninstall_trap(const std::string& connection, const std::string& child);

  static constexpr Duration kReauthenticateAgain = std::chrono::seconds(30);

  using NameIndex = std::set<std::pair<std::uint64_t, SaHandle>>;
  static std::uint64_t key_of(std::string_view name) { return std::hash<std::string_view>{}(name); }
  static std::uint64_t identity_key(const IkeSa& sa);
  static bool is_same_peer(const IkeSa& one, const IkeSa& other);

  struct Tracker {
    std::uint32_t parts = 0;
    bool success = true;
    std::string explanation;
  };
  struct PendingStart {
    ConnectionRef connection;
    std::vector<ikev2::Waiter> waiters;
  };
  struct Trap {
    PolicyId policy;
    ConnectionRef connection;
    const ChildConfig* child;
    bool acquires;
    std::uint32_t reqid;
    std::vector<TrafficSelector> local_ts, remote_ts;
  };

  ShardOptions options_;
  Provider& provider_;
  ConnectionTable connections_;
  SecretStore secrets_;
  eap::UserStore users_;
  eap::SubscriberStore subscribers_;
  Credentials credentials_;
  std::chrono::sys_time<Duration> date_{};  // at date_set_
  TimePoint date_set_{};
  CookieJar cookies_;
  trace::Counters counters_;
  std::deque<Output> outputs_;
  TimePoint now_{};  // of the input that is being worked on

  ikev2::FragmentPool fragment_pool_;  // outlives the SAs
  Slab<IkeSa> sas_;
  std::unordered_map<std::uint64_t, SaHandle> by_spi_;
  HalfOpenTable half_open_;
  FailureLog failures_;
  bool cookies_wanted_ = false;
  std::unordered_map<SaPairId, SaHandle> pair_owner_;
  std::unordered_set<std::uint32_t> child_spis_;
  std::unordered_set<std::uint16_t> cpis_;
  NameIndex by_identity_, by_connection_;
  std::vector<SaHandle> touched_;
  TimerQueue<SaHandle> timers_;

  std::map<CommandId, Tracker> trackers_;
  std::multimap<SaPairId, CommandId> child_close_waiters_;
  std::map<JobId, PendingStart> resolving_;
  using ChildName = std::pair<std::string, std::string>;  // of connection and child
  std::map<ChildName, Trap> traps_;
  std::set<ChildName> known_pfs_;
  std::unordered_map<PolicyId, ChildName> trap_names_;
  std::unordered_map<JobId, SaHandle> jobs_;  // and who waits for them
  std::unordered_map<SessionId, SaHandle> sessions_;
  std::vector<IpAddress> own_addresses_;
  std::map<std::string, Restart> restarts_;
  TimerQueue<std::string> restart_timers_;
  TimePoint shutdown_deadline_ = kNever;
  CommandId shutdown_command_;
  bool shutting_down_ = false;

  // Events that strangers can cause are counted always and told a bounded number of times a second.
  TimePoint event_second_{};
  std::array<std::uint32_t, 2> told_{};

  std::uint32_t last_ike_id_ = 0, last_child_id_ = 0, last_reqid_ = 0;
  std::uint64_t last_pair_ = 0, last_policy_ = 0, last_job_ = 0, last_session_ = 0;
};

}  // namespace culvert
