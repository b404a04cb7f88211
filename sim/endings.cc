#include "sim/endings.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/verdict.h"

namespace culvert::sim {
namespace {

// What a side does when a CHILD SA of its ends without its own doing.
enum class Reaction : std::uint8_t { none, trap, start };

Reaction reaction_to(DpdAction action) {
  if (action == DpdAction::start) return Reaction::start;
  return action == DpdAction::trap ? Reaction::trap : Reaction::none;
}
Reaction reaction_to(CloseAction action) {
  if (action == CloseAction::start) return Reaction::start;
  return action == CloseAction::trap ? Reaction::trap : Reaction::none;
}

constexpr Duration kPatience = 300s;

class Endings {
 public:
  Endings(World& world, Random& random, const Topology& topology)
      : world_(world),
        random_(random),
        topology_(topology),
        tunnel_(topology.tunnels.at(0)),
        idles_(config(0, tunnel_.children[0]).inactivity > Duration::zero()) {}

  void run();

 private:
  using Children = std::vector<const TunnelChild*>;
  // What must follow the end of these children.
  struct Expectation {
    std::string_view check;
    Children children;
    // By side and child.
    std::map<std::pair<int, const TunnelChild*>, Reaction> reactions;
    Reaction of(int side, const TunnelChild* child) const {
      const auto at = reactions.find({side, child});
      return at == reactions.end() ? Reaction::none : at->second;
    }
    bool restarts(const TunnelChild* child) const {
      return of(0, child) == Reaction::start || of(1, child) == Reaction::start;
    }
  };

  std::size_t host_of(int side) const { return tunnel_.sides[side].host; }
  const Host& host(int side) const { return world_.hosts()[host_of(side)]; }
  const ChildConfig& config(int side, const TunnelChild& child) const {
    return *tunnel_.sides[side].connection->child(child.name);
  }
  Children all() const;
  bool is_up(int side, const TunnelChild& child) const {
    return child_is_up(host(side), tunnel_.name, child.name, world_.now());
  }
  bool is_up(const TunnelChild& child) const { return is_up(0, child) && is_up(1, child); }
  bool is_down(const TunnelChild& child) const { return !is_up(0, child) && !is_up(1, child); }
  bool has_trap(int side, const TunnelChild& child) const;
  std::set<std::uint32_t> spis(const TunnelChild& child) const;
  void send(const TunnelChild& child, int from) {
    world_.send_inner(host_of(from), packet_for(world_, tunnel_, child, from, ++next_packet_));
  }
  // Lets time pass until it is so; false when it never is.
  template <class Condition>
  bool await(Duration patience, Condition&& is_so);
  void report(const Expectation& expected, std::string text);

  bool bring_up();
  void draw_weather();
  Expectation end_one_way();
  Expectation fall_silent(bool crash);
  Expectation close(bool whole);
  Expectation fall_idle();
  void expect(const Expectation& expected);
  void expect_end(const Expectation& expected, const TunnelChild& child);
  void expect_quiet(const Expectation& expected);
  void expect_traps(const Expectation& expected);
  void remove_traps();

  World& world_;
  Random& random_;
  const Topology& topology_;
  const Tunnel& tunnel_;
  const bool idles_;
  std::uint64_t next_packet_ = 0;
  std::map<const TunnelChild*, std::set<std::uint32_t>> before_;  // SPIs of what ended
};

Endings::Children Endings::all() const {
  Children children;
  for (const TunnelChild& child : tunnel_.children) children.push_back(&child);
  return children;
}

bool Endings::has_trap(int side, const TunnelChild& child) const {
  const auto policies = host(side).shard->list_policies();
  return std::ranges::any_of(policies, [&](const PolicyStatus& policy) {
    return policy.trap && policy.connection == tunnel_.name && policy.child == child.name;
  });
}

// The SPIs of the side 0, which are new after a new start.
std::set<std::uint32_t> Endings::spis(const TunnelChild& child) const {
  std::set<std::uint32_t> found;
  for (const IkeSaStatus& sa : host(0).shard->list_sas(host(0).clock.local(world_.now())))
    for (const ChildSaStatus& one : sa.children)
      if (one.name == child.name) found.insert(one.spi_in);
  return found;
}

template <class Condition>
bool Endings::await(Duration patience, Condition&& is_so) {
  for (const TimePoint end = world_.now() + patience; world_.now() < end;) {
    if (is_so()) return true;
    world_.run_until(world_.now() + 500ms);
  }
  return is_so();
}

void Endings::report(const Expectation& expected, std::string text) {
  world_.checkers().report(expected.check, fmt::format("{}: {}", tunnel_.name, text));
}

// ---- ways to end ----

bool Endings::bring_up() {
  for (int attempt = 0; attempt < 8; ++attempt) {
    const std::size_t initiator = host_of(static_cast<int>(random_.below(2)));
    for (const TunnelChild& child : tunnel_.children)
      if (!is_up(child)) world_.command(initiator, Initiate{{}, tunnel_.name, child.name});
    const auto is_complete = [&] {
      if (idles_)
        for (const TunnelChild& child : tunnel_.children) send(child, 0);
      return std::ranges::all_of(tunnel_.children,
                                 [&](const TunnelChild& child) { return is_up(child); }) &&
             duplicates(host(0), tunnel_.name, world_.now()).empty() &&
             duplicates(host(1), tunnel_.name, world_.now()).empty();
    };
    if (await(60s, is_complete)) return true;
  }
  return false;
}

Endings::Expectation Endings::fall_silent(bool crash) {
  Expectation expected{"dpd-action", all(), {}};
  const int crashed = crash ? static_cast<int>(random_.below(2)) : -1;
  for (const int side : {0, 1})
    if (side != crashed)
      for (const TunnelChild& child : tunnel_.children)
        expected.reactions[{side, &child}] = reaction_to(config(side, child).dpd_action);
  if (crash) {
    const std::size_t index = host_of(crashed);
    world_.crash(index);
    world_.run_until(world_.now() + random_.between(0s, 20s));
    world_.boot(index);
    return expected;
  }
  const TimePoint healed = world_.now() + 2 * kPatience;
  world_.network().partition(host_of(0), host_of(1), healed);
  world_.network().partition(host_of(1), host_of(0), healed);
  const bool noticed = await(kPatience, [&] {
    return std::ranges::all_of(tunnel_.children,
                               [&](const TunnelChild& child) { return is_down(child); });
  });
  if (!noticed) report(expected, "is up though the peer is silent");
  world_.run_until(world_.now() + random_.between(0s, 60s));
  world_.network().partition(host_of(0), host_of(1), world_.now());
  world_.network().partition(host_of(1), host_of(0), world_.now());
  return expected;
}

Endings::Expectation Endings::close(bool whole) {
  const int closer = static_cast<int>(random_.below(2));
  Expectation expected{"close-action", all(), {}};
  Terminate command;
  command.connection = tunnel_.name;
  if (!whole) {
    expected.children = {&random_.pick(tunnel_.children)};
    command.child = expected.children.front()->name;
  }
  for (const TunnelChild* child : expected.children)
    expected.reactions[{1 - closer, child}] = reaction_to(config(1 - closer, *child).close_action);
  world_.command(host_of(closer), command);
  return expected;
}

Endings::Expectation Endings::fall_idle() {
  Expectation expected{"inactivity", all(), {}};
  Duration longest{};
  for (const TunnelChild& child : tunnel_.children) {
    longest = std::max(longest, config(0, child).inactivity);
    expected.reactions[{1, &child}] = reaction_to(config(1, child).close_action);
  }
  for (const TimePoint end = world_.now() + 2 * longest; world_.now() < end;) {
    for (const TunnelChild& child : tunnel_.children) {
      if (!is_up(0, child)) report(expected, child.name + " has ended though it is used");
      send(child, 0);
    }
    world_.run_until(world_.now() + 5s);
  }
  return expected;
}

Endings::Expectation Endings::end_one_way() {
  if (idles_) return fall_idle();
  switch (random_.below(4)) {
    case 0:
      return fall_silent(false);
    case 1:
      return fall_silent(true);
    case 2:
      return close(false);
    default:
      return close(true);
  }
}

// ---- what follows ----

void Endings::expect_end(const Expectation& expected, const TunnelChild& child) {
  if (!expected.restarts(&child)) {
    if (!await(kPatience, [&] { return is_down(child); }))
      report(expected, child.name + " has not ended");
    return;
  }
  const auto is_new = [&] {
    const auto now = spis(child);
    return std::ranges::none_of(now, [&](auto spi) { return before_[&child].contains(spi); });
  };
  if (!await(kPatience, [&] { return is_up(child) && is_new(); }))
    report(expected, child.name + " did not come up again");
}

// Nobody brings up what nobody asks for.
void Endings::expect_quiet(const Expectation& expected) {
  const auto is_back = [&] {
    return std::ranges::any_of(expected.children, [&](const TunnelChild* child) {
      return !expected.restarts(child) && !is_down(*child);
    });
  };
  if (await(40s, is_back)) report(expected, "a child came up though nobody had asked for it");
}

void Endings::expect_traps(const Expectation& expected) {
  for (const TunnelChild* child : expected.children)
    for (const int side : {0, 1}) {
      const bool wanted = expected.of(side, child) == Reaction::trap;
      // One of two IKE SAs that both ends began at once is closed by the peer.
      const bool crossed =
          expected.restarts(child) && config(side, *child).close_action == CloseAction::trap;
      if (has_trap(side, *child) != wanted && !crossed)
        report(expected, fmt::format("{} has {} trap for {}", host(side).setup.name,
                                     wanted ? "no" : "a", child->name));
      if (!wanted || expected.restarts(child)) continue;
      const auto comes_up = [&] {
        send(*child, side);
        return is_up(*child);
      };
      if (!await(kPatience, comes_up))
        world_.checkers().report(
            "trap", fmt::format("packets at the trap of {} did not bring it up", child->name));
    }
}

void Endings::remove_traps() {
  for (const TunnelChild& child : tunnel_.children)
    for (const int side : {0, 1})
      world_.command(host_of(side), UninstallTrap{{}, tunnel_.name, child.name});
}

void Endings::expect(const Expectation& expected) {
  for (const TunnelChild* child : expected.children) expect_end(expected, *child);
  expect_quiet(expected);
  expect_traps(expected);
}

void Endings::draw_weather() {
  LinkQuality& quality = world_.network().quality;
  quality.least_delay = random_.between(1ms, 40ms);
  quality.most_delay = quality.least_delay + random_.between(0ms, 100ms);
  quality.loss = random_.below(100);
  quality.duplication = random_.below(100);
  quality.reordering = random_.below(100);
  world_.kernel_delay = random_.between(1ms, 300ms);
  world_.signing_delay = random_.between(1ms, 1s);
  if (random_.percent(30)) world_.lose_notices = random_.between(20, 200);
}

void Endings::run() {
  draw_weather();
  for (auto rounds = random_.between(2, 5); rounds > 0; --rounds) {
    if (!bring_up())
      return world_.checkers().report("liveness", tunnel_.name + " does not come up");
    world_.run_until(world_.now() + (idles_ ? 0s : random_.between(0s, 30s)));
    for (const TunnelChild& child : tunnel_.children) before_[&child] = spis(child);
    expect(end_one_way());
    remove_traps();
  }
}

}  // namespace

void run_endings(World& world, Random& random, const Topology& topology) {
  Endings(world, random, topology).run();
}

}  // namespace culvert::sim
