// Connections that are for members of some groups only.
#pragma once

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// The peer has proven itself and belongs to these groups: the connection becomes the one that fits
// it best, of those that ask for the same proofs. False where none is for it, with the peer
// refused.
bool choose_by_groups(Host& host, IkeSa& sa, const AuthExchange& exchange,
                      const std::vector<std::string>& groups);

}  // namespace culvert::ikev2
