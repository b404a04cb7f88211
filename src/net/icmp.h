// ICMP errors that a gateway sends (RFC 792, RFC 1191, RFC 4443).
#pragma once

#include "net/ip.h"

namespace culvert {

enum class IcmpError : std::uint8_t {
  too_big,                  // fragmentation needed and DF set; Packet Too Big
  administratively_denied,  // communication administratively prohibited
};

// The whole IP packet that answers `offending` (as it was parsed into `packet`) with an error from
// its destination to its source; `mtu` counts for too_big. Empty when RFC 1122, 3.2.2 or RFC 4443,
// 2.4(e) forbids one: about an ICMP error, a later fragment, or a source that is no single host.
Bytes make_icmp_error(IcmpError error, ByteView offending, const IpPacket& packet,
                      std::uint16_t mtu);

}  // namespace culvert
