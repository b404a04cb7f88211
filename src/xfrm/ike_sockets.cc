// Opens, reads and writes the IKE sockets of the kernel plane.
#include "xfrm/ike_sockets.h"

#include <fmt/format.h>
#include <linux/udp.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace culvert::xfrm {
namespace {

constexpr int kUdpGro = 104;  // linux/udp.h; glibc's header has it late
constexpr std::size_t kReceivesPerTurn = 4;

std::unexpected<std::string> failed(std::string_view what, const esp::OuterSocket& socket) {
  return std::unexpected(fmt::format("cannot {} on the {} UDP port {}: {}", what,
                                     socket.family() == Family::v4 ? "IPv4" : "IPv6", socket.port(),
                                     std::strerror(errno)));
}

std::expected<void, std::string> bypass_policies(const esp::OuterSocket& socket) {
  const bool v4 = socket.family() == Family::v4;
  xfrm_userpolicy_info policy{};
  policy.action = XFRM_POLICY_ALLOW;
  policy.sel.family = v4 ? AF_INET : AF_INET6;
  for (const std::uint8_t direction : {XFRM_POLICY_IN, XFRM_POLICY_OUT}) {
    policy.dir = direction;
    const int done =
        v4 ? setsockopt(socket.fd(), IPPROTO_IP, IP_XFRM_POLICY, &policy, sizeof policy)
           : setsockopt(socket.fd(), IPPROTO_IPV6, IPV6_XFRM_POLICY, &policy, sizeof policy);
    if (done != 0) return failed("pass IPsec policies by", socket);
  }
  return {};
}

std::expected<void, std::string> take_esp(const esp::OuterSocket& socket) {
  // Trains of ESP packets would reach the kernel's ESP as one packet.
  const int off = 0, esp_in_udp = UDP_ENCAP_ESPINUDP;
  setsockopt(socket.fd(), IPPROTO_UDP, kUdpGro, &off, sizeof off);
  if (setsockopt(socket.fd(), IPPROTO_UDP, UDP_ENCAP, &esp_in_udp, sizeof esp_in_udp) != 0)
    return failed("let the kernel take ESP (UDP_ENCAP)", socket);
  return {};
}

}  // namespace

std::expected<void, std::string> IkeSockets::open(Family family, std::uint16_t port,
                                                  std::uint32_t mark,
                                                  std::vector<std::string>& missing) {
  bool no_family = false;
  auto socket = esp::OuterSocket::open(esp::OuterSocket::Kind::udp, family, port, mark, no_family);
  if (!socket && family == Family::v6 && no_family) {
    missing.push_back(std::move(socket.error()));
    return {};
  }
  if (!socket) return std::unexpected(std::move(socket.error()));
  CHECK_OK(bypass_policies(*socket));
  if (port == nat_t_port_) {
    auto taken = take_esp(*socket);
    if (!taken && family == Family::v4) return taken;
    if (!taken) missing.push_back(std::move(taken.error()));  // IPv6 only since Linux 5.8
  }
  sockets_.push_back(std::move(*socket));
  return {};
}

std::expected<IkeSockets, std::string> IkeSockets::open(std::uint16_t ike_port,
                                                        std::uint16_t nat_t_port,
                                                        std::uint32_t mark,
                                                        std::vector<std::string>& missing) {
  IkeSockets sockets(nat_t_port);
  for (const Family family : {Family::v4, Family::v6})
    for (const std::uint16_t port : {ike_port, nat_t_port})
      CHECK_OK(sockets.open(family, port, mark, missing));
  return sockets;
}

void IkeSockets::receive(std::size_t index, const Sink& sink) {
  esp::OuterSocket& socket = sockets_[index];
  for (std::size_t i = 0; i < kReceivesPerTurn; ++i) {
    const auto received = batch_.receive(socket);
    for (const esp::Received& buffer : received) {
      ByteView octets = buffer.data;
      if (socket.port() == nat_t_port_) {
        // The kernel keeps ESP; what has no marker is a keepalive, or garbage.
        if (octets.size() < esp::kNonEspMarker || load_be<std::uint32_t>(octets.data()) != 0)
          continue;
        octets = octets.subspan(esp::kNonEspMarker);
      }
      sink({buffer.local, buffer.remote, octets});
    }
    if (received.size() < esp::ReceiveBatch::kMessages) return;
  }
}

void IkeSockets::send(const Datagram& datagram) const {
  esp::send_ike(sockets_, nat_t_port_, datagram);
}
void IkeSockets::send_keepalive(const Endpoint& local, const Endpoint& remote) const {
  esp::send_keepalive(sockets_, nat_t_port_, local, remote);
}

}  // namespace culvert::xfrm
