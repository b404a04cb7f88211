// The arithmetic of MSCHAPv2 (RFC 2759, 8) and of its keys (RFC 3079, 3.4), apart from any protocol
// that carries it.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "crypto/provider.h"
#include "eap/password.h"

namespace culvert::eap::mschapv2 {

inline constexpr std::size_t kChallengeSize = 16;
inline constexpr std::size_t kResponseSize = 24;
inline constexpr std::size_t kAuthenticatorSize = 20;
using Challenge = std::array<std::uint8_t, kChallengeSize>;
using Response = std::array<std::uint8_t, kResponseSize>;
using Authenticator = std::array<std::uint8_t, kAuthenticatorSize>;

// What both sides put into the hashes. `user` may have a domain, which is left out.
struct Inputs {
  ByteView authenticator_challenge, peer_challenge;  // kChallengeSize each
  std::string_view user;
};

// NT-Response of the peer.
Result<Response> nt_response(Provider& provider, const Inputs& inputs, const NtHash& password);
// The server's proof, which is "S=" and this in hexadecimal.
Result<Authenticator> authenticator_response(Provider& provider, const Inputs& inputs,
                                             const NtHash& password, ByteView nt_response);
// "S=" and the proof.
std::string to_text(const Authenticator& proof);
// Whether a server's text ("S=…", and maybe more behind a space) begins by this proof.
bool proves(std::string_view text, const Authenticator& expected);
std::string hex(ByteView octets);  // in capitals, as all texts of MSCHAPv2 have it

// The server's receive key, its send key, 32 zeros: as Windows and strongSwan do it.
Result<SecretBytes> msk(Provider& provider, const NtHash& password, ByteView nt_response);

}  // namespace culvert::eap::mschapv2
