// MD4 (RFC 1320), for MSCHAPv2's hash of the password and nothing else: libcrypto has it in a
// provider that need not be there.
#pragma once

#include "base/bytes.h"

namespace culvert::eap {

inline constexpr std::size_t kMd4Size = 16;
// out has kMd4Size octets.
void md4(ByteView message, MutableBytes out);

}  // namespace culvert::eap
