// Initiators over real sockets for the load programs: one shard behind one address of ours.
#pragma once

#include <functional>

#include "shard/shard.h"

namespace culvert::bench {

// The time that shards live by.
TimePoint now();

// A UDP socket bound to an IPv4 address; aborts where that can't be.
class Socket {
 public:
  Socket(const IpAddress& local, std::uint16_t port);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void send(const Endpoint& to, ByteView octets) const;
  // One datagram, without waiting; empty when there is none.
  ByteView receive(MutableBytes buffer, Endpoint& from) const;
  int fd() const { return fd_; }

 private:
  int fd_;
};

class Initiators {
 public:
  // `provider` outlives this. The IKE port is the given one, that of NAT traversal 4,000 above.
  Initiators(const IpAddress& local, std::uint16_t port, Provider& provider);

  Shard& shard() { return shard_; }
  // A connection to `remote` with one child "net" for 10.x.y.z (from `number`) to 10.255.0.0/16.
  ConnectionConfig connection(std::uint32_t number, const IpAddress& remote) const;
  // Loads it and begins; `number` comes back in CommandDone.
  void start(ConnectionConfig&& connection, std::uint64_t number);
  // Lets out what is to be sent, tells of the other outputs, then waits for what comes in, for a
  // short time at most.
  void step();

  std::function<void(const CommandDone&)> on_done = [](const CommandDone&) {};
  std::function<void(const MakeSignature&)> on_signature = [](const MakeSignature&) {};
  std::function<void()> on_sent = [] {}, on_received = [] {};

 private:
  TimePoint drain();
  void send(const Transmit& transmit);
  void receive(const Socket& socket, std::uint16_t port, std::size_t marker);

  IpAddress local_;
  std::uint16_t ike_port_, nat_port_;
  Socket ike_, nat_;
  Shard shard_;
};

// A pre-shared key "bench" for everybody.
SharedSecret bench_secret();

}  // namespace culvert::bench
