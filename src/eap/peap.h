// PEAP version 0, as Windows, FreeRADIUS and strongSwan speak it ([MS-PEAP]): EAP inside a TLS
// tunnel, without its headers, and a result that both sides confirm there. No cryptographic
// binding.
#pragma once

#include <vector>

#include "crypto/provider.h"
#include "eap/tls_method.h"

namespace culvert::eap {

struct PeapServer {
  Provider& provider;
  std::vector<Offer> methods;
};
std::unique_ptr<Method> make_peap_server(TlsEnd end, PeapServer inner);

struct PeapPeer {
  std::string user;  // which only the server in the tunnel sees
  std::vector<Offer> methods;
};
std::unique_ptr<Method> make_peap_peer(TlsEnd end, PeapPeer inner);

}  // namespace culvert::eap
