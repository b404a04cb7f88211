// PEM (RFC 7468): blocks of base64 between labels, with any text around them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace culvert {

struct PemBlock {
  std::string label;  // "CERTIFICATE"
  Bytes der;
  std::uint32_t offset = 0;  // of its first dash in the file
};
// All blocks of a file in their order, private keys left out: those are for private_key.h. Fails
// with bad_value at the offset of a block that is malformed, `too_large` for more than
// limits::kMaxPemBlocks.
Result<std::vector<PemBlock>> read_pem(std::string_view text);
// Whether a file is PEM and not bare DER.
bool is_pem(ByteView file);
std::string write_pem(std::string_view label, ByteView der);

}  // namespace culvert
