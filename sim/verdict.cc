#include "sim/verdict.h"

#include <fmt/format.h>

#include <algorithm>

namespace culvert::sim {
namespace {

struct Placed {
  const Host* host;
  const InstallSa* sa;
};

std::vector<TrafficSelector> sorted(std::vector<TrafficSelector> selectors) {
  std::ranges::sort(selectors, {}, [](const TrafficSelector& one) {
    return std::tuple(one.first, one.last, one.protocol, one.start_port, one.end_port);
  });
  return selectors;
}

// What the two ends of one simplex SA don't have in common.
std::string difference(const InstallSa& out, const InstallSa& in) {
  if (key_octets(out.keys) != key_octets(in.keys)) return "the keys differ";
  if (out.cipher != in.cipher) return "the ciphers differ";
  if (out.esn != in.esn) return "extended sequence numbers differ";
  if (out.mode != in.mode) return "the modes differ";
  if (out.protocol != in.protocol) return "the protocols differ";
  // Through a NAT, each end names the addresses that it sees.
  if (out.mode == Mode::transport)
    return out.local_ts.size() == in.remote_ts.size() && out.remote_ts.size() == in.local_ts.size()
               ? ""
               : "the selectors differ in number";
  if (sorted(out.local_ts) != sorted(in.remote_ts) || sorted(out.remote_ts) != sorted(in.local_ts))
    return "the selectors are not mirrored";
  return {};
}

// Inbound SAs that are only there for packets under way: the peer has deleted them.
std::set<std::uint32_t> lingering_on(const World& world, const Host& host) {
  std::set<std::uint32_t> spis;
  for (const IkeSaStatus& sa : host.shard->list_sas(host.clock.local(world.now())))
    for (const ChildSaStatus& child : sa.children)
      if (child.state == "DELETED") spis.insert(child.spi_in);
  return spis;
}

void compare_sads(const World& world, std::vector<std::string>& found) {
  std::multimap<std::uint32_t, Placed> inbound, outbound;
  for (const Host& host : world.hosts()) {
    const auto lingering = host.alive() ? lingering_on(world, host) : std::set<std::uint32_t>{};
    for (const auto& [key, sa] : host.plane.sas()) {
      if (key.second == Direction::out)
        outbound.emplace(sa.spi, Placed{&host, &sa});
      else if (!lingering.contains(sa.spi))
        inbound.emplace(sa.spi, Placed{&host, &sa});
    }
  }
  const auto match = [&](const auto& ours, const auto& theirs, std::string_view which) {
    for (const auto& [spi, one] : ours) {
      const auto [first, last] = theirs.equal_range(spi);
      const auto other = std::find_if(
          first, last, [&](const auto& entry) { return entry.second.host != one.host; });
      std::string why =
          other == last ? "the peer has no such SA" : difference(*one.sa, *other->second.sa);
      if (!why.empty())
        found.push_back(
            fmt::format("{}, {} SPI {:08x}: {}", one.host->setup.name, which, spi, why));
    }
  };
  match(outbound, inbound, "outbound");
  match(inbound, outbound, "inbound");
}

void compare_lists(const World& world, const Host& host, std::vector<std::string>& found) {
  std::set<std::uint32_t> listed;
  for (const IkeSaStatus& sa : host.shard->list_sas(host.clock.local(world.now())))
    for (const ChildSaStatus& child : sa.children) listed.insert(child.spi_in);
  std::set<std::uint32_t> installed;
  for (const auto& [key, sa] : host.plane.sas())
    if (key.second == Direction::in) installed.insert(sa.spi);
  if (listed != installed)
    found.push_back(fmt::format("{}: {} CHILD SAs are listed, {} inbound SAs are installed",
                                host.setup.name, listed.size(), installed.size()));
}

void compare_ike(const World& world, std::vector<std::string>& found) {
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::vector<std::pair<std::string, bool>>> seen;
  for (const Host& host : world.hosts()) {
    if (!host.alive()) continue;
    for (const IkeSaStatus& sa : host.shard->list_sas(host.clock.local(world.now())))
      if (sa.established != kNever)
        seen[{sa.spi_i, sa.spi_r}].emplace_back(host.setup.name, sa.initiator);
  }
  for (const auto& [spis, ends] : seen)
    if (ends.size() != 2 || ends[0].second == ends[1].second)
      found.push_back(fmt::format("IKE SA {:016x}_i {:016x}_r is known to {} host(s), first {}",
                                  spis.first, spis.second, ends.size(), ends[0].first));
}

}  // namespace

std::vector<std::string> disagreements(const World& world) {
  std::vector<std::string> found;
  compare_sads(world, found);
  for (const Host& host : world.hosts())
    if (host.alive()) compare_lists(world, host, found);
  compare_ike(world, found);
  return found;
}

std::vector<std::string> leftovers(World& world, std::size_t index) {
  Host& host = world.hosts()[index];
  std::vector<std::string> found;
  if (!host.alive()) return found;
  const auto expect_none = [&](std::size_t count, std::string_view what) {
    if (count > 0) found.push_back(fmt::format("{}: {} {} left", host.setup.name, count, what));
  };
  const TimePoint now = host.clock.local(world.now());
  const ShardStatistics statistics = host.shard->statistics();
  expect_none(statistics.ike_sas, "IKE SAs");
  expect_none(statistics.half_open, "half-open IKE SAs");
  expect_none(statistics.child_sas, "CHILD SAs");
  expect_none(statistics.child_spis, "SPIs");
  expect_none(statistics.fragment_octets, "octets of fragments");
  expect_none(host.shard->list_sas(now).size(), "listed SAs");
  expect_none(host.shard->list_policies().size(), "listed policies");
  expect_none(host.plane.sas().size(), "SAs in the data plane");
  expect_none(host.plane.policies().size(), "policies in the data plane");
  Output next = host.shard->poll(now);
  const auto* wait = std::get_if<WaitUntil>(&next);
  expect_none(wait && wait->deadline == kNever ? 0 : 1, "timer");
  return found;
}

std::vector<std::string> duplicates(const Host& host, const std::string& connection,
                                    TimePoint now) {
  std::vector<std::string> found;
  std::size_t ikes = 0;
  std::set<std::string> children;
  for (const IkeSaStatus& sa : host.shard->list_sas(host.clock.local(now))) {
    if (sa.name != connection || sa.state != "ESTABLISHED") continue;
    ++ikes;
    for (const ChildSaStatus& one : sa.children)
      if (one.state == "INSTALLED" &&
          !children.insert(one.name + to_string(one.local_ts) + to_string(one.remote_ts)).second)
        found.push_back(fmt::format("{} has two CHILD SAs {} of {} with the same selectors",
                                    host.setup.name, one.name, connection));
  }
  if (ikes > 1)
    found.push_back(fmt::format("{} has {} IKE SAs of {}", host.setup.name, ikes, connection));
  return found;
}

bool child_is_up(const Host& host, const std::string& connection, const std::string& child,
                 TimePoint now) {
  if (!host.alive()) return false;
  for (const IkeSaStatus& sa : host.shard->list_sas(host.clock.local(now)))
    if (sa.name == connection && sa.established != kNever)
      for (const ChildSaStatus& one : sa.children)
        if (one.name == child && one.state != "DELETING") return true;
  return false;
}

}  // namespace culvert::sim
