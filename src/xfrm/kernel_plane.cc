// Invariant: sas_ and book_ hold exactly what the kernel was told and did not refuse; an operation
// that fails changes nothing that stays.
#include "xfrm/kernel_plane.h"

#include <fmt/format.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <set>

#include "esp/routes.h"
#include "ipsec/spi.h"
#include "xfrm/algorithms.h"
#include "xfrm/ike_sockets.h"
#include "xfrm/interfaces.h"
#include "xfrm/larval_settings.h"
#include "xfrm/leftovers.h"
#include "xfrm/policies.h"
#include "xfrm/refusals.h"
#include "xfrm/sa_book.h"
#include "xfrm/socket.h"

namespace culvert::xfrm {
namespace {

constexpr std::uint32_t kEventTag = 0, kAuditTag = 1, kFirstSocketTag = 2;
constexpr Duration kAcquireInterval = std::chrono::seconds(1);
constexpr std::uint32_t kNeverTold = 0xffff'ffff;
// Reqids of traps, away from those of SAs.
constexpr std::uint32_t kTrapReqid = 0x4000'0000;

using Start = std::expected<void, std::string>;

TimePoint clock_now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return TimePoint(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

// Seconds since 1970 on the clock that the shard is told.
TimePoint on_our_clock(std::uint64_t seconds) {
  const auto age = static_cast<std::int64_t>(time(nullptr)) - static_cast<std::int64_t>(seconds);
  return clock_now() - std::chrono::seconds(std::max<std::int64_t>(age, 0));
}

double random_part() {
  std::uint32_t value = 0;
  [[maybe_unused]] const ssize_t got = getrandom(&value, sizeof value, 0);
  return value / 4294967296.0;
}

class Plane final : public KernelPlane {
 public:
  Plane(const KernelPlaneOptions& options, RequestSocket requests, RequestSocket routing,
        EventSocket events, IkeSockets sockets, std::vector<std::string> missing, IkeSink sink)
      : options_(options),
        requests_(std::move(requests)),
        events_(std::move(events)),
        sockets_(std::move(sockets)),
        missing_(std::move(missing)),
        sink_(std::move(sink)),
        interfaces_(std::move(routing)) {}
  ~Plane() override;
  Start begin();

  Result<> apply(SadOp&& op) override;
  std::string refusal() const override { return refusal_; }
  std::optional<SaPairCounters> counters(SaPairId pair) override;
  std::vector<SadNotice> take_notices() override;
  int notice_fd() const override { return epoll_.get(); }
  bool prefers_udp_encap() const override { return false; }
  Start set_interfaces(const std::vector<XfrmInterface>& wanted) override;
  void send_ike(const Datagram& datagram) override { sockets_.send(datagram); }
  void send_keepalive(const Endpoint& local, const Endpoint& remote) override {
    sockets_.send_keepalive(local, remote);
  }
  std::vector<std::string> describe() const override;

 private:
  struct Policy {
    InstallPolicy wanted;
    TimePoint next_acquire = TimePoint::min();
  };
  Result<> carry_out(InstallSa&& op);
  Result<> carry_out(const UpdateSa& op);
  Result<> carry_out(const DeleteSa& op);
  Result<> carry_out(InstallPolicy&& op);
  Result<> carry_out(const UpdatePolicy& op);
  Result<> carry_out(const DeletePolicy& op);
  std::unexpected<Error> refuse(Fault fault, Reason reason, std::string why = {});
  // Errors other than `harmless` are refusals, which `what` names.
  Result<> commit(Batch& batch, const std::string& what, int harmless = 0);

  PolicyTarget target_of(const InstallPolicy& policy) const;
  Result<> put(PolicyId id, const InstallPolicy& policy);
  void route(const InstallPolicy& policy);
  void watch(int fd, std::uint32_t tag);
  void serve(const Event& event, std::vector<SadNotice>& notices);
  void acquired(const AcquireEvent& event, std::vector<SadNotice>& notices);
  void received(const ReplayEvent& event, std::vector<SadNotice>& notices);
  void schedule_audit();
  void audit(std::vector<SadNotice>& notices);

  KernelPlaneOptions options_;
  mutable RequestSocket requests_;
  EventSocket events_;
  IkeSockets sockets_;
  std::vector<std::string> missing_;
  LarvalSettings larval_{missing_};
  IkeSink sink_;
  std::size_t leftovers_ = 0;
  esp::FileDescriptor epoll_, audit_timer_;
  Interfaces interfaces_;
  std::unique_ptr<esp::RouteTable> routes_;
  SaBook sas_;
  PolicyBook book_;
  std::unordered_map<PolicyId, Policy> policies_;
  std::uint64_t overruns_ = 0;
  std::string refusal_;
};

Plane::~Plane() {
  Batch batch;
  book_.remove_all(batch);
  for (const auto& [id, pair] : sas_.pairs()) {
    if (pair.in) delete_half(batch, *pair.in);
    if (pair.out) delete_half(batch, *pair.out);
  }
  requests_.transact(batch);
}

void Plane::watch(int fd, std::uint32_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = tag;
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

Start Plane::begin() {
  epoll_ = esp::FileDescriptor(epoll_create1(EPOLL_CLOEXEC));
  audit_timer_ = esp::FileDescriptor(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!epoll_ || !audit_timer_)
    return std::unexpected(fmt::format("cannot wait for events: {}", std::strerror(errno)));
  leftovers_ = remove_leftovers(requests_) + interfaces_.remove_leftovers();
  watch(events_.fd(), kEventTag);
  watch(audit_timer_.get(), kAuditTag);
  for (std::size_t i = 0; i < sockets_.size(); ++i)
    watch(sockets_.fd(i), kFirstSocketTag + static_cast<std::uint32_t>(i));
  routes_ =
      TRY(esp::RouteTable::make({options_.route_table, options_.rule_priority, options_.mark, 0}));
  return {};
}

// ---- operations ----

std::unexpected<Error> Plane::refuse(Fault fault, Reason reason, std::string why) {
  refusal_ = std::move(why);
  return fail(fault, reason);
}

Result<> Plane::commit(Batch& batch, const std::string& what, int harmless) {
  Result<> result;
  for (const Ack& ack : requests_.transact(batch)) {
    if (ack.error == 0 || ack.error == harmless || !result) continue;
    refusal_ = refusal_sentence(what, ack);
    result = std::unexpected(error_of(ack));
  }
  return result;
}

Result<> Plane::apply(SadOp&& op) {
  refusal_.clear();
  return std::visit([this](auto&& one) { return carry_out(std::forward<decltype(one)>(one)); },
                    std::move(op));
}

Result<> Plane::carry_out(InstallSa&& op) {
  const bool in = op.direction == Direction::in;
  if (sas_.find(op.pair, op.direction)) return refuse(Fault::internal, Reason::invalid_argument);
  if (op.spi == 0 || op.local.address.is_none() ||
      op.local.address.family() != op.remote.address.family())
    return refuse(Fault::internal, Reason::invalid_argument);
  // So that ESP never follows the routes of its own tunnel.
  if (!in && !op.set_mark) op.set_mark = {options_.mark, 0xffff'ffff};
  Batch batch(2);
  const std::string what = fmt::format("the {} {} SA {} ({})", in ? "inbound" : "outbound",
                                       op.protocol == IpsecProtocol::ah ? "AH" : "ESP",
                                       spi_text(op.spi), cipher_text(op.cipher));
  if (auto added = add_sa(batch, op, random_part()); !added)
    return refuse(added.error().fault, added.error().reason,
                  fmt::format("the kernel has no {}; choose another proposal", what));
  if (auto done = commit(batch, what); !done) {
    Batch undo;
    // One of the two of an IPComp bundle may stand. An SA that another daemon has stays.
    if (op.cpi != 0) delete_half(undo, {name_of(op), op.cpi});
    requests_.transact(undo);
    return done;
  }
  sas_.add(op);
  return {};
}

Result<> Plane::carry_out(const DeleteSa& op) {
  const HalfPair* half = sas_.find(op.pair, op.direction);
  if (!half) return refuse(Fault::internal, Reason::not_found);
  Batch batch;
  delete_half(batch, *half);
  const std::string what = fmt::format("to delete the SA {}", spi_text(half->name.spi));
  sas_.remove(op.pair, op.direction);
  return commit(batch, what, ESRCH);  // a used-up SA the kernel has deleted itself
}

// The kernel can't change an SA's addresses, so the SA is read, and then deleted and added anew
// within one batch, with all that it was.
Result<> Plane::carry_out(const UpdateSa& op) {
  const SaPair* pair = sas_.find(op.pair);
  if (!pair) return refuse(Fault::internal, Reason::not_found);
  std::vector<std::pair<Direction, SaName>> olds;
  for (const Direction direction : {Direction::in, Direction::out})
    if (const HalfPair* half = sas_.find(op.pair, direction)) {
      olds.emplace_back(direction, half->name);
      if (const auto comp = half->comp_name()) olds.emplace_back(direction, *comp);
    }
  Batch question, batch(olds.size() * 2);
  for (const auto& [direction, name] : olds) get_sa(question, name);
  std::size_t readable = 0;
  requests_.transact(question, [&](std::size_t index, ByteView answer) {
    const auto& [direction, name] = olds[index];
    delete_sa(batch, name);
    if (add_moved_sa(batch, answer, direction, op)) ++readable;
  });
  if (readable != olds.size())
    return refuse(Fault::internal, Reason::not_found, "the kernel no longer has an SA that moved");
  CHECK_OK(commit(batch, "to move an SA to other addresses"));
  sas_.move(op);
  Result<> result;
  for (const PolicyId id : pair->policies) {
    const InstallPolicy& policy = policies_.at(id).wanted;
    if (auto done = put(id, policy); !done) result = done;
    routes_->remove(id);
    route(policy);
  }
  return result;
}

PolicyTarget Plane::target_of(const InstallPolicy& policy) const {
  const SaPair* pair = sas_.find(policy.pair);
  if (!pair) {
    // A trap's template must match no SA, or the packet would not be told.
    PolicyTarget trap{policy.local.address, policy.remote.address};
    trap.reqid = kTrapReqid | static_cast<std::uint32_t>(policy.policy.value & 0x3fff'ffff);
    return trap;
  }
  PolicyTarget target{pair->local, pair->remote};
  target.reqid = pair->reqid;
  if (!pair->out) return target;
  target.spi_out = pair->out->name.spi;
  target.cpi_out = pair->out->cpi;
  target.ipcomp = pair->ipcomp();
  return target;
}

Result<> Plane::put(PolicyId id, const InstallPolicy& policy) {
  int interface = 0;
  if (!policy.interface.empty()) {
    interface = static_cast<int>(if_nametoindex(policy.interface.c_str()));
    if (interface == 0)
      return refuse(Fault::local_policy, Reason::not_found,
                    fmt::format("there is no interface {}", policy.interface));
  }
  auto wanted = kernel_policies(policy, target_of(policy), interface);
  if (!wanted) return refuse(Fault::local_policy, Reason::unsupported, std::move(wanted.error()));
  Batch batch;
  book_.set(id, std::move(*wanted), batch);
  return commit(batch, fmt::format("the policy {} === {}", to_string(policy.local_ts),
                                   to_string(policy.remote_ts)));
}

// A route is what makes packets to the far side meet the SPD on a host without a default route; it
// is worth having, but not worth a tunnel.
void Plane::route(const InstallPolicy& policy) {
  if (policy.mode == Mode::transport || policy.mode == Mode::drop) return;
  if (policy.if_id_out != 0) {
    if (const unsigned device = interfaces_.routed(policy.if_id_out)) [[maybe_unused]]
      const auto done = routes_->add(policy, {device, {}});
    return;
  }
  if (policy.mode == Mode::pass) {
    [[maybe_unused]] const auto done = routes_->add(policy, {});
    return;
  }
  const IpAddress remote = target_of(policy).remote;
  if (remote.is_unspecified()) return;
  if (const auto hop = routes_->next_hop(remote)) [[maybe_unused]]
    const auto done = routes_->add(policy, *hop);
}

Result<> Plane::carry_out(InstallPolicy&& op) {
  if (policies_.contains(op.policy)) return refuse(Fault::internal, Reason::invalid_argument);
  const PolicyId id = op.policy;
  if (auto done = put(id, op); !done) {
    Batch undo;
    book_.remove(id, undo);
    requests_.transact(undo);
    return done;
  }
  sas_.link(id, {}, op.pair);
  route(op);
  policies_[id] = {std::move(op)};
  return {};
}

Result<> Plane::carry_out(const UpdatePolicy& op) {
  const auto found = policies_.find(op.policy);
  if (found == policies_.end()) return refuse(Fault::internal, Reason::not_found);
  InstallPolicy& wanted = found->second.wanted;
  sas_.link(op.policy, wanted.pair, op.pair);
  wanted.pair = op.pair;
  return put(op.policy, wanted);
}

Result<> Plane::carry_out(const DeletePolicy& op) {
  const auto found = policies_.find(op.policy);
  if (found == policies_.end()) return refuse(Fault::internal, Reason::not_found);
  sas_.link(op.policy, found->second.wanted.pair, {});
  routes_->remove(op.policy);
  policies_.erase(found);
  Batch batch;
  book_.remove(op.policy, batch);
  return commit(batch, "to delete a policy", ENOENT);
}

// An interface takes the routes through it with it.
Start Plane::set_interfaces(const std::vector<XfrmInterface>& wanted) {
  const auto done = interfaces_.set(wanted);
  for (const auto& [id, policy] : policies_) {
    if (policy.wanted.if_id_out == 0) continue;
    routes_->remove(id);
    route(policy.wanted);
  }
  return done;
}

// ---- questions ----

std::optional<SaPairCounters> Plane::counters(SaPairId id) {
  if (!sas_.find(id)) return std::nullopt;
  Batch question;
  std::vector<bool> inbound;
  for (const Direction direction : {Direction::in, Direction::out})
    if (const HalfPair* half = sas_.find(id, direction)) {
      get_sa(question, half->name);
      inbound.push_back(direction == Direction::in);
    }
  SaPairCounters counters;
  requests_.transact(question, [&](std::size_t index, ByteView answer) {
    const auto state = parse_sa(answer);
    if (!state) return;
    SaCounters& to = inbound[index] ? counters.in : counters.out;
    to.bytes = state->bytes;
    to.packets = state->packets;
    if (state->last_used != 0) to.last_used = on_our_clock(state->last_used);
    if (!inbound[index]) return;
    counters.replayed = state->replayed;
    counters.integrity_failed = state->integrity_failed;
  });
  return counters;
}

std::vector<std::string> Plane::describe() const {
  const auto inbound = std::ranges::count_if(
      sas_.names(), [](const auto& one) { return one.second.direction == Direction::in; });
  std::vector<std::string> lines{fmt::format(
      "SAs: {} inbound, {} outbound; policies: {}; routed prefixes: {}", inbound,
      static_cast<std::ptrdiff_t>(sas_.names().size()) - inbound, book_.size(), routes_->size())};
  if (overruns_ != 0) lines.push_back(fmt::format("events lost to overload: {} times", overruns_));
  if (leftovers_ != 0)
    lines.push_back(fmt::format(
        "removed at start: {} SAs, policies and interfaces of a killed culvertd", leftovers_));
  for (const std::string& missing : missing_) lines.push_back("missing: " + missing);
  return lines;
}

// ---- events ----

std::vector<SadNotice> Plane::take_notices() {
  std::vector<SadNotice> notices;
  epoll_event ready[16];
  const int count = epoll_wait(epoll_.get(), ready, std::size(ready), 0);
  for (int i = 0; i < count; ++i) {
    const std::uint32_t tag = ready[i].data.u32;
    if (tag >= kFirstSocketTag) {
      sockets_.receive(tag - kFirstSocketTag, sink_);
    } else if (tag == kAuditTag) {
      audit(notices);
    } else {
      bool overrun = false;
      for (const Event& event : events_.receive(overrun)) serve(event, notices);
      if (overrun) schedule_audit();
    }
  }
  return notices;
}

void Plane::serve(const Event& event, std::vector<SadNotice>& notices) {
  if (const auto* acquire = std::get_if<AcquireEvent>(&event)) return acquired(*acquire, notices);
  if (const auto* replay = std::get_if<ReplayEvent>(&event)) return received(*replay, notices);
  if (const auto* expire = std::get_if<ExpireEvent>(&event)) {
    if (const SaBook::Owner* owner = sas_.owner_of(expire->name))
      notices.push_back(Expire{owner->pair, owner->direction, expire->hard});
  } else if (const auto* mapping = std::get_if<MappingEvent>(&event)) {
    if (const SaBook::Owner* owner = sas_.owner_of(mapping->name))
      notices.push_back(MappingChange{owner->pair, mapping->remote});
  }
}

void Plane::acquired(const AcquireEvent& event, std::vector<SadNotice>& notices) {
  const auto policy = policies_.find(book_.holder(event.key));
  if (policy == policies_.end()) return;
  const TimePoint now = clock_now();
  if (now < policy->second.next_acquire) return;
  policy->second.next_acquire = now + kAcquireInterval;
  notices.push_back(Acquire{policy->first, event.local, event.remote});
}

// The kernel tells of the first packet, because the threshold is one. After that it tells once a
// second while there are packets, and at once of the first one after a silence, if only no
// threshold is reached any more.
void Plane::received(const ReplayEvent& event, std::vector<SadNotice>& notices) {
  const SaBook::Owner* owner = sas_.owner_of(event.name);
  if (!owner || owner->direction != Direction::in) return;
  HalfPair& half = *sas_.find(owner->pair)->in;
  if (half.watched) {
    Batch batch;
    set_replay_threshold(batch, half.name, kNeverTold);
    requests_.transact(batch);
    half.watched = false;
  }
  notices.push_back(Activity{owner->pair});
}

// Lost events may have been expiries: what the SAD says now, makes up for them. Once a second at
// most, since it costs as much as there are SAs.
void Plane::schedule_audit() {
  ++overruns_;
  itimerspec in_a_second{};
  itimerspec pending{};
  timerfd_gettime(audit_timer_.get(), &pending);
  if (pending.it_value.tv_sec != 0 || pending.it_value.tv_nsec != 0) return;
  in_a_second.it_value.tv_sec = 1;
  timerfd_settime(audit_timer_.get(), 0, &in_a_second, nullptr);
}

void Plane::audit(std::vector<SadNotice>& notices) {
  std::uint64_t expirations;
  [[maybe_unused]] const ssize_t got = read(audit_timer_.get(), &expirations, sizeof expirations);
  std::set<std::pair<std::uint64_t, Direction>> present;
  Batch question;
  dump_sas(question);
  const auto acks = requests_.transact(question, [&](std::size_t, ByteView answer) {
    const auto state = parse_sa(answer);
    const SaBook::Owner* owner = state ? sas_.owner_of(state->name) : nullptr;
    if (!owner) return;
    present.emplace(owner->pair.value, owner->direction);
    if (state->bytes >= state->soft_bytes || state->packets >= state->soft_packets)
      notices.push_back(Expire{owner->pair, owner->direction, false});
  });
  if (acks[0].error != 0) return;
  for (const auto& [name, owner] : sas_.names())
    if (!present.contains({owner.pair.value, owner.direction}))
      notices.push_back(Expire{owner.pair, owner.direction, true});
}

}  // namespace

std::expected<std::unique_ptr<KernelPlane>, std::string> KernelPlane::start(
    const KernelPlaneOptions& options, IkeSink sink) {
  auto requests = TRY(RequestSocket::open(NETLINK_XFRM));
  auto routing = TRY(RequestSocket::open(NETLINK_ROUTE));
  auto events = TRY(EventSocket::open());
  std::vector<std::string> missing;
  auto sockets = TRY(IkeSockets::open(options.ike_port, options.nat_t_port, options.mark, missing));
  auto plane =
      std::make_unique<Plane>(options, std::move(requests), std::move(routing), std::move(events),
                              std::move(sockets), std::move(missing), std::move(sink));
  CHECK_OK(plane->begin());
  return plane;
}

}  // namespace culvert::xfrm
