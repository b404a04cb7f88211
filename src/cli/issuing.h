// Certificates with the contents that suit a server of remote users and the people who use it, for
// commands that ask no questions about them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/pki_files.h"

namespace culvert::cli {

// A key of the kind that every client has: RSA. Some know no other.
Outcome<PrivateKey> make_key();

struct Subject {
  std::string common_name;
  std::vector<Bytes> alternative_names;  // GeneralNames
};
// The DER of a CA's certificate, which the CA signs itself.
Outcome<Bytes> make_ca_certificate(const std::string& common_name, const PrivateKey& key);
Outcome<Bytes> make_certificate(const Subject& subject, std::span<const pki::KeyPurpose> purposes,
                                const PrivateKey& key, const Authority& ca);

}  // namespace culvert::cli
