// The kernel's names for the ciphers of ESP and AH.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "crypto/transforms.h"

namespace culvert::xfrm {

struct KernelCipher {
  const char* aead = nullptr;  // then the others are null
  const char* encryption = nullptr;
  const char* integrity = nullptr;
  unsigned icv_bits = 0;
};

// nullopt: the kernel has no name for it.
std::optional<KernelCipher> kernel_cipher(const CipherSpec& spec);
// "rfc4106(gcm(aes))", "cbc(aes) with hmac(sha256)": for sentences.
std::string cipher_text(const CipherSpec& spec);

}  // namespace culvert::xfrm
