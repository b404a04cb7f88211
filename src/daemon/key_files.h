// The private keys that the configuration file names.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/load.h"
#include "crypto/provider.h"
#include "daemon/signer.h"

namespace culvert {

struct LoadedKeys {
  std::vector<PublicKeyRef> keys;  // that can sign now
  // One line for each that is missing, encrypted, broken, or of another certificate than the one
  // beside it.
  std::string wrong;
};
// Has the signing process load them, each once.
LoadedKeys load_key_files(Signer& signer, Provider& provider,
                          std::span<const config::KeyFile> files);

}  // namespace culvert
