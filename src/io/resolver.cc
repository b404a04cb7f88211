// Invariant: every request is answered once: by its addresses, by the last error, or by its
// deadline, whichever comes first.
#include "io/resolver.h"

#include <fmt/format.h>

#include "io/paths.h"

namespace culvert::io {

struct Resolver::Request {
  ConnectionRef connection;
  Answer answer;
  std::size_t attempt = 0;
  std::size_t next_pattern = 0;
  std::vector<Path> usable;  // so far, in order of preference
  std::string error;         // of the pattern that was tried last
  std::unique_ptr<Timer> deadline;
  bool done = false;
};

Resolver::Resolver(EventLoop& loop, Options options)
    : loop_(loop),
      options_(std::move(options)),
      names_(loop, options_.max_threads, std::move(options_.lookup)) {}

void Resolver::resolve(ConnectionRef connection, std::size_t attempt, Answer answer) {
  auto request = std::make_shared<Request>();
  request->attempt = attempt;
  request->connection = std::move(connection);
  request->answer = std::move(answer);
  request->error =
      "the connection has no remote address to initiate to; set `remote_addrs` or "
      "`peer` to an address or a name";
  request->deadline = std::make_unique<Timer>(loop_, [this, weak = std::weak_ptr(request)] {
    if (const auto late = weak.lock()) choose(late);
  });
  request->deadline->set(loop_.now() + options_.deadline);
  requests_.push_back(request);
  loop_.post([this, weak = std::weak_ptr(request)] {
    if (const auto waiting = weak.lock()) step(waiting);
  });
}

// Tries patterns from next_pattern on; stops at a name, whose lookup comes back here.
void Resolver::step(const std::shared_ptr<Request>& request) {
  const auto& connection = *request->connection;
  for (; request->next_pattern < connection.remote_addrs.size(); ++request->next_pattern) {
    const auto& pattern = connection.remote_addrs[request->next_pattern];
    if (pattern.kind == AddressPattern::Kind::host_name) {
      request->error =
          fmt::format("no address for {}: the name servers do not answer", pattern.host_name);
      return names_.look_up(pattern.host_name, request,
                            [this, weak = std::weak_ptr(request)](const Addresses& addresses) {
                              const auto waiting = weak.lock();
                              if (waiting && !waiting->done) looked_up(waiting, addresses);
                            });
    }
    if (!pattern.is_single()) continue;
    if (add(*request, pattern.first)) return choose(request);
    request->error = fmt::format("no route to {} from an address that the connection allows",
                                 to_string(pattern));
  }
  choose(request);
}

// True when the attempt's turn has come.
bool Resolver::add(Request& request, const IpAddress& remote) const {
  const auto local = choose_local(*request.connection, remote, options_.mark);
  if (!local.is_none()) request.usable.push_back({local, remote});
  return request.usable.size() > request.attempt;
}

void Resolver::choose(const std::shared_ptr<Request>& request) {
  const auto& usable = request->usable;
  if (usable.empty()) return finish(request, {{}, {}, request->error});
  const Path path = usable[request->attempt % usable.size()];
  finish(request, {path.local, path.remote, {}});
}

void Resolver::looked_up(const std::shared_ptr<Request>& request, const Addresses& addresses) {
  const auto& connection = *request->connection;
  request->error =
      fmt::format("no address for {}: {}", connection.remote_addrs[request->next_pattern].host_name,
                  addresses ? "none of its addresses can be reached" : addresses.error());
  if (addresses)
    for (const auto& address : *addresses)
      if (add(*request, address)) return choose(request);
  ++request->next_pattern;
  step(request);
}

void Resolver::finish(const std::shared_ptr<Request>& request, PeerResolution&& resolution) {
  request->done = true;
  request->deadline->set(kNever);
  std::erase(requests_, request);
  loop_.post([request] {});  // its timer may be what is running
  // The answer may ask for the next resolution, so everything is in order before it is given.
  const auto answer = std::move(request->answer);
  answer(std::move(resolution));
}

}  // namespace culvert::io
