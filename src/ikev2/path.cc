// Owns the addresses of an established IKE SA. Invariant: with MOBIKE the CHILD SAs send to
// Mobility::verified only, an address that has answered.
#include "ikev2/path.h"

#include <algorithm>

#include "ikev2/configuration.h"
#include "ikev2/mobike.h"
#include "ikev2/tasks.h"

namespace culvert::ikev2 {
namespace {

bool holds(const std::vector<IpAddress>& addresses, const IpAddress& address) {
  return std::ranges::find(addresses, address) != addresses.end();
}

bool is_lost(const Host& host, const IpAddress& local) {
  const auto& own = host.own_addresses();
  return !local.is_local_only() && !std::ranges::binary_search(own, local);
}

// Behind the tunnel: inside of a child's local selector that does not hold the address in use.
bool is_inner(const IkeSa& sa, const IpAddress& address) {
  const auto& children = sa.connection->children;
  return std::ranges::any_of(children, [&](const ChildConfig& child) {
    const auto selectors = local_selectors(sa, child);
    return std::ranges::any_of(selectors, [&](const TrafficSelector& one) {
      const auto within = [&](const IpAddress& which) {
        return which.family() == one.first.family() && one.first <= which && which <= one.last;
      };
      return within(address) && !within(sa.local.address);
    });
  });
}

// Where the peer may be, in order of preference.
std::vector<IpAddress> remotes_of(const IkeSa& sa) {
  std::vector<IpAddress> remotes;
  const auto add = [&](const IpAddress& address) {
    if (!holds(remotes, address)) remotes.push_back(address);
  };
  const auto& known = sa.mobility->peer_addresses;
  // The initiator leaves an address that the peer no longer has; the responder is told where to go.
  if (!sa.first_initiator || holds(known, sa.remote.address)) add(sa.remote.address);
  for (const IpAddress& address : known) add(address);
  for (const AddressPattern& pattern : sa.connection->remote_addrs)
    if (pattern.is_single()) add(pattern.first);
  if (remotes.size() > limits::kMaxAdditionalAddresses)
    remotes.resize(limits::kMaxAdditionalAddresses);
  return remotes;
}

// The request that is out goes over the new path at once, with all its tries before it.
void hurry(IkeSa& sa, TimePoint now) {
  if (!sa.outstanding) return;
  sa.outstanding->attempt = 0;
  sa.outstanding->probed = false;
  sa.outstanding->next_at = now;
}

// RFC 4555, 3.5. CHILD SAs follow at once when the peer stays where it was, else when it has
// answered from there.
void choose_path(Host& host, IkeSa& sa, const Path& path, std::string_view why, TimePoint now) {
  Mobility& mobility = *sa.mobility;
  move_ike(host, sa, {path.local, sa.local.port}, endpoint_at(host, sa, path.remote), why);
  ++mobility.update;
  mobility.seen_as.clear();
  if (sa.remote.address == mobility.verified) update_children(host, sa);
  hurry(sa, now);
  if (sa.first_initiator)
    queue_address_task(sa, UpdateAddresses{});
  else
    queue_address_task(sa, AnnounceAddresses{});
  run_next_task(host, sa, now);
}

void probe_others(Host& host, IkeSa& sa, const std::vector<Path>& paths, const Path& here) {
  std::vector<Path> others;
  for (const Path& path : paths)
    if (path != here && others.size() < limits::kMaxPathsProbed) others.push_back(path);
  if (others.empty()) return;
  emit(host, sa, trace::PathsProbed{sa.local, sa.remote, others.size()});
  for (const Path& path : others) probe(host, sa, path);
}

}  // namespace

void move_ike(Host& host, IkeSa& sa, const Endpoint& local, const Endpoint& remote,
              std::string_view why) {
  if (sa.local == local && sa.remote == remote) return;
  if (sa.in<Established>()) {
    emit(host, sa, trace::PathChanged{sa.local, sa.remote, local, remote, why});
    host.endpoints_changing(sa, local, remote);
  }
  sa.local = local;
  sa.remote = remote;
}

void update_children(Host& host, IkeSa& sa) {
  if (sa.mobility) sa.mobility->verified = sa.remote.address;
  for (const ChildSa& child : sa.children)
    host.apply(UpdateSa{child.pair, sa.local, sa.remote, sa.udp_encap});
}

// RFC 7296, 2.23: a host behind a NAT should not follow. As responder it does, when both are behind
// one: it stands behind a fixed mapping then, and the peer's is the one that changes.
void follow_peer(Host& host, IkeSa& sa, const Datagram& datagram) {
  if (sa.remote == datagram.remote && sa.local == datagram.local) return;
  // RFC 4555, 3.8: with MOBIKE, IKE messages alone move nothing.
  if (sa.mobility) return;
  const bool may_move =
      sa.in<HalfOpen>() || (sa.nat_remote && !(sa.nat_local && sa.first_initiator));
  if (!may_move) return;
  move_ike(host, sa, datagram.local, datagram.remote, "the peer's messages come from there");
  update_children(host, sa);
}

void settle_on_path(Host& host, IkeSa& sa, const Datagram& datagram, TimePoint now) {
  if (!sa.mobility || !sa.first_initiator || !sa.outstanding->probed) return;
  const Path path{datagram.local.address, datagram.remote.address};
  if (path == Path{sa.local.address, sa.remote.address}) return;
  sa.outstanding->probed = false;
  choose_path(host, sa, path, "the peer has answered over this path only", now);
}

void follow_mapping(Host& host, IkeSa& sa, const Endpoint& remote) {
  if (!sa.nat_remote || (sa.nat_local && sa.first_initiator)) return;
  move_ike(host, sa, sa.local, remote, "the peer's NAT has changed its mapping");
  update_children(host, sa);
}

void network_changed(Host& host, IkeSa& sa, TimePoint now) {
  if (!sa.in<Established>() || sa.rekeyed || is_closing(sa)) return;
  const bool lost = is_lost(host, sa.local.address);
  if (!sa.mobility) {
    if (!lost || !sa.first_initiator) return;
    emit(host, sa, trace::AddressLost{sa.local});
    return close(sa, "failure");
  }
  sa.mobility->refused.clear();
  if (sa.first_initiator || lost) seek_paths(host, sa);
  if (!lost && additional_addresses(host, sa) != sa.mobility->announced) {
    queue_address_task(sa, AnnounceAddresses{});
    run_next_task(host, sa, now);
  }
}

void seek_paths(Host& host, IkeSa& sa) {
  if (std::exchange(sa.mobility->asking, true)) return;
  host.find_paths(sa, remotes_of(sa));
}

void paths_found(Host& host, IkeSa& sa, const std::vector<Path>& found, TimePoint now) {
  Mobility& mobility = *sa.mobility;
  mobility.asking = false;
  if (!sa.in<Established>() || sa.rekeyed) return;
  const Path here{sa.local.address, sa.remote.address};
  std::vector<Path> paths;
  for (const Path& path : found)
    if (std::ranges::find(mobility.refused, path) == mobility.refused.end() &&
        (path == here || !is_inner(sa, path.local)))
      paths.push_back(path);
  if (paths.empty()) return emit(host, sa, trace::NoPath{});
  const bool usable = std::ranges::find(paths, here) != paths.end();
  const Path best = paths.front();
  // A path that was left because it did not answer is not gone back to as long as routing says the
  // same of it.
  const bool preferred = std::exchange(mobility.best, best) != best && sa.first_initiator;
  if (!usable) return choose_path(host, sa, best, "the address or route in use is gone", now);
  if (preferred && best != here)
    return choose_path(host, sa, best, "routing prefers this path", now);
  if (sa.first_initiator && sa.outstanding && sa.outstanding->attempt > 0)
    probe_others(host, sa, paths, here);
}

std::vector<IpAddress> additional_addresses(const Host& host, const IkeSa& sa) {
  std::vector<IpAddress> addresses;
  const auto& allowed = sa.connection->local_addrs;
  for (const IpAddress& address : host.own_addresses()) {
    if (address == sa.local.address || address.is_local_only()) continue;
    const bool fits = allowed.empty() || std::ranges::any_of(allowed, [&](const auto& pattern) {
                        return pattern.matches(address);
                      });
    if (fits && !is_inner(sa, address) && addresses.size() < limits::kMaxAdditionalAddresses)
      addresses.push_back(address);
  }
  return addresses;
}

}  // namespace culvert::ikev2
