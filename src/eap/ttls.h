// EAP-TTLS version 0 (RFC 5281; with TLS 1.3, RFC 9427): a password, or another EAP method, inside
// a TLS tunnel. Inside are PAP, MSCHAPv2, or EAP, as the peer chooses.
#pragma once

#include <optional>
#include <vector>

#include "eap/password_methods.h"
#include "eap/tls_method.h"

namespace culvert::eap {

struct TtlsServer {
  PasswordServer passwords;  // of PAP and MSCHAPv2
  bool pap = true;
  bool mschapv2 = true;
  std::vector<Offer> methods;  // of EAP inside; none: no EAP inside
};
std::unique_ptr<Method> make_ttls_server(TlsEnd end, TtlsServer inner);

struct TtlsPeer {
  enum class Inner : std::uint8_t { pap, mschapv2, eap };
  Provider& provider;
  Inner inner = Inner::pap;
  std::string user;                 // which only the server in the tunnel sees
  Password password;                // for PAP (clear) and MSCHAPv2 (clear or NT hash)
  std::vector<Offer> methods = {};  // for EAP
};
std::unique_ptr<Method> make_ttls_peer(TlsEnd end, TtlsPeer inner);

}  // namespace culvert::eap
