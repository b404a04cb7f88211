// Certificate policies of a path: RFC 5280, 6.1, without policy mappings, which make a
// certificate's policies other ones and are not followed.
#pragma once

#include "pki/path.h"

namespace culvert::pki {

// `chain`: leaf first, trusted CA last. `wanted`: OIDs of which one must be valid for the path;
// empty: any, unless a CA of the path asks for one.
std::optional<PathFailure> check_policies(std::span<const CertificateRef> chain,
                                          const std::vector<std::string>& wanted);

}  // namespace culvert::pki
