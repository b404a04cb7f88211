// Verification by libcrypto: hashes with the provider's engine, then one public-key operation.
// Invariant: no key gets here that parse_public_key() has not bounded.
#include "crypto/openssl_signature.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>

#include "base/der.h"

namespace culvert::openssl {
namespace {

using Parameters = Handle<OSSL_PARAM, OSSL_PARAM_free>;
using ParameterBuilder = Handle<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using EcdsaSignature = Handle<ECDSA_SIG, ECDSA_SIG_free>;

class LoadedKey final : public culvert::PublicKey {
 public:
  LoadedKey(const PublicKeyFields& fields, ByteView spki, const Ids& ids, openssl::PublicKey key)
      : culvert::PublicKey(fields, spki, ids), key_(std::move(key)) {}
  using culvert::PublicKey::Ids;
  EVP_PKEY* get() const { return key_.get(); }

 private:
  openssl::PublicKey key_;
};

PublicKey import(const char* type, OSSL_PARAM* parameters) {
  const PublicKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
    return nullptr;
  return PublicKey(key);
}

Number number(ByteView octets) {
  return Number(BN_bin2bn(octets.data(), int_size(octets), nullptr));
}

PublicKey import_rsa(const PublicKeyFields& fields) {
  const Number modulus = number(fields.modulus), exponent = number(fields.exponent);
  const ParameterBuilder builder(OSSL_PARAM_BLD_new());
  if (!modulus || !exponent || !builder ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1)
    return nullptr;
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  return parameters ? import("RSA", parameters.get()) : nullptr;
}

// libcrypto checks that the point lies on the curve; the curves' cofactor is 1.
PublicKey import_point(const PublicKeyFields& fields, const char* curve) {
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(curve), 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
                                        const_cast<std::uint8_t*>(fields.subject_public_key.data()),
                                        fields.subject_public_key.size()),
      OSSL_PARAM_construct_end()};
  return import("EC", parameters);
}

PublicKey import_raw(const PublicKeyFields& fields, const char* type) {
  return PublicKey(EVP_PKEY_new_raw_public_key_ex(
      nullptr, type, nullptr, fields.subject_public_key.data(), fields.subject_public_key.size()));
}

PublicKey import_key(const PublicKeyFields& fields) {
  switch (fields.kind) {
    case KeyKind::rsa:
      return import_rsa(fields);
    case KeyKind::ecdsa_p256:
      return import_point(fields, "P-256");
    case KeyKind::ecdsa_p384:
      return import_point(fields, "P-384");
    case KeyKind::ecdsa_p521:
      return import_point(fields, "P-521");
    case KeyKind::ed25519:
      return import_raw(fields, "ED25519");
    case KeyKind::ed448:
      return import_raw(fields, "ED448");
  }
  return nullptr;
}

// EdDSA takes the message as a whole, because it hashes it twice.
bool verify_pure(EVP_PKEY* key, Parts message, ByteView signature) {
  Bytes whole;
  for (const ByteView part : message) append(whole, part);
  const DigestContext context(EVP_MD_CTX_new());
  return context &&
         EVP_DigestVerifyInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr, key, nullptr) ==
             1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), whole.data(),
                          whole.size()) == 1;
}

bool verify_digest(EVP_PKEY* key, const SignatureScheme& scheme, ByteView digest,
                   ByteView signature) {
  const PublicKeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  const SchemeParameters parameters(scheme);
  return context && EVP_PKEY_verify_init_ex(context.get(), parameters.get()) == 1 &&
         EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(),
                         digest.size()) == 1;
}

}  // namespace

Result<PublicKeyRef> load_public_key(MacEngine& hashes, ByteView spki) {
  const PublicKeyFields fields = TRY(parse_public_key(spki));
  LoadedKey::Ids ids;
  CHECK_OK(hashes.hash(Hash::sha1, Parts(&fields.subject_public_key, 1), ids.key_id));
  CHECK_OK(hashes.hash(Hash::sha1, Parts(&spki, 1), ids.spki_hash));
  PublicKey key = import_key(fields);
  if (!key) return failed(Fault::peer_misbehaved, Reason::bad_public_value);
  return std::make_shared<const LoadedKey>(fields, spki, ids, std::move(key));
}

Result<> verify(MacEngine& hashes, const culvert::PublicKey& key, const SignatureScheme& scheme,
                Parts message, ByteView signature) {
  const auto* loaded = dynamic_cast<const LoadedKey*>(&key);
  const auto bad = [] { return failed(Fault::peer_misbehaved, Reason::bad_integrity); };
  if (loaded == nullptr || !suits(scheme, key.kind()) || signature.empty() ||
      signature.size() > kMaxSignatureSize)
    return bad();
  if (!scheme.hash) {
    if (!verify_pure(loaded->get(), message, signature)) return bad();
    return {};
  }
  std::array<std::uint8_t, kMaxHashSize> buffer;
  const MutableBytes hashed = MutableBytes(buffer).first(hash_size(*scheme.hash));
  CHECK_OK(hashes.hash(*scheme.hash, message, hashed));
  Bytes converted;
  if (scheme.kind == SignatureKind::ecdsa_raw) {
    if (signature.size() != 2 * ecdsa_half(key.kind())) return bad();
    converted = ecdsa_der_from_raw(signature);
    signature = converted;
  }
  if (!verify_digest(loaded->get(), scheme, hashed, signature)) return bad();
  return {};
}

SchemeParameters::SchemeParameters(const SignatureScheme& scheme) : salt_size_(scheme.salt_size) {
  const auto text = [](const char* key, const char* value) {
    return OSSL_PARAM_construct_utf8_string(key, const_cast<char*>(value), 0);
  };
  const char* const hash = digest_name(*scheme.hash);
  auto* next = parameters_.data();
  *next++ = text(OSSL_SIGNATURE_PARAM_DIGEST, hash);
  if (scheme.kind == SignatureKind::rsa_pkcs1)
    *next++ = text(OSSL_SIGNATURE_PARAM_PAD_MODE, OSSL_PKEY_RSA_PAD_MODE_PKCSV15);
  if (scheme.kind == SignatureKind::rsa_pss) {
    *next++ = text(OSSL_SIGNATURE_PARAM_PAD_MODE, OSSL_PKEY_RSA_PAD_MODE_PSS);
    *next++ = text(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, hash);
    *next++ = OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, &salt_size_);
  }
  *next = OSSL_PARAM_construct_end();
}

const char* digest_name(Hash hash) {
  constexpr const char* kNames[] = {"SHA1", "SHA256", "SHA384", "SHA512", "MD5"};
  return kNames[static_cast<std::size_t>(hash)];
}

Bytes ecdsa_der_from_raw(ByteView raw) {
  const auto integer = [](ByteView half) {
    while (half.size() > 1 && half[0] == 0) half = half.subspan(1);
    static constexpr std::uint8_t kZero[] = {0};
    const ByteView sign = half[0] >= 0x80 ? ByteView(kZero) : ByteView();
    return der::element(der::kInteger, {sign, half});
  };
  if (raw.size() < 2 || raw.size() % 2 != 0) return {};
  const std::size_t half = raw.size() / 2;
  return der::element(der::kSequence, {integer(raw.first(half)), integer(raw.subspan(half))});
}

Bytes ecdsa_raw_from_der(ByteView der, std::size_t half) {
  const std::uint8_t* at = der.data();
  const EcdsaSignature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  Bytes raw(2 * half);
  const int size = static_cast<int>(half);
  if (!signature || BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw.data(), size) != size ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw.data() + half, size) != size)
    return {};
  return raw;
}

std::size_t ecdsa_half(KeyKind kind) {
  if (kind == KeyKind::ecdsa_p256) return 32;
  return kind == KeyKind::ecdsa_p384 ? 48 : 66;
}

}  // namespace culvert::openssl
