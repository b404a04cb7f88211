// Key exchanges of the OpenSSL backend: MODP groups, curves of NIST, X25519 and X448.
#pragma once

#include <array>
#include <memory>

#include "crypto/openssl_handles.h"
#include "crypto/provider.h"

namespace culvert::openssl {

// A safe-prime group with generator 2 and what speeds up reduction.
struct ModpGroup {
  Ke method = Ke::none;
  int exponent_bits = 0;
  Number prime, prime_minus_1;
  Montgomery montgomery;
};
struct EcpGroup {
  Ke method = Ke::none;
  Group group;
};
struct XdhCurve {
  Ke method = Ke::none;
  const char* name = nullptr;
  PublicKeyContext generator;  // initialised for key generation
  PublicKeyContext importer;   // initialised for making keys from octets
};

// Makes key exchanges. They point into their factory, which must outlive them.
class KeyExchangeFactory {
 public:
  KeyExchangeFactory();
  bool supports(Ke method) const;
  Result<std::unique_ptr<KeyExchange>> generate(Ke method);
  // With the private value given, for known-answer tests: big-endian for MODP and ECP, RFC 7748's
  // octets for X25519 and X448.
  Result<std::unique_ptr<KeyExchange>> from_private(Ke method, ByteView private_value);

 private:
  std::array<ModpGroup, 8> modp_;
  std::array<EcpGroup, 3> ecp_;
  std::array<XdhCurve, 2> xdh_;
  NumberContext scratch_;
};

}  // namespace culvert::openssl
