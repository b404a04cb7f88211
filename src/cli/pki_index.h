// The index.txt of `openssl ca`: one line for each certificate that a CA issued.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "cli/pki_command.h"
#include "pki/ocsp_issuing.h"

namespace culvert::cli {

using CertificateIndex = std::map<Bytes, pki::CertificateStatus>;  // by serial number

// The error names the line.
Outcome<CertificateIndex> parse_index(std::string_view text);
// By its name in RFC 5280, 5.3.1 ("keyCompromise"), in strongSwan's or in OpenSSL's spelling
// ("key-compromise"); letter case and dashes do not matter.
std::optional<pki::RevocationReason> parse_reason(std::string_view name);

}  // namespace culvert::cli
