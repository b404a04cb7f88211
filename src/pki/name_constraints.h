// Name constraints of CAs: RFC 5280, 4.2.1.10.
#pragma once

#include "pki/certificate.h"

namespace culvert::pki {

// The first name of the certificate that the constraints forbid; nullopt: all are allowed. Takes
// one off `budget` for each comparison and forbids what it could not afford to compare.
std::optional<GeneralName> find_forbidden(const NameConstraints& constraints,
                                          const Certificate& certificate, std::size_t& budget);

}  // namespace culvert::pki
