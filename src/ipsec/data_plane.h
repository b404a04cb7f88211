// The door that the daemon's control thread uses; esp/ and xfrm/ stand behind it.
#pragma once

#include <functional>
#include <optional>

#include "ipsec/operations.h"
#include "net/datagram.h"

namespace culvert {

class DataPlane {
 public:
  virtual ~DataPlane() = default;
  // Carries out one operation; returns when packets see its effect. Never waits for the network.
  virtual Result<> apply(SadOp&& op) = 0;
  virtual std::optional<SaPairCounters> counters(SaPairId pair) = 0;
  // Notices since the last call, oldest first; the plane signals notice_fd() when there are some.
  virtual std::vector<SadNotice> take_notices() = 0;
  virtual int notice_fd() const = 0;
  // True where UDP encapsulation is the faster way, so that Encap::automatic asks for it.
  virtual bool prefers_udp_encap() const = 0;
};

}  // namespace culvert
