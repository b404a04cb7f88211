// Invariant: the kernel queues its notice before whoever changed an address goes on, so an empty
// queue means that what we know is true.
#include "esp/own_addresses.h"

#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "esp/socket_address.h"

namespace culvert::esp {
namespace {

std::vector<IpAddress> read_addresses() {
  std::vector<IpAddress> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* at = list; at; at = at->ifa_next) {
    const int family = at->ifa_addr ? at->ifa_addr->sa_family : AF_UNSPEC;
    if (family != AF_INET && family != AF_INET6) continue;
    sockaddr_storage storage{};
    std::memcpy(&storage, at->ifa_addr,
                family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    if (const IpAddress address = from_sockaddr(storage).address; !address.is_local_only())
      addresses.push_back(address);
  }
  freeifaddrs(list);
  std::ranges::sort(addresses);
  return addresses;
}

}  // namespace

void OwnAddresses::Close::operator()(mnl_socket* socket) const { mnl_socket_close(socket); }

OwnAddresses::OwnAddresses()
    : notices_(mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC)) {
  if (notices_ && mnl_socket_bind(notices_.get(), RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
                                  MNL_SOCKET_AUTOPID) != 0)
    notices_.reset();
}

bool OwnAddresses::have_changed() {
  if (!notices_) return true;
  std::array<char, 8'192> buffer;
  for (bool changed = false;;) {
    // What they say is no matter, nor how many there were: the queue may have run over (ENOBUFS).
    if (mnl_socket_recvfrom(notices_.get(), buffer.data(), buffer.size()) < 0 && errno != ENOBUFS)
      return changed || (errno != EAGAIN && errno != EWOULDBLOCK);
    changed = true;
  }
}

IpAddress OwnAddresses::one_within(const std::vector<TrafficSelector>& selectors, Family family) {
  if (have_changed() || !known_) addresses_ = read_addresses();
  known_ = true;
  for (const TrafficSelector& selector : selectors) {
    if (selector.first.family() != family) continue;
    const auto found = std::ranges::lower_bound(addresses_, selector.first);
    if (found != addresses_.end() && found->family() == family && *found <= selector.last)
      return *found;
  }
  return {};
}

}  // namespace culvert::esp
