// links: pki
// Every entry of a list is found again, and lists that are no longer whole are refused.
#include <cstdlib>

#include "crypto/openssl_provider.h"
#include "pki/crl.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert;
  static const auto provider = make_openssl_provider();
  const auto crl = pki::parse_crl(*provider, {data, size});
  if (!crl) return 0;
  const Bytes& der = (*crl)->der;
  for (const auto& entry : (*crl)->entries)
    if (!(*crl)->find(ByteView(der).subspan(entry.serial_at, entry.serial_size))) std::abort();
  if (pki::parse_crl(*provider, ByteView(der).first(der.size() - 1))) std::abort();
  return 0;
}
