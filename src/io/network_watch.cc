// Invariant: what the kernel says is only a reason to look; the addresses are always read anew. So
// a lost message, or a queue that ran over, loses nothing.
#include "io/network_watch.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/socket_name.h"

namespace culvert::io {
namespace {

constexpr unsigned kGroups =
    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
// So many datagrams are read before other work of the loop gets its turn.
constexpr int kMaxReads = 64;
constexpr std::size_t kBuffer = 32'768;

// IFF_LOWER_UP of <linux/if.h>, which can't stand beside <net/if.h>.
constexpr unsigned kLowerUp = 1U << 16;

// The carrier is there before the kernel declares the link to be running, which may take a second.
bool is_usable(unsigned flags) {
  return (flags & IFF_UP) != 0 && (flags & (IFF_RUNNING | kLowerUp)) != 0;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

std::vector<IpAddress> read_addresses(const std::vector<std::string>& own_devices) {
  std::vector<IpAddress> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* at = list; at; at = at->ifa_next) {
    if (!at->ifa_addr || !is_usable(at->ifa_flags) || contains(own_devices, at->ifa_name)) continue;
    const int family = at->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    if (const IpAddress address = address_of(at->ifa_addr); !address.is_local_only())
      addresses.push_back(address);
  }
  freeifaddrs(list);
  std::ranges::sort(addresses);
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

// The value of a 32-bit attribute behind a header of `offset` octets; zero when it has none.
std::uint32_t attribute_of(const nlmsghdr& message, std::size_t offset, std::uint16_t type) {
  const auto* tail = static_cast<const char*>(mnl_nlmsg_get_payload_tail(&message));
  const auto* at = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&message, offset));
  for (; mnl_attr_ok(at, static_cast<int>(tail - reinterpret_cast<const char*>(at)));
       at = mnl_attr_next(at))
    if (mnl_attr_get_type(at) == type && mnl_attr_get_payload_len(at) == sizeof(std::uint32_t))
      return mnl_attr_get_u32(at);
  return 0;
}

}  // namespace

void NetworkWatch::Close::operator()(mnl_socket* socket) const { mnl_socket_close(socket); }

NetworkWatch::NetworkWatch(EventLoop& loop, Options options, Changed changed)
    : loop_(loop),
      options_(std::move(options)),
      changed_(std::move(changed)),
      timer_(loop, [this] { reread(); }) {}

NetworkWatch::~NetworkWatch() = default;

std::expected<void, std::string> NetworkWatch::start() {
  socket_.reset(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket_ || mnl_socket_bind(socket_.get(), kGroups, MNL_SOCKET_AUTOPID) != 0)
    return std::unexpected(
        fmt::format("cannot watch addresses and routes (netlink): {}", std::strerror(errno)));
  readable_ = std::make_unique<ReadableWatch>(loop_, mnl_socket_get_fd(socket_.get()),
                                              [this] { on_readable(); });
  addresses_ = read_addresses(options_.own_devices);
  schedule();
  return {};
}

bool NetworkWatch::matters(const nlmsghdr& message) const {
  const auto is_own = [&](unsigned index) {
    char name[IF_NAMESIZE];
    return if_indextoname(index, name) && contains(options_.own_devices, name);
  };
  const auto carries = [&](std::size_t size) {
    return mnl_nlmsg_get_payload_len(&message) >= size;
  };
  const void* body = mnl_nlmsg_get_payload(&message);
  switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return carries(sizeof(ifinfomsg)) &&
             !is_own(static_cast<unsigned>(static_cast<const ifinfomsg*>(body)->ifi_index));
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return carries(sizeof(ifaddrmsg)) && !is_own(static_cast<const ifaddrmsg*>(body)->ifa_index);
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      if (!carries(sizeof(rtmsg))) return false;
      const auto& route = *static_cast<const rtmsg*>(body);
      // The local table follows the addresses; cloned routes are a cache.
      if (route.rtm_table == RT_TABLE_LOCAL || (route.rtm_flags & RTM_F_CLONED) != 0) return false;
      const std::uint32_t device = attribute_of(message, sizeof(rtmsg), RTA_OIF);
      return attribute_of(message, sizeof(rtmsg), RTA_TABLE) != options_.own_table &&
             (device == 0 || !is_own(device));
    }
    default:
      return false;
  }
}

void NetworkWatch::ignore(std::vector<std::string> own_devices) {
  if (options_.own_devices == own_devices) return;
  options_.own_devices = std::move(own_devices);
  schedule();
}

void NetworkWatch::on_readable() {
  alignas(nlmsghdr) char buffer[kBuffer];
  bool changed = false;
  for (int reads = 0; reads < kMaxReads; ++reads) {
    const ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer, sizeof buffer);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (size < 0) changed = true;  // ENOBUFS: some were lost
    auto rest = static_cast<int>(size);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer);
         mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest))
      changed |= matters(*message);
  }
  if (changed) schedule();
}

// From the first change on, so that a network that never rests is still looked at.
void NetworkWatch::schedule() {
  if (!std::exchange(scheduled_, true)) timer_.set(loop_.now() + options_.delay);
}

void NetworkWatch::reread() {
  scheduled_ = false;
  addresses_ = read_addresses(options_.own_devices);
  changed_(addresses_);
}

}  // namespace culvert::io
