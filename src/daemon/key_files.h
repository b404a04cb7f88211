// The private keys that the configuration file names.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <vector>

#include "config/load.h"
#include "crypto/provider.h"
#include "daemon/signer.h"

namespace culvert {

// Has the signing process load them all: their public halves, or one line for each that is missing,
// encrypted, broken, or of another certificate than the one beside it. Those that could be loaded
// can sign afterwards.
std::expected<std::vector<PublicKeyRef>, std::string> load_key_files(
    Signer& signer, Provider& provider, std::span<const config::KeyFile> files);

}  // namespace culvert
