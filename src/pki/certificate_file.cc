#include "pki/certificate_file.h"

#include "crypto/pem.h"

namespace culvert::pki {

Result<std::vector<Bytes>> certificates_in(ByteView file) {
  std::vector<Bytes> certificates;
  if (!is_pem(file)) {
    certificates.push_back(to_bytes(file));
    return certificates;
  }
  for (PemBlock& block : TRY(read_pem(as_text(file))))
    if (block.label == "CERTIFICATE" || block.label == "X509 CERTIFICATE")
      certificates.push_back(std::move(block.der));
  if (certificates.empty()) return fail(Fault::local_policy, Reason::not_found);
  return certificates;
}

}  // namespace culvert::pki
