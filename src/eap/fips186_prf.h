// The pseudo-random function of FIPS 186-2 (change notice 1), which EAP-SIM and EAP-AKA make their
// keys with (RFC 4186, B and RFC 4187, A). It needs SHA-1's compression without its padding, which
// libcrypto does not offer.
#pragma once

#include "base/bytes.h"

namespace culvert::eap {

inline constexpr std::size_t kFips186Seed = 20;
// Fills `out`, whose size is a multiple of 40, from a seed (XKEY) of 20 octets.
void fips186_prf(ByteView seed, MutableBytes out);

}  // namespace culvert::eap
