// The simulated world: virtual time, one queue of events, hosts and the network between them.
// Invariant: everything follows from the seed; the same calls give the same trace, bit for bit.
#pragma once

#include <functional>
#include <queue>

#include "sim/checkers.h"
#include "sim/host.h"
#include "sim/ladder.h"

namespace culvert::sim {

// What a run breaks on purpose; each must be caught by a checker.
struct Sabotage {
  ToyFaults crypto;
  PlaneFaults plane;
  bool reuse_message_id = false;
  bool ignore_actions = false;  // what is configured for the end of a CHILD SA is left out
  bool lose_downs = false;      // nobody is told when a CHILD SA goes down
  bool announce_first = false;  // the inbound SA is installed after the response that names it
};

class World {
 public:
  World(std::uint64_t seed, Sabotage sabotage, bool record_ladder);

  TimePoint now() const { return now_; }
  Random& random() { return random_; }
  Network& network() { return network_; }
  Checkers& checkers() { return checkers_; }
  std::vector<Host>& hosts() { return hosts_; }
  const std::vector<Host>& hosts() const { return hosts_; }
  // All that was sent, done and told, with times.
  std::uint64_t trace_hash() const { return trace_.value(); }
  const std::vector<Step>& steps() const { return steps_; }

  std::size_t add_host(HostSetup&& setup);
  void at(TimePoint when, std::function<void()> action);
  void after(Duration delay, std::function<void()> action) { at(now_ + delay, std::move(action)); }
  void run_until(TimePoint end);

  // The daemon starts with what is on its disk, or dies and loses everything.
  void boot(std::size_t host);
  void crash(std::size_t host);
  // Gives a command its number. Ignored when the daemon is dead.
  template <class T>
  void command(std::size_t host, T command) {
    if constexpr (requires { command.id; }) command.id = next_command(host);
    give(host, std::make_shared<Command>(std::move(command)));
  }
  void load(std::size_t host, const ConnectionRef& connection);
  // The host has another address, perhaps behind a NAT, and its daemon is told.
  void roam(std::size_t host, const IpAddress& address, std::optional<Nat> nat);
  void send_inner(std::size_t host, const InnerPacket& packet);
  // As a compromised gateway would: through some SA of its own, whatever its selectors.
  void send_rogue(std::size_t host, const InnerPacket& packet);
  bool was_delivered(std::uint64_t packet) const { return delivered_.contains(packet); }
  std::size_t delivered_count() const { return delivered_.size(); }
  void flood(std::size_t count);

  // Chance in thousand that the data plane refuses to install an SA.
  std::uint64_t refuse_installs = 0;
  // Chance in thousand that notices of the kernel's are lost; what they said is found out later.
  std::uint64_t lose_notices = 0;
  // How long the kernel's notices, refusals and answers take, at most.
  Duration kernel_delay{};
  // How long a signature takes, at most.
  Duration signing_delay{};
  // How the resolver behaves.
  Duration resolve_delay = 1ms;
  std::uint64_t resolve_failures = 0;  // in thousand

 private:
  struct Entry {
    TimePoint when;
    std::uint64_t sequence;
    std::function<void()> action;
    bool operator<(const Entry& other) const {
      return when != other.when ? when > other.when : sequence > other.sequence;
    }
  };
  using Input = std::function<void(Host&)>;

  CommandId next_command(std::size_t host);
  void give(std::size_t host, const std::shared_ptr<Command>& command);
  void note_intent(Host& host, const Command& command);
  // Runs when the host is not busy; then its outputs are carried out.
  void input(std::size_t host, Input action);
  // Returns how many outputs there were.
  std::size_t pump(Host& host, std::vector<std::string>* effects = nullptr);
  void handle(Host& host, Output&& output);
  void perform(Host& host, Transmit&& message);
  void perform(Host& host, SadOp&& operation);
  void perform(Host& host, trace::Event&& event);
  void perform(Host& host, CommandDone&& done);
  void perform(Host& host, UpDown&& change);
  void perform(Host& host, SaNews&& news);
  void perform(Host& host, ResolvePeer&& question);
  void perform(Host& host, AskLastUse&& question);
  void perform(Host& host, FindPaths&& question);
  void perform(Host& host, Keepalive&& due);
  void perform(Host& host, MakeSignature&& wanted);
  void perform(Host& host, LeaseAddresses&& wanted);
  void perform(Host& host, ReleaseAddresses&& given);
  void perform(Host&, AssignAddresses&&) {}
  void perform(Host& host, FetchEvidence&& wanted);
  void perform(Host& host, AskAaa&& question);
  void perform(Host&, SessionBegan&&) {}
  void perform(Host&, SessionUses&&) {}
  void perform(Host&, SessionEnded&&) {}
  void perform(Host&, SequenceNumberUsed&&) {}
  void perform(Host&, WaitUntil&&) {}
  void apply(Host& host, SadOp&& operation);
  void refuse(Host& host, SadRefusal&& refusal);
  // Gives the input now, or for the kernel's plane after a while.
  void answer(Host& host, Input action);
  void later(Host& host, Duration delay, Input action);
  ConnectionRef as_loaded(const ConnectionRef& connection) const;
  void arm(Host& host, TimePoint local_deadline);
  void send_frame(Host& host, Frame&& frame);
  void schedule(std::vector<Network::Arrival>&& arrivals);
  void arrive(std::size_t host, Frame&& frame);
  void receive_message(Host& host, const Frame& frame);
  void receive_esp(Host& host, const Frame& frame);
  void finish_sending(Host& host, Plane::Sending&& sending, const InnerPacket& packet);
  void pass_notices(Host& host);
  void tell(Host& host, std::vector<SadNotice>&& notices);
  bool is_covered(const Host& host, const InnerPacket& packet) const;
  void note(Step::Kind kind, const Host& host, std::size_t peer, std::string text);
  std::size_t peer_at(const Host& host, const Endpoint& outside) const;
  template <class... Values>
  void trace(const Values&... values) {
    trace_.add(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
    (trace_.add(values), ...);
  }

  TimePoint now_{};
  Random random_;
  Network network_;
  Checkers checkers_;
  Sabotage sabotage_;
  bool record_ladder_;
  std::vector<Host> hosts_;
  std::priority_queue<Entry> queue_;
  std::uint64_t next_sequence_ = 0, last_command_ = 0, last_life_ = 0;
  ToyHash trace_;
  std::vector<Step> steps_;
  std::set<std::uint64_t> delivered_;
};

}  // namespace culvert::sim
