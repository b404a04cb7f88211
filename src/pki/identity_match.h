// Which identities a certificate proves: RFC 4945, 3.1 and 5.1.3.6.
#pragma once

#include "pki/certificate.h"
#include "policy/identity.h"

namespace culvert::pki {

// The subject, where it is not empty, then the subjectAltNames that ID payloads can carry. A host
// name that stands only in the subject's common name is no identity.
std::vector<Identity> identities_of(const Certificate& certificate);

// Whether the certificate proves the identity that a peer CLAIMS. No character of it is a wildcard.
// KEY_ID is compared with the key identifiers.
bool certifies(const Certificate& certificate, const Identity& claimed);
// How well a pattern of OURS fits the best of the certificate's identities, as match() of
// policy/identity.h. Never to be given what a peer sent.
int match_certificate(const Identity& pattern, const Certificate& certificate);

}  // namespace culvert::pki
