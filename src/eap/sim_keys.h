// The keys of EAP-SIM (RFC 4186, 7), EAP-AKA (RFC 4187, 7) and EAP-AKA' (RFC 9048, 3.3). K_encr has
// no use here: there are neither pseudonyms nor fast re-authentication.
#pragma once

#include <string_view>

#include "base/secret.h"
#include "crypto/provider.h"

namespace culvert::eap::sim {

struct Keys {
  Prf mac = Prf::hmac_sha1;  // of AT_MAC
  SecretBytes aut, msk;
};

// `kcs` of all triplets in order; `version_list` as it was in AT_VERSION_LIST.
Result<Keys> sim_keys(Provider& provider, std::string_view identity, ByteView kcs,
                      ByteView nonce_mt, ByteView version_list, std::uint16_t version);
Result<Keys> aka_keys(Provider& provider, std::string_view identity, ByteView ik, ByteView ck);
Result<Keys> aka_prime_keys(Provider& provider, std::string_view identity, ByteView ik, ByteView ck,
                            ByteView autn, ByteView network_name);

}  // namespace culvert::eap::sim
