#include "sim/scenario.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/endings.h"
#include "sim/topology.h"
#include "sim/verdict.h"

namespace culvert::sim {
namespace {

// The run itself: owns the world and what the operators have done to its tunnels.
class Scenario {
 public:
  explicit Scenario(const RunOptions& options)
      : options_(options),
        random_(options.seed),
        world_(random_.next(), options.sabotage, options.ladder) {}

  RunResult run();

 private:
  void start();
  void draw_weather();
  void fault_phase();
  void lifetime();
  void disturb();
  void operate(Tunnel& tunnel, int side);
  void terminate(Tunnel& tunnel, int side);
  void reload(Tunnel& tunnel, int side);
  void change_trap(Tunnel& tunnel, int side);
  void break_something();
  void break_host(std::size_t host);
  void roam(std::size_t host);
  void traffic();
  void rogue();
  void heal();
  void rest();
  void expect_agreement();
  void expect_no_duplicates();
  void expect_kept_up();
  void expect_delivery();
  void end();
  void expect_empty();
  // Whatever is up was said to be, and nothing else.
  void expect_announced();
  InnerPacket packet(const Tunnel& tunnel, const TunnelChild& child, int from) {
    return packet_for(world_, tunnel, child, from, ++next_packet_);
  }
  const TunnelChild& any_child(const Tunnel& tunnel) {
    return tunnel.children[random_.below(tunnel.children.size())];
  }

  const RunOptions& options_;
  Random random_;
  World world_;
  Topology topology_;
  std::uint64_t next_packet_ = 0;
  RunResult result_;
};

void Scenario::start() {
  topology_ = options_.lifetime  ? draw_one_tunnel(world_, random_)
              : options_.endings ? draw_ending_tunnel(world_, random_)
                                 : draw_topology(world_, random_);
  for (std::size_t host = 0; host < world_.hosts().size(); ++host)
    world_.after(random_.between(0s, 3s), [this, host] { world_.boot(host); });
}

// Swarm testing: each run has some kinds of faults only, so that rare ones get room.
void Scenario::draw_weather() {
  LinkQuality& quality = world_.network().quality;
  quality.least_delay = random_.between(1ms, 40ms);
  quality.most_delay = quality.least_delay + random_.between(0ms, 100ms);
  if (random_.percent(50)) quality.loss = random_.between(10, 400);
  if (random_.percent(40)) quality.duplication = random_.between(10, 300);
  if (random_.percent(40)) quality.reordering = random_.between(10, 300);
  if (random_.percent(15)) quality.mtu = random_.between(400, 1'280);
  AdversaryHabits& adversary = world_.network().adversary;
  if (random_.percent(30)) adversary.replay = random_.between(20, 300);
  if (random_.percent(30)) adversary.truncate = random_.between(20, 200);
  if (random_.percent(30)) adversary.flip = random_.between(20, 300);
  // A spoofed IKE_SA_INIT looks like one through a NAT: AH does not survive that, and the selectors
  // of transport mode would have the false address.
  if (!topology_.ah && !topology_.transport && random_.percent(20))
    adversary.spoof = random_.between(20, 200);
  if (random_.percent(20)) adversary.forge = random_.between(20, 200);
  if (random_.percent(15)) world_.refuse_installs = random_.between(10, 300);
  if (random_.percent(30)) world_.resolve_failures = random_.between(50, 500);
  world_.resolve_delay = random_.between(1ms, 3s);
  if (random_.percent(20)) world_.lose_notices = random_.between(20, 300);
  world_.kernel_delay = random_.between(1ms, 300ms);
  world_.signing_delay = random_.between(1ms, 3s);
}

void Scenario::fault_phase() {
  const TimePoint until = world_.now() + random_.between(20s, 150s);
  const Duration pause = random_.between(200ms, 4s);
  while (world_.now() < until) {
    world_.run_until(world_.now() + random_.between(1ms, pause));
    disturb();
  }
}

void Scenario::lifetime() {
  LinkQuality& quality = world_.network().quality;
  quality.least_delay = random_.between(1ms, 40ms);
  quality.most_delay = quality.least_delay + random_.between(0ms, 100ms);
  quality.loss = quality.duplication = quality.reordering = 200;
  const TimePoint until = world_.now() + random_.between(300s, 900s);
  while (world_.now() < until) {
    world_.run_until(world_.now() + random_.between(1s, 10s));
    traffic();
  }
}

void Scenario::disturb() {
  const auto choice = random_.below(100);
  if (choice < 45) return traffic();
  if (choice < 80 && !topology_.tunnels.empty()) {
    Tunnel& tunnel = random_.pick(topology_.tunnels);
    return operate(tunnel, static_cast<int>(random_.below(2)));
  }
  if (choice < 85) return rogue();
  break_something();
}

// ---- operators ----

void Scenario::operate(Tunnel& tunnel, int side) {
  const std::size_t host = tunnel.sides[side].host;
  const std::string child = random_.percent(50) ? any_child(tunnel).name : std::string();
  switch (random_.below(10)) {
    case 0:
    case 1:
    case 2:
      return world_.command(host, Initiate{{}, tunnel.name, child});
    case 3:  // both ends at the same moment
      world_.command(host, Initiate{{}, tunnel.name, child});
      return world_.command(tunnel.sides[1 - side].host, Initiate{{}, tunnel.name, child});
    case 4:
      return terminate(tunnel, side);
    case 5:
      return reload(tunnel, side);
    case 6:
      return change_trap(tunnel, side);
    case 7:
    case 8:
      world_.command(host, Rekey{{}, tunnel.name, child});
      if (random_.percent(50))
        world_.command(tunnel.sides[1 - side].host, Rekey{{}, tunnel.name, child});
      return;
    default:  // nobody has this one
      return world_.command(host, Initiate{{}, "none", child});
  }
}

void Scenario::terminate(Tunnel& tunnel, int side) {
  Terminate command;
  command.connection = tunnel.name;
  if (random_.percent(50)) command.child = any_child(tunnel).name;
  command.force = random_.percent(25);
  tunnel.sides[side].stopped = true;
  world_.command(tunnel.sides[side].host, command);
}

void Scenario::reload(Tunnel& tunnel, int side) {
  TunnelSide& one = tunnel.sides[side];
  if (!world_.hosts()[one.host].alive()) return;
  if (one.loaded && random_.percent(60)) {
    one.loaded = false;
    world_.hosts()[one.host].connections.erase(tunnel.name);
    return world_.command(one.host, UnloadConnection{{}, tunnel.name});
  }
  one.loaded = true;
  one.stopped = false;
  world_.load(one.host, one.connection);
}

void Scenario::change_trap(Tunnel& tunnel, int side) {
  const std::size_t host = tunnel.sides[side].host;
  const std::string child = any_child(tunnel).name;
  if (random_.percent(50)) return world_.command(host, InstallTrap{{}, tunnel.name, child});
  world_.command(host, UninstallTrap{{}, tunnel.name, child});
}

// ---- faults ----

void Scenario::break_something() {
  const std::size_t count = world_.hosts().size();
  const std::size_t host = random_.below(count), other = random_.below(count);
  Network& network = world_.network();
  switch (random_.below(8)) {
    case 0:
    case 1: {
      const TimePoint until = world_.now() + random_.between(1s, 60s);
      network.partition(host, other, until);
      if (random_.percent(60)) network.partition(other, host, until);
      return;
    }
    case 2:
      if (Nat* nat = network.nat_of(host)) nat->forget();
      return;
    case 3:
      return world_.flood(random_.between(1, 60));
    case 4:
      return world_.hosts()[host].clock.jump(random_.between(1s, 600s));
    case 5:
    case 6:
      return roam(host);
    default:
      return break_host(host);
  }
}

// A host changes its address, sometimes to one behind a NAT, or comes home.
void Scenario::roam(std::size_t index) {
  if (topology_.transport) return;  // RFC 4555, 1.2: MOBIKE is for tunnel mode
  Host& host = world_.hosts()[index];
  if (!host.home && world_.network().nat_of(index)) return;  // it lives behind one
  if (host.home && random_.percent(30)) return world_.roam(index, *host.home, {});
  const bool v4 = host.setup.address.is_v4();
  const auto number = index * 40 + random_.below(40);
  const auto at = [&](const char* four, const char* six) {
    return *IpAddress::parse(fmt::format(fmt::runtime(v4 ? four : six), number));
  };
  const IpAddress outside = at("198.51.100.{}", "2001:db8:1::{}");
  if (random_.percent(60)) return world_.roam(index, outside, {});
  world_.roam(index, at("172.20.0.{}", "fd01::{}"),
              Nat(outside, random_.between(60s, 180s), random_.next()));
}

// A daemon dies, or is shut down and started again.
void Scenario::break_host(std::size_t host) {
  Duration away = random_.between(0s, 30s);
  if (random_.percent(30)) {
    const TimePoint local = world_.hosts()[host].clock.local(world_.now());
    world_.command(host, Shutdown{{}, local + random_.between(1s, 10s)});
    away += 15s;
  } else {
    world_.crash(host);
  }
  world_.after(away, [this, host] {
    world_.crash(host);
    world_.boot(host);
  });
  // What is on the disk comes up again.
  for (Tunnel& tunnel : topology_.tunnels)
    for (TunnelSide& side : tunnel.sides)
      if (side.host == host) side.stopped = false;
}

// ---- traffic ----

void Scenario::traffic() {
  if (topology_.tunnels.empty()) return;
  const Tunnel& tunnel = random_.pick(topology_.tunnels);
  const TunnelChild& child = any_child(tunnel);
  for (auto burst = random_.between(1, 8); burst > 0; --burst) {
    const int from = static_cast<int>(random_.below(2));
    world_.send_inner(tunnel.sides[from].host, packet(tunnel, child, from));
  }
}

// A compromised gateway sends what its SAs are not for.
void Scenario::rogue() {
  const InnerPacket stray{
      ++next_packet_, *IpAddress::parse("10.200.0.1"), *IpAddress::parse("10.201.0.1"), 17, 1, 1};
  world_.send_rogue(random_.below(world_.hosts().size()), stray);
}

// ---- after the faults ----

void Scenario::heal() {
  world_.network().heal();
  for (const Host& host : world_.hosts())
    if (host.home) world_.roam(host.index, IpAddress(*host.home), {});
  world_.refuse_installs = world_.resolve_failures = world_.lose_notices = 0;
  world_.resolve_delay = 1ms;
  world_.run_until(world_.now() + 46s);  // shutdowns and restarts that are under way
  for (Tunnel& tunnel : topology_.tunnels)
    for (TunnelSide& side : tunnel.sides) {
      if (side.loaded) continue;
      side.loaded = true;
      side.stopped = false;
      world_.load(side.host, side.connection);
    }
}

// Long enough that every dead SA is noticed, twice, and every restart has been tried.
void Scenario::rest() {
  const Duration notice = topology_.longest_dpd + topology_.longest_retransmission;
  world_.run_until(world_.now() + 3 * notice + 180s);
}

// A rekey may be under way at any moment, so there are some moments to choose from.
void Scenario::expect_agreement() {
  std::vector<std::string> found;
  for (int attempt = 0; attempt < 40; ++attempt) {
    found = disagreements(world_);
    if (found.empty()) return;
    world_.run_until(world_.now() + 1s);
  }
  for (std::string& text : found) world_.checkers().report("sad-agreement", std::move(text));
}

// Where both sides keep a tunnel up, it is one tunnel, but for moments of rekeying.
void Scenario::expect_no_duplicates() {
  std::vector<std::string> found;
  for (int attempt = 0; attempt < 40; ++attempt) {
    found.clear();
    for (const Tunnel& tunnel : topology_.tunnels)
      for (const TunnelSide& side : tunnel.sides)
        if (tunnel.is_kept(0) && tunnel.is_kept(1))
          std::ranges::move(duplicates(world_.hosts()[side.host], tunnel.name, world_.now()),
                            std::back_inserter(found));
    if (found.empty()) return;
    world_.run_until(world_.now() + 1s);
  }
  for (std::string& text : found) world_.checkers().report("duplicate", std::move(text));
}

void Scenario::expect_kept_up() {
  for (const Tunnel& tunnel : topology_.tunnels) {
    for (int side = 0; side < 2; ++side) {
      const Host& host = world_.hosts()[tunnel.sides[side].host];
      for (const TunnelChild& child : tunnel.children) {
        const bool up = child_is_up(host, tunnel.name, child.name, world_.now());
        if (up && !tunnel.is_up_possible())
          world_.checkers().report(
              "mismatch-accepted",
              fmt::format("{} is up on {}, though its two configurations contradict each other",
                          tunnel.name, host.setup.name));
        if (!tunnel.is_kept(side)) continue;
        if (up) ++result_.kept_up;
        if (!up)
          world_.checkers().report("liveness", fmt::format("{} of {} is not up on {}", child.name,
                                                           tunnel.name, host.setup.name));
      }
    }
  }
}

// Both ways; the side behind a NAT speaks first, and a packet may be the one that meets a limit.
void Scenario::expect_delivery() {
  struct Wanted {
    const Tunnel* tunnel;
    const TunnelChild* child;
    int from;
    bool arrived = false;
  };
  std::vector<Wanted> wanted;
  for (const Tunnel& tunnel : topology_.tunnels)
    for (const TunnelChild& child : tunnel.children)
      if (tunnel.is_kept(0) || tunnel.is_kept(1)) {
        const bool hidden = world_.network().nat_of(tunnel.sides[1].host) != nullptr;
        for (const int from : {hidden ? 1 : 0, hidden ? 0 : 1})
          wanted.push_back({&tunnel, &child, from});
      }
  for (int round = 0; round < 6; ++round)
    for (Wanted& one : wanted) {
      if (one.arrived) continue;
      const InnerPacket sent = packet(*one.tunnel, *one.child, one.from);
      world_.send_inner(one.tunnel->sides[one.from].host, sent);
      world_.run_until(world_.now() + 2s);
      one.arrived = world_.was_delivered(sent.id);
    }
  for (const Wanted& one : wanted)
    if (!one.arrived)
      world_.checkers().report(
          "delivery",
          fmt::format("{} of {} does not carry packets from {}", one.child->name, one.tunnel->name,
                      world_.hosts()[one.tunnel->sides[one.from].host].setup.name));
}

// ---- the end ----

void Scenario::end() {
  if (random_.percent(50)) {
    for (Host& host : world_.hosts())
      world_.command(host.index, Shutdown{{}, host.clock.local(world_.now()) + 20s});
  } else {
    for (Tunnel& tunnel : topology_.tunnels)
      for (TunnelSide& side : tunnel.sides)
        world_.command(side.host, UnloadConnection{{}, tunnel.name});
    for (Tunnel& tunnel : topology_.tunnels)
      for (TunnelSide& side : tunnel.sides) {
        Terminate all;
        all.connection = tunnel.name;
        world_.command(side.host, all);
      }
  }
  // Stale timers are let go when they come due; those of rekeys and liveness are the longest.
  world_.run_until(world_.now() + 3 * topology_.longest_retransmission + 900s);
}

void Scenario::expect_empty() {
  for (std::size_t host = 0; host < world_.hosts().size(); ++host)
    for (std::string& text : leftovers(world_, host))
      world_.checkers().report("leak", std::move(text));
  world_.checkers().all_commands_done();
}

void Scenario::expect_announced() {
  for (const Host& host : world_.hosts()) {
    if (!host.alive()) continue;
    const auto listed = host.shard->list_sas(host.clock.local(world_.now()));
    for (const std::string& text : host.up_downs.differences(listed))
      world_.checkers().report("up-down", fmt::format("{}: {}", host.setup.name, text));
  }
}

RunResult Scenario::run() {
  start();
  if (options_.lifetime) {
    lifetime();
  } else if (options_.endings) {
    world_.run_until(world_.now() + 5s);
    run_endings(world_, random_, topology_);
  } else {
    draw_weather();
    fault_phase();
  }
  heal();
  rest();
  expect_agreement();
  expect_announced();
  expect_no_duplicates();
  expect_kept_up();
  expect_delivery();
  end();
  expect_empty();
  expect_announced();
  result_.trace_hash = world_.trace_hash();
  result_.violations = world_.checkers().violations();
  result_.hosts = world_.hosts().size();
  result_.tunnels = topology_.tunnels.size();
  result_.delivered = world_.delivered_count();
  result_.simulated = world_.now().time_since_epoch();
  std::vector<std::string> names;
  for (const Host& host : world_.hosts()) names.push_back(host.setup.name);
  if (!world_.steps().empty()) result_.ladder = draw_ladder(names, world_.steps());
  return std::move(result_);
}

}  // namespace

const std::vector<NamedFault>& deliberate_faults() {
  static const std::vector<NamedFault> kFaults = {
      {"drop-inbound-check", "forgery-accepted", {.crypto = {.accept_any_tag = true}}},
      {"skip-auth-check", "mismatch-accepted", {.crypto = {.ignore_secret = true}}},
      {"reuse-message-id", "message-id-reuse", {.reuse_message_id = true}},
      {"announce-before-install", "announced-before-installed", {.announce_first = true}},
      {"skip-selector-check", "out-of-selectors", {.plane = {.skip_selector_check = true}}},
      {"keep-deleted-sas", "leak", {.plane = {.keep_deleted = true}}},
      {"never-acquire", "trap", {.plane = {.never_acquire = true}}},
      {"ignore-dpd-action", "dpd-action", {.ignore_actions = true}},
      {"ignore-close-action", "close-action", {.ignore_actions = true}},
      {"ignore-inactivity", "inactivity", {.ignore_actions = true}},
      {"lose-downs", "up-down", {.lose_downs = true}},
      {"clear-at-trap", "clear-text", {.plane = {.clear_at_trap = true}}},
  };
  return kFaults;
}

const NamedFault* find_fault(std::string_view name) {
  const auto at = std::ranges::find(deliberate_faults(), name, &NamedFault::name);
  return at == deliberate_faults().end() ? nullptr : &*at;
}

RunResult run(const RunOptions& options) { return Scenario(options).run(); }

}  // namespace culvert::sim
