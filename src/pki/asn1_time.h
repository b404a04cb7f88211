// Times in certificates, CRLs and OCSP responses: RFC 5280, 4.1.2.5; and their text.
#pragma once

#include <chrono>
#include <string>

#include "base/bytes.h"

namespace culvert::pki {

// UTCTime or GeneralizedTime in the one form that RFC 5280 allows: in GMT, with seconds, without
// fractions.
Result<std::chrono::sys_seconds> read_time(Reader& reader);
std::string to_string(std::chrono::sys_seconds time);  // "2026-05-01 12:00:00 UTC"

}  // namespace culvert::pki
