// links: pki
#include <cstdlib>

#include "crypto/openssl_provider.h"
#include "pki/ocsp.h"

// No response that nobody signed is taken for one of the certificates that it brings along, unless
// one of them did sign it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert;
  static const auto provider = make_openssl_provider();
  const auto response = pki::parse_ocsp_response(*provider, {data, size});
  if (!response) return 0;
  for (const auto& issuer : (*response)->certificates) {
    const auto verified =
        pki::verify(*provider, **response, *issuer, issuer->not_before, (*response)->nonce);
    if (verified && (*response)->signature.empty()) std::abort();
    for (const auto& answer : (*response)->answers) (void)is_about(*provider, answer, *issuer);
  }
  return 0;
}
