// links: crypto
// A scheme that decodes encodes to what decodes to it again; public keys have their bounds.
#include <cstdlib>

#include "crypto/openssl_provider.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert;
  static const auto provider = make_openssl_provider();
  if (const auto scheme = decode_scheme({data, size})) {
    if (decode_scheme(encode_scheme(*scheme)) != *scheme) std::abort();
  }
  if (const auto key = provider->load_public_key({data, size})) {
    if ((*key)->kind() == KeyKind::rsa &&
        ((*key)->bits() < kMinRsaBits || (*key)->bits() > kMaxRsaBits))
      std::abort();
  }
  return 0;
}
