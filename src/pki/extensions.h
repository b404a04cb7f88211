// The extensions of certificates (RFC 5280, 4.2), as libcrypto decodes them.
#pragma once

#include "pki/certificate.h"

struct stack_st_X509_EXTENSION;  // OpenSSL's

namespace culvert::pki {

// Fills in what `from` has. Fails with bad_value for extensions that are malformed or come twice,
// too_large for more than limits::kMaxExtensions of them or limits::kMaxGeneralNames in one.
Result<> read_extensions(const stack_st_X509_EXTENSION& from, Certificate& to);

}  // namespace culvert::pki
