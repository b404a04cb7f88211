// The transforms of IKEv2 (RFC 7296, 3.3.2; numbers from IANA's "IKEv2 Parameters") and what each
// needs: key, IV and tag sizes. The registries are open: an enumerator may hold any 16-bit value.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace culvert {

enum class TransformType : std::uint8_t {
  encr = 1,
  prf = 2,
  integ = 3,
  ke = 4,
  esn = 5,
  // RFC 9370: additional key exchanges
  addke1 = 6,
  addke2 = 7,
  addke3 = 8,
  addke4 = 9,
  addke5 = 10,
  addke6 = 11,
  addke7 = 12
};

enum class Encr : std::uint16_t {
  none = 0,
  des = 2,
  triple_des = 3,
  cast = 6,
  blowfish = 7,
  null = 11,
  aes_cbc = 12,
  aes_ctr = 13,
  aes_ccm_8 = 14,
  aes_ccm_12 = 15,
  aes_ccm_16 = 16,
  aes_gcm_8 = 18,
  aes_gcm_12 = 19,
  aes_gcm_16 = 20,
  null_auth_aes_gmac = 21,
  camellia_cbc = 23,
  chacha20_poly1305 = 28
};

enum class Prf : std::uint16_t {
  none = 0,
  hmac_md5 = 1,
  hmac_sha1 = 2,
  aes128_xcbc = 4,
  hmac_sha2_256 = 5,
  hmac_sha2_384 = 6,
  hmac_sha2_512 = 7,
  aes128_cmac = 8
};

enum class Integ : std::uint16_t {
  none = 0,
  hmac_md5_96 = 1,
  hmac_sha1_96 = 2,
  aes_xcbc_96 = 5,
  aes_cmac_96 = 8,
  hmac_sha2_256_128 = 12,
  hmac_sha2_384_192 = 13,
  hmac_sha2_512_256 = 14
};

enum class Ke : std::uint16_t {
  none = 0,
  modp768 = 1,
  modp1024 = 2,
  modp1536 = 5,
  modp2048 = 14,
  modp3072 = 15,
  modp4096 = 16,
  modp6144 = 17,
  modp8192 = 18,
  ecp256 = 19,
  ecp384 = 20,
  ecp521 = 21,
  x25519 = 31,
  x448 = 32,
  mlkem512 = 35,
  mlkem768 = 36,
  mlkem1024 = 37
};

enum class Esn : std::uint16_t { no = 0, yes = 1 };

// A cipher of an SA: what SK payloads and ESP are protected with. `integ` is none for AEADs;
// `key_bits` is 0 where the cipher has one key size (ChaCha20-Poly1305, null).
struct CipherSpec {
  Encr encr = Encr::none;
  std::uint16_t key_bits = 0;
  Integ integ = Integ::none;
  bool operator==(const CipherSpec&) const = default;
};

bool is_aead(Encr encr);
// The sizes below are in octets; nullopt where this build does not know the algorithm.
struct CipherSizes {
  std::uint8_t key = 0;        // SK_e / encryption part of KEYMAT, salt or nonce included
  std::uint8_t salt = 0;       // how much of the end of `key` is salt (RFC 4106, 4309, 3686, 7634)
  std::uint8_t integ_key = 0;  // SK_a; 0 for AEADs
  std::uint8_t iv = 0;         // on the wire
  std::uint8_t icv = 0;        // on the wire
  std::uint8_t block = 1;      // plaintext with padding is a multiple of this
};
std::optional<CipherSizes> sizes_of(const CipherSpec& spec);
// Preferred key and output size of the PRF (RFC 7296, 2.13): both are the same for all PRFs here.
std::optional<std::size_t> prf_size(Prf prf);
// True for PRFs whose key has one size (AES-XCBC, AES-CMAC): RFC 7296, 2.14 then truncates the
// nonces to 8 octets each when they make the key of SKEYSEED.
bool prf_has_fixed_key(Prf prf);
// Octets of the public value in a KE payload; nullopt for unknown methods.
std::optional<std::size_t> public_value_size(Ke ke);

// IANA's names ("ENCR_AES_GCM_16"); empty for unknown numbers.
std::string_view name_of(TransformType type);
std::string_view name_of(Encr encr);
std::string_view name_of(Prf prf);
std::string_view name_of(Integ integ);
std::string_view name_of(Ke ke);
std::string_view name_of(Esn esn);

}  // namespace culvert
