// The sockets of the two IKE ports beside the kernel's data plane.
#pragma once

#include <functional>

#include "esp/sockets.h"
#include "net/datagram.h"

namespace culvert::xfrm {

// Invariant: every one passes the SPD by, or IKE would need the SAs that it is to make; on the
// NAT-T port the kernel keeps ESP for itself (RFC 3948).
class IkeSockets {
 public:
  using Sink = std::function<void(const Datagram&)>;

  // The error is a sentence. What the host lacks, but need not have, goes into `missing`.
  static std::expected<IkeSockets, std::string> open(std::uint16_t ike_port,
                                                     std::uint16_t nat_t_port, std::uint32_t mark,
                                                     std::vector<std::string>& missing);

  std::size_t size() const { return sockets_.size(); }
  int fd(std::size_t index) const { return sockets_[index].fd(); }
  // What has come in on one of them, a bounded number of datagrams.
  void receive(std::size_t index, const Sink& sink);
  void send(const Datagram& datagram) const;
  void send_keepalive(const Endpoint& local, const Endpoint& remote) const;

 private:
  explicit IkeSockets(std::uint16_t nat_t_port) : nat_t_port_(nat_t_port) {}
  std::expected<void, std::string> open(Family family, std::uint16_t port, std::uint32_t mark,
                                        std::vector<std::string>& missing);

  std::uint16_t nat_t_port_;
  std::vector<esp::OuterSocket> sockets_;
  esp::ReceiveBatch batch_;
};

}  // namespace culvert::xfrm
