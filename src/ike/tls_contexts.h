// What TLS handshakes with one credential have in common, made once: parsing certificates for
// libssl takes longer than a handshake does.
#pragma once

#include <map>

#include "crypto/tls.h"

namespace culvert {

class TlsContexts {
 public:
  // `chain`: our certificates, leaf first, or none; their signatures are asked for. `authorities`:
  // the CAs that a server names.
  Result<std::shared_ptr<const tls::Context>> get(std::vector<Bytes> chain,
                                                  std::vector<Bytes> authorities);
  void clear() { known_.clear(); }

 private:
  using Key = std::pair<std::vector<Bytes>, std::vector<Bytes>>;
  std::map<Key, std::shared_ptr<const tls::Context>> known_;
};

}  // namespace culvert
