// Key material of IKEv2: RFC 7296, 2.13 to 2.18.
#pragma once

#include "crypto/provider.h"

namespace culvert {

// The seven keys of an IKE SA; SK_p* are needed until authentication is over.
struct IkeKeys {
  Key sk_d, sk_ai, sk_ar, sk_ei, sk_er, sk_pi, sk_pr;
};

struct IkeKeyInputs {
  Prf prf;
  CipherSpec cipher;
  ByteView nonce_i, nonce_r;
  ByteView shared_secret;  // g^ir
  std::uint64_t spi_i, spi_r;
};

// SKEYSEED = prf(Ni | Nr, g^ir), with the nonces cut to 8 octets each for fixed-key PRFs
// (RFC 7296, 2.14), then the seven keys by prf+.
Result<IkeKeys> derive_ike_keys(Provider& provider, const IkeKeyInputs& inputs);
// SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr) with the OLD SA's prf (RFC 7296, 2.18), then the
// seven keys with inputs.prf.
Result<IkeKeys> derive_rekeyed_ike_keys(Provider& provider, const IkeKeyInputs& inputs, Prf old_prf,
                                        ByteView old_sk_d);

// Keys of a CHILD SA pair, RFC 7296, 2.17: from initiator to responder first, encryption before
// integrity.
struct ChildKeys {
  Key encryption_i, integrity_i, encryption_r, integrity_r;
};
struct ChildKeyInputs {
  Prf prf;
  CipherSpec cipher;  // Encr::none for AH
  ByteView sk_d;
  ByteView nonce_i, nonce_r;
  ByteView shared_secret;  // empty without a key exchange
};
Result<ChildKeys> derive_child_keys(Provider& provider, const ChildKeyInputs& inputs);

// AUTH by shared key, RFC 7296, 2.15:
// prf(prf(secret, "Key Pad for IKEv2"), message | nonce | prf(SK_p, RestOfIDPayload)).
// `message` is the first message that the signer sent, `nonce` the other side's nonce value and
// `id_body` the ID payload without its generic header. `out` has the PRF's size.
Result<> psk_auth(Provider& provider, Prf prf, ByteView secret, ByteView message, ByteView nonce,
                  ByteView sk_p, ByteView id_body, MutableBytes out);

}  // namespace culvert
