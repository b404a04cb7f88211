// Private keys: of the process that signs, and of the command that issues certificates. What faces
// the network has none.
#pragma once

#include <expected>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "crypto/signature.h"

struct evp_pkey_st;  // OpenSSL's

namespace culvert {

enum class KeyFileProblem : std::uint8_t {
  no_key,           // the file holds no private key
  malformed,        // or of a form that is not known
  password_needed,  // it is encrypted, and no password was given
  wrong_password,
  unsupported,  // an algorithm, curve or size that we do not sign with
};
// "is encrypted, and no password was given": goes on where the file's name ends.
std::string_view describe(KeyFileProblem problem);

struct Pkcs12;

class PrivateKey {
 public:
  PrivateKey(PrivateKey&&) noexcept;
  PrivateKey& operator=(PrivateKey&&) noexcept;
  ~PrivateKey();  // libcrypto clears it

  // PEM or DER; PKCS#1, SEC 1, PKCS#8 and encrypted PKCS#8. The first key of a PEM file.
  static std::expected<PrivateKey, KeyFileProblem> load(ByteView file,
                                                        std::string_view password = {});
  // PKCS#12 with its certificates.
  static std::expected<Pkcs12, KeyFileProblem> load_pkcs12(ByteView file,
                                                           std::string_view password = {});
  // `rsa_bits` from 2048 to kMaxRsaBits; not looked at for the other kinds.
  static Result<PrivateKey> generate(KeyKind kind, unsigned rsa_bits = 3'072);

  KeyKind kind() const { return kind_; }
  unsigned bits() const { return bits_; }
  const Bytes& spki() const { return spki_; }  // SubjectPublicKeyInfo, DER

  // Of the parts one after the other. Fails with `unsupported` when the scheme does not suit the
  // key.
  Result<Bytes> sign(const SignatureScheme& scheme, std::initializer_list<ByteView> parts) const;

  // PKCS#8 as DER or PEM; encrypted (PBES2 with AES-256) where a password is given.
  Result<SecretBytes> to_pkcs8(std::string_view password = {}) const;
  Result<SecretBytes> to_pem(std::string_view password = {}) const;

  // For TLS and PKCS#12, which libcrypto does by itself. Owned by this object.
  evp_pkey_st* native() const { return key_.get(); }

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const;
  };
  using Owner = std::unique_ptr<evp_pkey_st, Free>;
  PrivateKey(Owner key, KeyKind kind, unsigned bits, Bytes spki);
  static std::expected<PrivateKey, KeyFileProblem> take(evp_pkey_st* key);

  Owner key_;
  KeyKind kind_;
  unsigned bits_;
  Bytes spki_;
};

struct Pkcs12 {
  PrivateKey key;
  std::vector<Bytes> certificates;  // DER; the key's own comes first
};

}  // namespace culvert
