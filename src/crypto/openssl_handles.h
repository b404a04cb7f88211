// Owners of OpenSSL objects, for the files of the OpenSSL backend only. What may hold key material
// is cleared when freed (libcrypto does so itself for contexts and EVP_PKEYs).
#pragma once

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <climits>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"

namespace culvert::openssl {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <class T, auto Free>
using Handle = std::unique_ptr<T, Deleter<Free>>;

using Cipher = Handle<EVP_CIPHER, EVP_CIPHER_free>;
using CipherContext = Handle<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using Digest = Handle<EVP_MD, EVP_MD_free>;
using DigestContext = Handle<EVP_MD_CTX, EVP_MD_CTX_free>;
using Mac = Handle<EVP_MAC, EVP_MAC_free>;
using MacContext = Handle<EVP_MAC_CTX, EVP_MAC_CTX_free>;
using PublicKey = Handle<EVP_PKEY, EVP_PKEY_free>;
using PublicKeyContext = Handle<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using Number = Handle<BIGNUM, BN_clear_free>;
using NumberContext = Handle<BN_CTX, BN_CTX_free>;
using Montgomery = Handle<BN_MONT_CTX, BN_MONT_CTX_free>;
using Group = Handle<EC_GROUP, EC_GROUP_free>;
using Point = Handle<EC_POINT, EC_POINT_clear_free>;

// A failure of the library or of an algorithm. The thread's error queue is emptied: what stays
// there would be taken for a failure of the next user of the queue (TLS in EAP).
inline std::unexpected<Error> failed(Fault fault = Fault::internal,
                                     Reason reason = Reason::system) {
  ERR_clear_error();
  return fail(fault, reason);
}
inline std::unexpected<Error> invalid_argument() {
  return fail(Fault::internal, Reason::invalid_argument);
}
inline std::unexpected<Error> unsupported() {
  return fail(Fault::local_policy, Reason::unsupported);
}

// libcrypto counts in int.
inline bool fits_int(ByteView bytes) { return bytes.size() <= std::size_t{INT_MAX}; }
inline int int_size(ByteView bytes) { return static_cast<int>(bytes.size()); }

}  // namespace culvert::openssl
