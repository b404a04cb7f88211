// Invariant: every path in an answer has a route from its local to its remote address.
#include "io/paths.h"

#include <unistd.h>

#include <algorithm>

#include "base/limits.h"
#include "io/socket_name.h"

namespace culvert::io {
namespace {

// Closes itself.
class UdpSocket {
 public:
  UdpSocket(Family family, std::uint32_t mark)
      : fd_(::socket(family == Family::v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    // Needs a privilege; without it there is no tunnel of ours to lead into either.
    if (mark != 0) ::setsockopt(fd_, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
  }
  ~UdpSocket() {
    if (fd_ >= 0) ::close(fd_);
  }
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  bool bind(const IpAddress& address) const {
    const SocketName name(address);
    return ::bind(fd_, name.get(), name.size) == 0;
  }
  bool connect(const IpAddress& remote) const {
    const SocketName name(remote, 500);
    return ::connect(fd_, name.get(), name.size) == 0;
  }
  IpAddress own_address() const {
    sockaddr_storage own{};
    socklen_t size = sizeof(own);
    const bool known = ::getsockname(fd_, reinterpret_cast<sockaddr*>(&own), &size) == 0;
    return known ? address_of(reinterpret_cast<const sockaddr*>(&own)) : IpAddress{};
  }

 private:
  int fd_;
};

bool allows(const ConnectionConfig& connection, const IpAddress& local) {
  const auto& patterns = connection.local_addrs;
  return patterns.empty() ||
         std::ranges::any_of(patterns, [&](const auto& one) { return one.matches(local); });
}

bool has_route(const Path& path, std::uint32_t mark) {
  const UdpSocket socket(path.remote.family(), mark);
  return socket.bind(path.local) && socket.connect(path.remote);
}

}  // namespace

IpAddress source_towards(const IpAddress& remote, std::uint32_t mark) {
  const UdpSocket socket(remote.family(), mark);
  return socket.connect(remote) ? socket.own_address() : IpAddress{};
}

bool is_local(const IpAddress& address) { return UdpSocket(address.family(), 0).bind(address); }

IpAddress choose_local(const ConnectionConfig& connection, const IpAddress& remote,
                       std::uint32_t mark) {
  const auto source = source_towards(remote, mark);
  if (source.is_none()) return {};
  if (allows(connection, source)) return source;
  for (const auto& pattern : connection.local_addrs)
    if (pattern.is_single() && pattern.first.family() == remote.family() && is_local(pattern.first))
      return pattern.first;
  return {};
}

FoundPaths find_paths(const ConnectionConfig& connection, const std::vector<IpAddress>& remotes,
                      const std::vector<IpAddress>& addresses, std::uint32_t mark) {
  FoundPaths paths;
  const auto add = [&](const Path& path) {
    const bool working = std::ranges::binary_search(addresses, path.local);
    if (working && paths.size() < limits::kMaxAdditionalAddresses &&
        std::ranges::find(paths, path) == paths.end())
      paths.push_back(path);
  };
  for (const IpAddress& remote : remotes) add({choose_local(connection, remote, mark), remote});
  for (const IpAddress& remote : remotes)
    for (const IpAddress& local : addresses)
      if (local.family() == remote.family() && allows(connection, local) &&
          has_route({local, remote}, mark))
        add({local, remote});
  return paths;
}

}  // namespace culvert::io
