// Who we are to the peer and who the peer has to be: the keys of [tunnel.NAME] about pre-shared
// keys, certificates, EAP and identities.
#pragma once

#include "config/tunnel.h"

namespace culvert::config {

// psk, cert, key, ca, peer_cert, revocation, eap, eap_user, local_id, remote_id.
void read_authentication(TableReader& table, const TunnelContext& context, Tunnel& tunnel);
// [user.NAME]: who may log in by EAP here, or who we are elsewhere.
std::vector<eap::User> read_users(const Member& member, const TunnelContext& context);

// What a key is a secret in: a string, or { file = "…" }; empty after a report. `what` as
// diagnostics call it: "pre-shared key".
SecretBytes read_secret(TableReader& table, const Member& member, std::string_view what,
                        const TunnelContext& context);
// The file with the private key of what `beside_what` names; without one that is an error.
void read_private_key(TableReader& table, std::string_view beside_what, Tunnel& tunnel);

}  // namespace culvert::config
