#include "pki/certificate_file.h"

#include <algorithm>

#include "crypto/pem.h"

namespace culvert::pki {
namespace {

Result<std::vector<Bytes>> blocks_of(ByteView file,
                                     std::initializer_list<std::string_view> labels) {
  std::vector<Bytes> found;
  if (!is_pem(file)) {
    found.push_back(to_bytes(file));
    return found;
  }
  for (PemBlock& block : TRY(read_pem(as_text(file))))
    if (std::ranges::find(labels, block.label) != labels.end())
      found.push_back(std::move(block.der));
  if (found.empty()) return fail(Fault::local_policy, Reason::not_found);
  return found;
}

}  // namespace

Result<std::vector<Bytes>> certificates_in(ByteView file) {
  return blocks_of(file, {"CERTIFICATE", "X509 CERTIFICATE"});
}

Result<std::vector<Bytes>> public_keys_in(ByteView file) { return blocks_of(file, {"PUBLIC KEY"}); }

}  // namespace culvert::pki
