// A UDP datagram as the event loop delivers it and takes it back.
#pragma once

#include "net/address.h"

namespace culvert {

// On port 4500 the four zero octets of the non-ESP marker (RFC 3948, 2.2) are already stripped on
// receipt, and are added by whoever sends.
struct Datagram {
  Endpoint local;
  Endpoint remote;
  ByteView payload;
};

}  // namespace culvert
