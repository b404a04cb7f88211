// Opening and receiving. Invariant: every received buffer comes with the local address it was sent
// to, or is dropped; replies and ESP leave from that address.
#include "esp/sockets.h"

#include <fmt/format.h>
#include <netinet/udp.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "esp/socket_address.h"
#include "net/encapsulation.h"

namespace culvert::esp {
namespace {

constexpr int kBufferOctets = 7 * 1'024 * 1'024;
constexpr int kUdpSegment = 103, kUdpGro = 104;  // linux/udp.h; glibc's header has them late
constexpr unsigned kFallbackMtu = 1'280;

bool set_int(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

std::string sentence(std::string_view what, int error) {
  return fmt::format("cannot {}: {}", what, std::strerror(error));
}

std::string_view family_name(Family family) { return family == Family::v4 ? "IPv4" : "IPv6"; }

int protocol_of(OuterSocket::Kind kind) {
  switch (kind) {
    case OuterSocket::Kind::udp:
      return IPPROTO_UDP;
    case OuterSocket::Kind::raw_esp:
      return IPPROTO_ESP;
    case OuterSocket::Kind::raw_ah:
      return IPPROTO_AH;
    default:
      return IPPROTO_RAW;  // takes whole packets (raw(7))
  }
}

std::uint16_t bound_port(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return from_sockaddr(address).port;
}

}  // namespace

bool OuterSocket::tell_of_packets() {
  const int fd = fd_.get();
  if (family_ == Family::v4)
    return set_int(fd, IPPROTO_IP, IP_PKTINFO, 1) && set_int(fd, IPPROTO_IP, IP_RECVTOS, 1);
  // AH protects the extension headers in front of it.
  const bool ah = kind_ == Kind::raw_ah;
  return set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
         set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1) &&
         (!ah || (set_int(fd, IPPROTO_IPV6, IPV6_RECVHOPOPTS, 1) &&
                  set_int(fd, IPPROTO_IPV6, IPV6_RECVRTHDR, 1) &&
                  set_int(fd, IPPROTO_IPV6, IPV6_RECVDSTOPTS, 1)));
}

void OuterSocket::set_dont_fragment(bool wanted) {
  if (family_ != Family::v4 || kind_ == Kind::raw_ip || wanted == dont_fragment_) return;
  if (set_int(fd_.get(), IPPROTO_IP, IP_MTU_DISCOVER, wanted ? IP_PMTUDISC_WANT : IP_PMTUDISC_DONT))
    dont_fragment_ = wanted;
}

std::string OuterSocket::set_options(std::uint32_t mark) {
  const int fd = fd_.get();
  if (mark != 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0)
    return sentence("mark sockets (SO_MARK; it needs CAP_NET_ADMIN)", errno);
  // The forced ones need CAP_NET_ADMIN; the others give what net.core allows.
  if (!set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, kBufferOctets))
    set_int(fd, SOL_SOCKET, SO_RCVBUF, kBufferOctets);
  if (!set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, kBufferOctets))
    set_int(fd, SOL_SOCKET, SO_SNDBUF, kBufferOctets);
  if (!tell_of_packets()) return sentence("ask for packet information", errno);
  // DF on what fits the path; IKE messages that don't are fragmented.
  if (family_ == Family::v4)
    set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT);
  else
    set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_WANT);
  if (kind_ == Kind::udp) {
    gro_ = set_int(fd, IPPROTO_UDP, kUdpGro, 1);
    segments_->store(set_int(fd, IPPROTO_UDP, kUdpSegment, 0));
  }
  return {};
}

std::expected<OuterSocket, std::string> OuterSocket::open(Kind kind, Family family,
                                                          std::uint16_t port, std::uint32_t mark,
                                                          bool& no_family) {
  const int domain = family == Family::v4 ? AF_INET : AF_INET6;
  const bool udp = kind == Kind::udp;
  const int type = (udp ? SOCK_DGRAM : SOCK_RAW) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  FileDescriptor fd(socket(domain, type, protocol_of(kind)));
  const std::string what = udp ? fmt::format("{} UDP port {}", family_name(family), port)
                               : fmt::format("{} raw {} socket", family_name(family),
                                             kind == Kind::raw_esp  ? "ESP"
                                             : kind == Kind::raw_ah ? "AH"
                                                                    : "IP");
  no_family = !fd && errno == EAFNOSUPPORT;
  if (!fd) return std::unexpected(sentence("open " + what, errno));
  OuterSocket result(std::move(fd), kind, family, port);
  if (family == Family::v6) set_int(result.fd(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (std::string error = result.set_options(mark); !error.empty())
    return std::unexpected(std::move(error));
  if (!udp) return result;
  sockaddr_storage address;
  const socklen_t length = to_sockaddr({IpAddress::any(family), port}, address);
  if (bind(result.fd(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    no_family = errno == EADDRNOTAVAIL;  // ipv6.disable_ipv6 leaves the family, but no address
    return std::unexpected(sentence("bind " + what, errno));
  }
  if (port == 0) result.port_ = bound_port(result.fd());
  return result;
}

ReceiveBatch::ReceiveBatch()
    : buffers_(new std::uint8_t[kMessages * kBufferSize]),
      messages_(kMessages),
      pieces_(kMessages),
      names_(kMessages),
      controls_(kMessages),
      headers_(kMessages),
      received_(kMessages) {}

std::span<Received> ReceiveBatch::receive(OuterSocket& socket) {
  for (std::size_t i = 0; i < kMessages; ++i) {
    pieces_[i] = {buffers_.get() + i * kBufferSize, kBufferSize};
    messages_[i] = {};
    msghdr& header = messages_[i].msg_hdr;
    header.msg_name = &names_[i];
    header.msg_namelen = sizeof names_[i];
    header.msg_iov = &pieces_[i];
    header.msg_iovlen = 1;
    header.msg_control = controls_[i].octets;
    header.msg_controllen = sizeof controls_[i].octets;
  }
  const int count = recvmmsg(socket.fd(), messages_.data(), kMessages, MSG_DONTWAIT, nullptr);
  std::size_t good = 0;
  for (int i = 0; i < count; ++i)
    if (describe(socket, static_cast<std::size_t>(i), received_[good])) ++good;
  return std::span(received_).first(good);
}

bool ReceiveBatch::describe(const OuterSocket& socket, std::size_t index, Received& received) {
  msghdr& header = messages_[index].msg_hdr;
  received = {};
  received.data = {buffers_.get() + index * kBufferSize, messages_[index].msg_len};
  received.remote = from_sockaddr(names_[index]);
  received.local.port = socket.port();
  received.segment = received.data.size();
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || received.data.empty()) return false;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c))
    read_control(*c, received);
  if (received.local.address.is_none()) return false;
  return socket.kind() == OuterSocket::Kind::udp || find_headers(socket, index, received);
}

void ReceiveBatch::read_control(const cmsghdr& control, Received& received) {
  const auto* data = CMSG_DATA(const_cast<cmsghdr*>(&control));
  const auto integer = [data] {
    int value;
    std::memcpy(&value, data, sizeof value);
    return value;
  };
  const int level = control.cmsg_level, type = control.cmsg_type;
  if (level == IPPROTO_IP && type == IP_PKTINFO) {
    in_pktinfo info;
    std::memcpy(&info, data, sizeof info);
    received.local.address = from_in_addr(info.ipi_addr);
  } else if (level == IPPROTO_IPV6 && type == IPV6_PKTINFO) {
    in6_pktinfo info;
    std::memcpy(&info, data, sizeof info);
    received.local.address = from_in6_addr(info.ipi6_addr);
  } else if (level == IPPROTO_IP && type == IP_TOS) {
    received.traffic_class = *data;
  } else if (level == IPPROTO_IPV6 && type == IPV6_TCLASS) {
    received.traffic_class = static_cast<std::uint8_t>(integer());
  } else if (level == IPPROTO_UDP && type == kUdpGro) {
    if (const int value = integer(); value > 0) received.segment = static_cast<std::size_t>(value);
  }
}

bool ReceiveBatch::find_headers(const OuterSocket& socket, std::size_t index, Received& received) {
  received.remote.port = 0;
  if (socket.family() == Family::v4) {  // raw IPv4 sockets show the IP header
    const std::size_t skip = (received.data[0] & 0x0fu) * 4;
    if (received.data.size() <= skip || skip < ip::kIpv4Header) return false;
    received.headers = received.data.first(skip);
    received.data = received.data.subspan(skip);
  } else if (socket.kind() == OuterSocket::Kind::raw_ah) {
    if (!collect_extensions(index)) return false;
    Headers& headers = headers_[index];
    const MutableBytes chain(headers.octets, ip::kIpv6Header + headers.extensions);
    const std::uint8_t first = chain[6];
    write_ip_header(
        {received.remote.address, received.local.address, first, received.traffic_class},
        headers.extensions + received.data.size(), chain.data());
    received.headers = chain;
  }
  received.segment = received.data.size();
  return true;
}

// The kernel hands out extension headers in their order, each with its next-header field.
bool ReceiveBatch::collect_extensions(std::size_t index) {
  msghdr& header = messages_[index].msg_hdr;
  Headers& headers = headers_[index];
  headers.extensions = 0;
  std::uint8_t& first = headers.octets[6];
  first = IPPROTO_AH;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != IPPROTO_IPV6) continue;
    std::uint8_t type;
    if (c->cmsg_type == IPV6_HOPOPTS)
      type = ip::kHopByHop;
    else if (c->cmsg_type == IPV6_RTHDR)
      type = ip::kRouting;
    else if (c->cmsg_type == IPV6_DSTOPTS)
      type = ip::kDestinationOptions;
    else
      continue;
    const std::size_t size = c->cmsg_len - CMSG_LEN(0);
    const std::size_t used = ip::kIpv6Header + headers.extensions;
    if (used + size > kMaxHeaders) return false;
    if (headers.extensions == 0) first = type;
    std::memcpy(headers.octets + used, CMSG_DATA(c), size);
    headers.extensions += size;
  }
  return true;
}

unsigned path_mtu(const Endpoint& local, const Endpoint& remote, std::uint32_t mark) {
  const bool v4 = remote.address.is_v4();
  const FileDescriptor fd(socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return kFallbackMtu;
  setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark);
  sockaddr_storage address;
  if (!local.address.is_unspecified()) {
    const socklen_t length = to_sockaddr({local.address, 0}, address);
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0)
      return kFallbackMtu;
  }
  const socklen_t length = to_sockaddr({remote.address, 9}, address);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0)
    return kFallbackMtu;
  int mtu = 0;
  socklen_t size = sizeof mtu;
  const int got = v4 ? getsockopt(fd.get(), IPPROTO_IP, IP_MTU, &mtu, &size)
                     : getsockopt(fd.get(), IPPROTO_IPV6, IPV6_MTU, &mtu, &size);
  return got == 0 && mtu > 0 ? static_cast<unsigned>(mtu) : kFallbackMtu;
}

}  // namespace culvert::esp
