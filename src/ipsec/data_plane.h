// The door that the daemon's control thread uses; esp/ and xfrm/ stand behind it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "ipsec/operations.h"
#include "ipsec/xfrm_interface.h"
#include "net/datagram.h"

namespace culvert {

// A data plane owns every socket on the two IKE ports, because ESP shares one of them, and hands
// what is not ESP to the control thread.
class DataPlane {
 public:
  // Called for each IKE datagram (non-ESP marker stripped).
  using IkeSink = std::function<void(const Datagram&)>;

  virtual ~DataPlane() = default;
  // Carries out one operation; returns when packets see its effect. Never waits for the network.
  virtual Result<> apply(SadOp&& op) = 0;
  // What the last refusal of apply() was about, as a sentence; empty when the error says it all.
  virtual std::string refusal() const { return {}; }
  virtual std::optional<SaPairCounters> counters(SaPairId pair) = 0;
  // Notices since the last call, oldest first; the plane signals notice_fd() when there are some.
  virtual std::vector<SadNotice> take_notices() = 0;
  virtual int notice_fd() const = 0;
  // True where UDP encapsulation is the faster way, so that Encap::automatic asks for it.
  virtual bool prefers_udp_encap() const = 0;
  // Makes and removes XFRM interfaces until there are these. The error is a sentence.
  virtual std::expected<void, std::string> set_interfaces(
      const std::vector<XfrmInterface>& wanted) = 0;
  // Sends an IKE message from the control thread; adds the non-ESP marker on the NAT-T port.
  virtual void send_ike(const Datagram& datagram) = 0;
  // RFC 3948, 2.3: one octet that a NAT's mapping lives on and the peer ignores.
  virtual void send_keepalive(const Endpoint& local, const Endpoint& remote) = 0;
  // The device that addresses of tunnels' inner ends are put on.
  virtual std::string address_device() const { return "lo"; }
  // One line per fact, for `culvert status`.
  virtual std::vector<std::string> describe() const = 0;
};

}  // namespace culvert
