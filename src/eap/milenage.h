// Milenage (3GPP TS 35.206), the functions of a SIM or USIM that most operators use, and the GSM
// triplets that come of it (3GPP TS 55.205).
#pragma once

#include <array>
#include <cstdint>

#include "base/secret.h"
#include "crypto/provider.h"

namespace culvert::eap::milenage {

inline constexpr std::size_t kKeySize = 16;
using Block = std::array<std::uint8_t, 16>;
using Six = std::array<std::uint8_t, 6>;
using Eight = std::array<std::uint8_t, 8>;

// K and OPc of one subscriber.
struct Keys {
  InlineSecret<kKeySize> k, opc;
};
// OPc from the operator's OP.
Result<Block> opc_of(Provider& provider, ByteView k, ByteView op);

struct Macs {
  Eight a, s;  // f1: MAC-A, f1*: MAC-S
};
Result<Macs> f1(Provider& provider, const Keys& keys, ByteView rand, const Six& sqn,
                std::uint16_t amf);

struct Answers {
  Eight res;        // f2
  Block ck, ik;     // f3, f4
  Six ak, ak_star;  // f5, f5*
};
Result<Answers> f2345(Provider& provider, const Keys& keys, ByteView rand);

struct Gsm {
  std::array<std::uint8_t, 4> sres;
  Eight kc;
};
Gsm gsm_of(const Answers& answers);

Six sqn_octets(std::uint64_t sqn);  // of its lower 48 bits
std::uint64_t sqn_of(const Six& octets);

}  // namespace culvert::eap::milenage
