// Finds where a connection's peer is and which local address packets to it leave from.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/event_loop.h"
#include "io/name_lookup.h"
#include "policy/connection.h"
#include "shard/output.h"

namespace culvert::io {

class Resolver {
 public:
  using Answer = std::function<void(PeerResolution&&)>;
  using Addresses = NameLookup::Addresses;
  struct Options {
    Duration deadline = std::chrono::seconds(10);
    std::size_t max_threads = 8;  // of name lookups
    std::uint32_t mark = 0;       // of the route lookup, so that it does not lead into a tunnel
    NameLookup::Function lookup;  // default: getaddrinfo()
  };

  // The loop outlives the resolver.
  Resolver(EventLoop& loop, Options options);

  // Attempt n takes the n-th of the remote addresses that there is a route to, in the order of the
  // configuration and of the name servers, and after the last the first again.
  // `answer` is called once, on the loop's thread, not before this returns and within the deadline;
  // never after the resolver has gone.
  void resolve(ConnectionRef connection, std::size_t attempt, Answer answer);

 private:
  struct Request;
  void step(const std::shared_ptr<Request>& request);
  bool add(Request& request, const IpAddress& remote) const;
  void choose(const std::shared_ptr<Request>& request);
  void looked_up(const std::shared_ptr<Request>& request, const Addresses& addresses);
  void finish(const std::shared_ptr<Request>& request, PeerResolution&& resolution);

  EventLoop& loop_;
  Options options_;
  NameLookup names_;
  std::vector<std::shared_ptr<Request>> requests_;
};

}  // namespace culvert::io
