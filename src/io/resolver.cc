// Invariant: every request is answered once: by its addresses, by the last error, or by its
// deadline, whichever comes first. A thread that is stuck in a lookup touches only Shared.
#include "io/resolver.h"

#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "io/paths.h"
#include "io/socket_name.h"

namespace culvert::io {

namespace {

Resolver::Addresses look_up(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  if (const int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &list); error != 0)
    return std::unexpected(::gai_strerror(error));
  std::vector<IpAddress> addresses;
  for (const auto* entry = list; entry != nullptr; entry = entry->ai_next)
    if (entry->ai_family == AF_INET || entry->ai_family == AF_INET6)
      addresses.push_back(address_of(entry->ai_addr));
  ::freeaddrinfo(list);
  return addresses;
}

}  // namespace

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

struct Resolver::Shared {
  std::mutex mutex;
  EventLoop* loop = nullptr;  // nullptr: the resolver has gone
};

Resolver::Resolver(EventLoop& loop, Options options)
    : loop_(loop), options_(std::move(options)), shared_(std::make_shared<Shared>()) {
  shared_->loop = &loop;
  if (!options_.lookup) options_.lookup = look_up;
}

Resolver::~Resolver() {
  const std::lock_guard lock(shared_->mutex);
  shared_->loop = nullptr;
}

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
  loop_.post([this, weak = std::weak_ptr(request), shared = std::weak_ptr(shared_)] {
    const auto waiting = weak.lock();
    if (waiting && !shared.expired()) step(waiting);
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
      waiting_.push_back(request);
      return start_lookups();
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

void Resolver::start_lookups() {
  while (!waiting_.empty() && running_ < options_.max_threads) {
    const auto request = waiting_.front();
    waiting_.pop_front();
    if (request->done) continue;
    ++running_;
    const auto name = request->connection->remote_addrs[request->next_pattern].host_name;
    // The thread may outlive the request, whose timer belongs to the loop: it must not own it.
    std::thread([this, weak = std::weak_ptr(request), name, lookup = options_.lookup,
                 shared = shared_] {
      auto addresses = lookup(name);
      const std::lock_guard lock(shared->mutex);
      if (shared->loop == nullptr) return;
      shared->loop->post(
          [this, weak, addresses = std::move(addresses), alive = std::weak_ptr(shared)] {
            if (alive.expired()) return;
            --running_;
            if (const auto waiting = weak.lock(); waiting && !waiting->done)
              looked_up(waiting, addresses);
            start_lookups();
          });
    }).detach();
  }
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
