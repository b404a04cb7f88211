// Invariant: every request is answered once: by its addresses, by the last error, or by its
// deadline, whichever comes first. A thread that is stuck in a lookup touches only Shared.
#include "io/resolver.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <thread>

namespace culvert::io {

namespace {

// An address in the form of the socket functions, and back.
struct SocketName {
  sockaddr_storage storage{};
  socklen_t size = 0;
  explicit SocketName(const IpAddress& address, std::uint16_t port = 0) {
    if (address.is_v4()) {
      auto& name = reinterpret_cast<sockaddr_in&>(storage);
      name.sin_family = AF_INET;
      name.sin_port = htons(port);
      std::memcpy(&name.sin_addr, address.bytes().data(), 4);
      size = sizeof(name);
    } else {
      auto& name = reinterpret_cast<sockaddr_in6&>(storage);
      name.sin6_family = AF_INET6;
      name.sin6_port = htons(port);
      std::memcpy(&name.sin6_addr, address.bytes().data(), 16);
      size = sizeof(name);
    }
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

IpAddress address_of(const sockaddr* name) {
  if (name->sa_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(*name);
    return IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&v4.sin_addr), 4});
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(*name);
  return IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(&v6.sin6_addr), 16});
}

int udp_socket(const IpAddress& address) {
  return ::socket(address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

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

// The local address for packets to `remote` that the configuration allows; none if there is none.
IpAddress choose_local(const ConnectionConfig& connection, const IpAddress& remote,
                       std::uint32_t mark) {
  const auto source = source_towards(remote, mark);
  if (source.is_none()) return {};
  const auto& patterns = connection.local_addrs;
  if (patterns.empty() ||
      std::ranges::any_of(patterns, [&](const auto& p) { return p.matches(source); }))
    return source;
  for (const auto& pattern : patterns)
    if (pattern.is_single() && pattern.first.family() == remote.family() && is_local(pattern.first))
      return pattern.first;
  return {};
}

}  // namespace

IpAddress source_towards(const IpAddress& remote, std::uint32_t mark) {
  const int fd = udp_socket(remote);
  if (fd < 0) return {};
  // Needs a privilege; without it there is no tunnel of ours to lead into either.
  if (mark != 0) ::setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
  const SocketName name(remote, 500);
  sockaddr_storage own{};
  socklen_t size = sizeof(own);
  const bool routed = ::connect(fd, name.get(), name.size) == 0 &&
                      ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0;
  ::close(fd);
  return routed ? address_of(reinterpret_cast<const sockaddr*>(&own)) : IpAddress{};
}

bool is_local(const IpAddress& address) {
  const int fd = udp_socket(address);
  if (fd < 0) return false;
  const SocketName name(address);
  const bool bound = ::bind(fd, name.get(), name.size) == 0;
  ::close(fd);
  return bound;
}

struct Resolver::Request {
  ConnectionRef connection;
  Answer answer;
  std::size_t next_pattern = 0;
  std::string error;  // of the pattern that was tried last
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

void Resolver::resolve(ConnectionRef connection, Answer answer) {
  auto request = std::make_shared<Request>();
  request->connection = std::move(connection);
  request->answer = std::move(answer);
  request->error =
      "the connection has no remote address to initiate to; set `remote_addrs` or "
      "`peer` to an address or a name";
  request->deadline = std::make_unique<Timer>(loop_, [this, weak = std::weak_ptr(request)] {
    if (const auto late = weak.lock()) finish(late, {{}, {}, late->error});
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
    const auto local = choose_local(connection, pattern.first, options_.mark);
    if (!local.is_none()) return finish(request, {local, pattern.first, {}});
    request->error = fmt::format("no route to {} from an address that the connection allows",
                                 to_string(pattern));
  }
  finish(request, {{}, {}, request->error});
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
    for (const auto& address : *addresses) {
      const auto local = choose_local(connection, address, options_.mark);
      if (!local.is_none()) return finish(request, {local, address, {}});
    }
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
