// The network interfaces of this machine.
#pragma once

#include <string>

#include "net/address.h"

namespace culvert::io {

// The name of the interface that has this address; empty when none has.
std::string interface_of(const IpAddress& address);

}  // namespace culvert::io
