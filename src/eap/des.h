// DES (FIPS 46-3) of one block, for MSCHAPv2's response and nothing else: libcrypto has it in a
// provider that need not be there.
#pragma once

#include "base/bytes.h"

namespace culvert::eap {

inline constexpr std::size_t kDesBlock = 8;
inline constexpr std::size_t kDesKey = 7;  // without the parity bits, as RFC 2759, 8.6 has it

// out = DES(key, block).
void des_encrypt(ByteView key, ByteView block, MutableBytes out);

}  // namespace culvert::eap
