// The two backends of cipher.h, for cipher.cc alone.
#pragma once

#include "esp/cipher.h"

struct IMB_MGR;

namespace culvert::esp {

struct CipherParameters {
  CipherSpec spec;
  CipherSizes sizes;
  const SaKeys& keys;
  bool esn;
};

// The additional authenticated data of an AEAD (RFC 4106, 5): SPI, then 32 or 64 bits of sequence
// number. Returns its length.
std::size_t write_aad(const CryptoOp& op, bool esn, std::uint8_t* out);

// nullptr where libipsec-mb does not fit the spec (or this build lacks the library).
std::unique_ptr<PacketCipher> make_multibuffer_cipher(IMB_MGR* manager,
                                                      const CipherParameters& parameters);
IMB_MGR* make_multibuffer_manager();  // nullptr without the library or the processor for it
void free_multibuffer_manager(IMB_MGR* manager);
std::string describe_multibuffer(const IMB_MGR* manager);

// AES-GCM and ChaCha20-Poly1305 on kept contexts; nullptr for the rest.
std::unique_ptr<PacketCipher> make_evp_aead(const CipherParameters& parameters);
// Everything the provider knows, keyed again for each packet.
std::unique_ptr<PacketCipher> make_provider_cipher(Provider& provider,
                                                   const CipherParameters& parameters);

}  // namespace culvert::esp
