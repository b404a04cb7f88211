// Files with certificates, before anybody has looked into them.
#pragma once

#include <vector>

#include "base/bytes.h"

namespace culvert::pki {

// The DER of all certificates of a PEM file in their order, or the file itself where it is DER.
// not_found: a PEM file without certificates; else as read_pem().
Result<std::vector<Bytes>> certificates_in(ByteView file);

// The SubjectPublicKeyInfos of a file, in the same way.
Result<std::vector<Bytes>> public_keys_in(ByteView file);

}  // namespace culvert::pki
