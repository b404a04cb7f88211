// Makes PKCS#12 files (RFC 7292), which hold a private key with its certificates.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crypto/private_key.h"

namespace culvert::pki {

struct Pkcs12Contents {
  const PrivateKey& key;
  std::string name;          // friendlyName; empty: none
  std::vector<Bytes> chain;  // DER; the key's own certificate first
};
enum class Pkcs12Form : std::uint8_t {
  aes,    // AES-256, PBKDF2 and SHA-256
  legacy  // 3DES and SHA-1, which is all that some devices read
};
// Fails with invalid_argument when the first certificate is not the key's.
Result<SecretBytes> make_pkcs12(const Pkcs12Contents& contents, std::string_view password,
                                Pkcs12Form form);

}  // namespace culvert::pki
