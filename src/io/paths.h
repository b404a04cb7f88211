// What routing says of the ways to a peer.
#pragma once

#include "policy/connection.h"
#include "shard/output.h"

namespace culvert::io {

// The source address that the system would use towards `remote`; none when there is no route. A
// mark keeps the question from being answered by a route into a tunnel.
IpAddress source_towards(const IpAddress& remote, std::uint32_t mark);
// True when a socket can be bound to `address`: it is one of this machine's.
bool is_local(const IpAddress& address);
// The local address for packets to `remote` that the configuration allows; none if there is none.
IpAddress choose_local(const ConnectionConfig& connection, const IpAddress& remote,
                       std::uint32_t mark);

// The answer to FindPaths. `addresses`: this machine's that are in working order; others are not
// in the answer.
FoundPaths find_paths(const ConnectionConfig& connection, const std::vector<IpAddress>& remotes,
                      const std::vector<IpAddress>& addresses, std::uint32_t mark);

}  // namespace culvert::io
