// The OpenSSL 3 backend. Every algorithm is fetched once, when the provider is made.
#pragma once

#include <memory>

#include "crypto/provider.h"

namespace culvert {

// One per thread; the key exchanges it makes must not outlive it. Throws std::runtime_error when
// libcrypto lacks a mandatory algorithm.
std::unique_ptr<Provider> make_openssl_provider();

}  // namespace culvert
