// The simulated network: links with delay and faults, NATs, and an adversary who reads and writes
// on all of them.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <variant>
#include <vector>

#include "net/address.h"
#include "sim/plane.h"
#include "sim/random.h"

namespace culvert::sim {

inline constexpr std::uint8_t kKeepalive = 0xff;

struct Frame {
  Endpoint from, to;
  std::variant<Bytes, EspPacket> body;  // an IKE message, or ESP
  bool authentic = true;                // octet for octet what an honest host sent
};

// Chances are per thousand datagrams.
struct LinkQuality {
  Duration least_delay = 5ms, most_delay = 5ms;
  std::uint64_t loss = 0, duplication = 0, reordering = 0;
  std::size_t mtu = 65'535;  // larger datagrams vanish: a firewall that drops IP fragments
};

struct AdversaryHabits {
  std::uint64_t replay = 0, truncate = 0, flip = 0, spoof = 0, forge = 0;
};

// A NAT in front of one host. RFC 3022: address and port translation, endpoint-independent.
class Nat {
 public:
  Nat(IpAddress outside, Duration mapping_life, std::uint64_t seed)
      : outside_(outside), mapping_life_(mapping_life), random_(seed) {}
  const IpAddress& outside() const { return outside_; }
  Endpoint outbound(const Endpoint& inside, TimePoint now);
  std::optional<Endpoint> inbound(const Endpoint& outside, TimePoint now);
  // It restarts: every mapping is gone.
  void forget() { mappings_.clear(); }

 private:
  struct Mapping {
    Endpoint inside;
    TimePoint used;
  };
  IpAddress outside_;
  Duration mapping_life_;
  Random random_;
  std::map<std::uint16_t, Mapping> mappings_;  // by outside port
};

class Network {
 public:
  explicit Network(std::uint64_t seed) : random_(seed) {}

  LinkQuality quality;
  AdversaryHabits adversary;

  void add_host(const IpAddress& address, std::optional<Nat> nat);
  // The host is elsewhere now; what is under way to its old address finds nobody.
  void move(std::size_t host, const IpAddress& address, std::optional<Nat> nat) {
    hosts_[host] = {address, std::move(nat)};
  }
  void partition(std::size_t from, std::size_t to, TimePoint until);
  void heal();
  Nat* nat_of(std::size_t host) { return hosts_[host].nat ? &*hosts_[host].nat : nullptr; }
  // Where others reach the host.
  IpAddress outside_address(std::size_t host) const;
  std::optional<std::size_t> host_at(const IpAddress& outside) const;

  struct Arrival {
    std::size_t host;
    Duration delay;
    Frame frame;  // with addresses as they are outside of the receiver's NAT
  };
  // What becomes of a frame that `host` sends: none, one or several arrivals.
  std::vector<Arrival> carry(std::size_t host, Frame&& frame, TimePoint now);
  // A flood: `count` IKE_SA_INIT requests like one seen before, from addresses of nobody.
  std::vector<Arrival> flood(std::size_t count);
  // The receiver's side of its NAT; false when that has no mapping for it.
  bool translate_inbound(std::size_t host, Frame& frame, TimePoint now);

 private:
  struct Place {
    IpAddress address;
    std::optional<Nat> nat;
  };
  bool translate_outbound(std::size_t host, Frame& frame, TimePoint now);
  void route(Frame&& frame, std::vector<Arrival>& arrivals);
  void remember(const Frame& frame);
  void attack(const Frame& frame, std::vector<Arrival>& arrivals);
  Frame forge(const Frame& seen);
  Duration delay();

  Random random_;
  std::vector<Place> hosts_;
  std::map<std::pair<std::size_t, std::size_t>, TimePoint> partitions_;
  std::deque<Frame> seen_;
};

}  // namespace culvert::sim
