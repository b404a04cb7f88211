// What a run is about: hosts and tunnels drawn from the seed.
#pragma once

#include "sim/world.h"

namespace culvert::sim {

// Why a tunnel must never come up.
enum class Mismatch : std::uint8_t {
  none,
  secret,
  ike_proposals,
  identity,
  esp_proposals,
  selectors
};

struct TunnelChild {
  std::string name;
  IpAddress inner[2];      // one address behind each side that the selectors cover
  std::uint16_t port = 0;  // of transport mode, whose addresses are the hosts' own; else zero
};

struct TunnelSide {
  std::size_t host = 0;
  ConnectionRef connection;
  bool can_initiate = true;  // the other side is reachable without having called first
  bool stopped = false;      // its operator has ended it by hand
  bool loaded = true;
};

struct Tunnel {
  std::string name;
  Mismatch mismatch = Mismatch::none;
  TunnelSide sides[2];
  std::vector<TunnelChild> children;

  bool is_up_possible() const { return mismatch == Mismatch::none; }
  // Nobody has told the side to stop, so that it must be up some time after the faults.
  bool is_kept(int side) const {
    const TunnelSide& one = sides[side];
    return is_up_possible() && one.connection->keep_up && one.can_initiate && !one.stopped;
  }
};

struct Topology {
  std::vector<Tunnel> tunnels;
  bool ah = false;
  bool transport = false;  // the selectors are the hosts' own addresses
  Duration longest_dpd{};
  Duration longest_retransmission{};
};

// Adds hosts to the world, with connections and secrets on their disks.
Topology draw_topology(World& world, Random& random);
// Two hosts and one tunnel that is kept up and rekeyed often.
Topology draw_one_tunnel(World& world, Random& random);
// Two hosts and one tunnel that ends in many ways and has actions for that.
Topology draw_ending_tunnel(World& world, Random& random);
// A packet for the child from one of its sides. Its id is the caller's.
InnerPacket packet_for(World& world, const Tunnel& tunnel, const TunnelChild& child, int from,
                       std::uint64_t id);

}  // namespace culvert::sim
