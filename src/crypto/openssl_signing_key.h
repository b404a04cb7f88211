// A private key for libssl whose signatures somebody else makes: an OpenSSL provider with keys that
// know the public half and a tls::Signer.
#pragma once

#include "crypto/openssl_handles.h"
#include "crypto/tls.h"

namespace culvert::openssl {

// The library context in which libssl and these keys live, apart from the default one: there both
// the default provider and ours are loaded. Null when libcrypto refuses.
OSSL_LIB_CTX* tls_library();

// The property query with which everything but these keys comes from the default provider.
inline constexpr const char* kTlsProperties = "?provider=default";

// What the error queue holds (library ERR_LIB_USER) when a signer made no signature.
inline constexpr int kSignerRefused = 1;

// `public_key` as in the leaf certificate: RSA, EC, ED25519 or ED448. Without `sign`, the Fiber
// that the handshake runs on has a signer.
Result<PublicKey> make_signing_key(EVP_PKEY* public_key, tls::Signer sign);

}  // namespace culvert::openssl
