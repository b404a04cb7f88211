// Finds where a connection's peer is and which local address packets to it leave from. Looking up
// names happens on threads of their own, because the C library's resolver blocks.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/event_loop.h"
#include "policy/connection.h"
#include "shard/output.h"

namespace culvert::io {

class Resolver {
 public:
  using Answer = std::function<void(PeerResolution&&)>;
  using Addresses = std::expected<std::vector<IpAddress>, std::string>;
  // The addresses of a name in order of preference, or why there are none. Blocks; called on
  // threads of the resolver.
  using Lookup = std::function<Addresses(const std::string& name)>;
  struct Options {
    Duration deadline = std::chrono::seconds(10);
    // Lookups that may be stuck at the same time; further ones wait for their turn.
    std::size_t max_threads = 8;
    std::uint32_t mark = 0;  // of the route lookup, so that it does not lead into a tunnel
    Lookup lookup;           // default: getaddrinfo()
  };

  // The loop outlives the resolver; lookups that are stuck may outlive both.
  Resolver(EventLoop& loop, Options options);
  ~Resolver();

  // Attempt n takes the n-th of the remote addresses that there is a route to, in the order of the
  // configuration and of the name servers, and after the last the first again.
  // `answer` is called once, on the loop's thread, not before this returns and within the deadline;
  // never after the resolver has gone.
  void resolve(ConnectionRef connection, std::size_t attempt, Answer answer);

 private:
  struct Request;
  struct Shared;
  void step(const std::shared_ptr<Request>& request);
  bool add(Request& request, const IpAddress& remote) const;
  void choose(const std::shared_ptr<Request>& request);
  void start_lookups();
  void looked_up(const std::shared_ptr<Request>& request, const Addresses& addresses);
  void finish(const std::shared_ptr<Request>& request, PeerResolution&& resolution);

  EventLoop& loop_;
  Options options_;
  std::shared_ptr<Shared> shared_;  // what lookup threads may touch
  std::deque<std::shared_ptr<Request>> waiting_;
  std::vector<std::shared_ptr<Request>> requests_;
  std::size_t running_ = 0;
};

}  // namespace culvert::io
