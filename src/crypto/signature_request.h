#pragma once

#include "crypto/signature.h"

namespace culvert {

// What somebody who has the private key is asked to sign: the message itself, not its hash.
struct SignatureRequest {
  SignatureScheme scheme;
  Bytes octets;
};

}  // namespace culvert
