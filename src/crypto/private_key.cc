// Owns private keys and their files.
// Invariant: no key is held that is not of a kind we sign with and whose public half has not passed
// parse_public_key(). libcrypto never asks a terminal for a password.
#include "crypto/private_key.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <string>

#include "base/limits.h"
#include "crypto/openssl_signature.h"
#include "crypto/pem.h"

namespace culvert {
namespace {

using openssl::Handle;
using Bio = Handle<BIO, BIO_free_all>;
using DecoderContext = Handle<OSSL_DECODER_CTX, OSSL_DECODER_CTX_free>;
using Pkcs12File = Handle<PKCS12, PKCS12_free>;
using X509Certificate = Handle<X509, X509_free>;
struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_pop_free(stack, X509_free); }
};
using Certificates = std::unique_ptr<STACK_OF(X509), FreeStack>;

// Memory that is cleared when it is freed, because a key is written into it.
Bio secret_buffer() { return Bio(BIO_new(BIO_s_secmem())); }
SecretBytes contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return SecretBytes(as_bytes({data, static_cast<std::size_t>(size)}));
}

// The state of one attempt to read a key, so that the reason of a failure can be told.
struct Passphrase {
  std::string_view password;
  bool asked = false;
};
int give_password(char* buffer, int size, int, void* state) {
  auto& passphrase = *static_cast<Passphrase*>(state);
  passphrase.asked = true;
  if (passphrase.password.empty() || passphrase.password.size() > static_cast<std::size_t>(size))
    return -1;
  std::ranges::copy(passphrase.password, buffer);
  return static_cast<int>(passphrase.password.size());
}

// From the first block that is labelled as a private key on: certificates and curve parameters may
// stand before it. Empty: there is none.
ByteView skip_to_key(ByteView file) {
  if (!is_pem(file)) return file;
  const std::string_view text = as_text(file);
  const auto label_end = text.find("PRIVATE KEY-----");
  if (label_end == std::string_view::npos) return {};
  const auto begin = text.rfind("-----BEGIN ", label_end);
  return begin == std::string_view::npos ? ByteView() : file.subspan(begin);
}

EVP_PKEY* decode(ByteView file, Passphrase& passphrase) {
  const Bio bio(BIO_new_mem_buf(file.data(), openssl::int_size(file)));
  EVP_PKEY* key = nullptr;
  const DecoderContext context(OSSL_DECODER_CTX_new_for_pkey(
      &key, nullptr, nullptr, nullptr, OSSL_KEYMGMT_SELECT_PRIVATE_KEY, nullptr, nullptr));
  if (!bio || !context ||
      OSSL_DECODER_CTX_set_pem_password_cb(context.get(), give_password, &passphrase) != 1 ||
      OSSL_DECODER_from_bio(context.get(), bio.get()) != 1)
    return nullptr;
  return key;
}

Bytes public_half(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return {};
  Bytes spki(der, der + size);
  OPENSSL_free(der);
  return spki;
}

Bytes der_of(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size <= 0) return {};
  Bytes out(der, der + size);
  OPENSSL_free(der);
  return out;
}

EVP_PKEY* generate_key(KeyKind kind, unsigned rsa_bits) {
  switch (kind) {
    case KeyKind::rsa:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(rsa_bits));
    case KeyKind::ecdsa_p256:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
    case KeyKind::ecdsa_p384:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384");
    case KeyKind::ecdsa_p521:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-521");
    case KeyKind::ed25519:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    case KeyKind::ed448:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448");
  }
  return nullptr;
}

bool begin_signing(EVP_MD_CTX* context, EVP_PKEY* key, const SignatureScheme& scheme) {
  if (!scheme.hash)
    return EVP_DigestSignInit_ex(context, nullptr, nullptr, nullptr, nullptr, key, nullptr) == 1;
  const openssl::SchemeParameters parameters(scheme);
  return EVP_DigestSignInit_ex(context, nullptr, openssl::digest_name(*scheme.hash), nullptr,
                               nullptr, key, parameters.get()) == 1;
}

}  // namespace

std::string_view describe(KeyFileProblem problem) {
  switch (problem) {
    case KeyFileProblem::no_key:
      return "holds no private key";
    case KeyFileProblem::malformed:
      return "is no private key in a form we know (PKCS#1, SEC 1, PKCS#8, PKCS#12)";
    case KeyFileProblem::password_needed:
      return "is encrypted, and no password was given";
    case KeyFileProblem::wrong_password:
      return "does not open with the password given";
    case KeyFileProblem::unsupported:
      return "holds a key of a kind or size that we do not sign with";
  }
  return {};
}

void PrivateKey::Free::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

PrivateKey::PrivateKey(Owner key, KeyKind kind, unsigned bits, Bytes spki)
    : key_(std::move(key)), kind_(kind), bits_(bits), spki_(std::move(spki)) {}
PrivateKey::PrivateKey(PrivateKey&&) noexcept = default;
PrivateKey& PrivateKey::operator=(PrivateKey&&) noexcept = default;
PrivateKey::~PrivateKey() = default;

std::expected<PrivateKey, KeyFileProblem> PrivateKey::take(evp_pkey_st* key) {
  Owner owner(key);
  Bytes spki = public_half(key);
  const auto fields = parse_public_key(spki);
  ERR_clear_error();
  if (!fields) return std::unexpected(KeyFileProblem::unsupported);
  return PrivateKey(std::move(owner), fields->kind, fields->bits, std::move(spki));
}

std::expected<PrivateKey, KeyFileProblem> PrivateKey::load(ByteView file,
                                                           std::string_view password) {
  if (file.empty() || file.size() > limits::kMaxPemSize)
    return std::unexpected(KeyFileProblem::malformed);
  const ByteView from_key = skip_to_key(file);
  if (from_key.empty()) return std::unexpected(KeyFileProblem::no_key);
  Passphrase passphrase{password};
  EVP_PKEY* key = decode(from_key, passphrase);
  ERR_clear_error();
  if (key != nullptr) return take(key);
  if (!passphrase.asked) return std::unexpected(KeyFileProblem::malformed);
  return std::unexpected(password.empty() ? KeyFileProblem::password_needed
                                          : KeyFileProblem::wrong_password);
}

std::expected<Pkcs12, KeyFileProblem> PrivateKey::load_pkcs12(ByteView file,
                                                              std::string_view password) {
  if (file.size() > limits::kMaxPemSize) return std::unexpected(KeyFileProblem::malformed);
  const unsigned char* at = file.data();
  const Pkcs12File p12(d2i_PKCS12(nullptr, &at, static_cast<long>(file.size())));
  ERR_clear_error();
  if (!p12) return std::unexpected(KeyFileProblem::malformed);
  std::string text(password);
  EVP_PKEY* key = nullptr;
  X509* own = nullptr;
  STACK_OF(X509)* others = nullptr;
  const bool opened = PKCS12_parse(p12.get(), text.c_str(), &key, &own, &others) == 1;
  secure_zero({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  const X509Certificate own_owner(own);
  const Certificates others_owner(others);
  ERR_clear_error();
  if (!opened)
    return std::unexpected(password.empty() ? KeyFileProblem::password_needed
                                            : KeyFileProblem::wrong_password);
  if (key == nullptr) return std::unexpected(KeyFileProblem::no_key);
  auto taken = take(key);
  if (!taken) return std::unexpected(taken.error());
  Pkcs12 result{std::move(*taken), {}};
  if (own != nullptr) result.certificates.push_back(der_of(own));
  for (int i = 0; i < sk_X509_num(others); ++i)
    result.certificates.push_back(der_of(sk_X509_value(others, i)));
  return result;
}

Result<PrivateKey> PrivateKey::generate(KeyKind kind, unsigned rsa_bits) {
  if (kind == KeyKind::rsa && (rsa_bits < kWeakRsaBits || rsa_bits > kMaxRsaBits))
    return openssl::invalid_argument();
  EVP_PKEY* key = generate_key(kind, rsa_bits);
  if (key == nullptr) return openssl::failed();
  auto taken = take(key);
  if (!taken) return openssl::failed();
  return std::move(*taken);
}

Result<Bytes> PrivateKey::sign(const SignatureScheme& scheme,
                               std::initializer_list<ByteView> parts) const {
  if (!suits(scheme, kind_)) return openssl::unsupported();
  Bytes message;
  for (const ByteView part : parts) append(message, part);
  const openssl::DigestContext context(EVP_MD_CTX_new());
  if (!context || !begin_signing(context.get(), key_.get(), scheme)) return openssl::failed();
  Bytes signature(kMaxSignatureSize);
  std::size_t size = signature.size();
  if (EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1)
    return openssl::failed();
  signature.resize(size);
  if (scheme.kind == SignatureKind::ecdsa_raw)
    return openssl::ecdsa_raw_from_der(signature, openssl::ecdsa_half(kind_));
  return signature;
}

Result<SecretBytes> PrivateKey::to_pkcs8(std::string_view password) const {
  const Bio bio = secret_buffer();
  const EVP_CIPHER* cipher = password.empty() ? nullptr : EVP_aes_256_cbc();
  if (!bio || i2d_PKCS8PrivateKey_bio(bio.get(), key_.get(), cipher, password.data(),
                                      openssl::int_size(as_bytes(password)), nullptr, nullptr) != 1)
    return openssl::failed();
  return contents(bio.get());
}

Result<SecretBytes> PrivateKey::to_pem(std::string_view password) const {
  const Bio bio = secret_buffer();
  const EVP_CIPHER* cipher = password.empty() ? nullptr : EVP_aes_256_cbc();
  if (!bio ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), cipher, password.data(),
                                    openssl::int_size(as_bytes(password)), nullptr, nullptr) != 1)
    return openssl::failed();
  return contents(bio.get());
}

}  // namespace culvert
