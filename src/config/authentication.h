// Who we are to the peer and who the peer has to be: the keys of [tunnel.NAME] about pre-shared
// keys, certificates, EAP and identities.
#pragma once

#include "config/tunnel.h"

namespace culvert::config {

// psk, cert, key, key_password, ca, peer_cert, revocation, eap, eap_user, local_id, remote_id.
void read_authentication(TableReader& table, const TunnelContext& context, Tunnel& tunnel);
// key, key_password: the file with the private key of what `beside_what` names, which the tunnel
// has been given already; without one that is an error.
void read_private_key(TableReader& table, std::string_view beside_what, Tunnel& tunnel);

}  // namespace culvert::config
