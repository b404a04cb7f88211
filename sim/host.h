// One simulated gateway: a daemon's shard with its data plane, its clock and what is on its disk.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pki/certificate.h"
#include "shard/shard.h"
#include "sim/network.h"
#include "sim/plane.h"
#include "sim/toy_provider.h"
#include "sim/up_downs.h"

namespace culvert::sim {

// A monotonic clock that starts anywhere, runs fast or slow, and may jump ahead (a suspended
// machine).
class HostClock {
 public:
  HostClock(TimePoint start, std::int64_t drift_ppm) : start_(start), drift_ppm_(drift_ppm) {}
  TimePoint local(TimePoint world) const;
  // The first world time at which local() is at least `local`; kNever stays kNever.
  TimePoint world(TimePoint local) const;
  void jump(Duration ahead) { start_ += ahead; }

 private:
  TimePoint start_;
  std::int64_t drift_ppm_;
};

struct HostSetup {
  std::string name;
  IpAddress address;
  std::optional<Nat> nat;
  ShardOptions options;
  TimePoint clock_start{};
  std::int64_t drift_ppm = 0;
  PlaneKind plane = PlaneKind::userspace;
  Duration plane_delay{};  // per operation; nothing else happens on the host meanwhile
};

struct StoredSecret {
  std::string id;
  Bytes secret;
  std::vector<Identity> owners;
};

struct StoredUser {
  std::string name, password;
};

struct Host {
  Host(HostSetup&& host_setup, std::size_t number)
      : setup(std::move(host_setup)),
        index(number),
        clock(setup.clock_start, setup.drift_ppm),
        plane({}) {}

  HostSetup setup;
  std::size_t index;
  HostClock clock;

  std::optional<IpAddress> home;  // of a host that is away: its own address

  // On disk.
  std::map<std::string, ConnectionRef> connections;
  std::vector<StoredSecret> secrets;
  std::vector<StoredUser> users;
  std::vector<pki::CertificateRef> authorities;
  std::vector<pki::CertificateRef> certificates;  // of whose keys its signer has the private half

  // In memory; gone when the daemon dies.
  std::unique_ptr<ToyProvider> provider;
  std::unique_ptr<Shard> shard;
  Plane plane;
  LeaseBook leases;
  std::uint64_t life = 0;  // unique among all daemons of a run
  TimePoint busy_until{}, wake_at = kNever;
  std::map<CommandId, bool> pending_commands;
  std::optional<SadOp> held_back;        // a deliberate fault's
  std::set<std::uint32_t> refused_spis;  // by the data plane, as told
  std::set<std::pair<SaPairId, Direction>> refused_installs;
  UpDowns up_downs;
  std::string next_label;  // of the next message, for the ladder

  // What must never leave in clear: children with a trap, and children that are up.
  std::set<std::pair<std::string, std::string>> trapped;
  struct Flow {
    std::vector<TrafficSelector> local, remote;
  };
  std::map<std::uint32_t, Flow> up;  // by reqid, which rekeyed SAs keep

  // Children that any configuration so far has allowed.
  std::vector<Flow> allowed;

  bool alive() const { return shard != nullptr; }
};

}  // namespace culvert::sim
