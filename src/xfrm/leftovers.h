// What an earlier culvertd that was killed has left in the kernel.
#pragma once

#include "xfrm/socket.h"

namespace culvert::xfrm {

// Deletes the SAs and policies that a culvertd made; those of others stay. How many there were.
std::size_t remove_leftovers(RequestSocket& requests);

}  // namespace culvert::xfrm
