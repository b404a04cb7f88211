// The OpenSSL 3 backend behind the Provider interface: checks operand sizes, joins cipher and MAC.
// Invariant: the engines below only see operands whose sizes match the algorithm.
#include "crypto/openssl_provider.h"

#include <openssl/rand.h>

#include <cstdlib>
#include <stdexcept>

#include "crypto/openssl_cipher.h"
#include "crypto/openssl_key_exchange.h"
#include "crypto/openssl_mac.h"
#include "crypto/openssl_signature.h"

namespace culvert {
namespace {

using openssl::CipherEngine;
using openssl::Direction;
using openssl::MacAlgorithm;
using openssl::MacEngine;
using openssl::Parts;

// Longest key that the AES-based PRFs take as it is; others are hashed or padded to this size.
constexpr std::size_t kAesPrfKeySize = 16;

std::optional<MacAlgorithm> mac_of(Prf prf) {
  switch (prf) {
    case Prf::hmac_md5:
      return MacAlgorithm::hmac_md5;
    case Prf::hmac_sha1:
      return MacAlgorithm::hmac_sha1;
    case Prf::hmac_sha2_256:
      return MacAlgorithm::hmac_sha2_256;
    case Prf::hmac_sha2_384:
      return MacAlgorithm::hmac_sha2_384;
    case Prf::hmac_sha2_512:
      return MacAlgorithm::hmac_sha2_512;
    case Prf::aes128_cmac:
      return MacAlgorithm::aes128_cmac;
    case Prf::aes128_xcbc:
      return MacAlgorithm::aes128_xcbc;
    case Prf::none:
      break;
  }
  return std::nullopt;
}

std::optional<MacAlgorithm> mac_of(Integ integ) {
  switch (integ) {
    case Integ::hmac_md5_96:
      return MacAlgorithm::hmac_md5;
    case Integ::hmac_sha1_96:
      return MacAlgorithm::hmac_sha1;
    case Integ::hmac_sha2_256_128:
      return MacAlgorithm::hmac_sha2_256;
    case Integ::hmac_sha2_384_192:
      return MacAlgorithm::hmac_sha2_384;
    case Integ::hmac_sha2_512_256:
      return MacAlgorithm::hmac_sha2_512;
    case Integ::aes_cmac_96:
      return MacAlgorithm::aes128_cmac;
    case Integ::aes_xcbc_96:
      return MacAlgorithm::aes128_xcbc;
    case Integ::none:
      break;
  }
  return std::nullopt;
}

class OpensslProvider final : public Provider {
 public:
  OpensslProvider() { require_mandatory(); }

  bool supports(const CipherSpec& spec) const override {
    if (!sizes_of(spec)) return false;
    const bool ah = spec.encr == Encr::none;
    if (!ah && !ciphers_.supports(spec)) return false;
    return is_aead(spec.encr) || macs_.supports(*mac_of(spec.integ));
  }
  bool supports(Prf prf) const override {
    const auto algorithm = mac_of(prf);
    return algorithm && macs_.supports(*algorithm);
  }
  bool supports(Ke method) const override { return exchanges_.supports(method); }

  void random(MutableBytes out) override {
    // Without randomness no key, nonce or IV is safe, and this call has no way to say so.
    if (!openssl::fits_int(out) || RAND_bytes(out.data(), openssl::int_size(out)) != 1)
      std::abort();
  }

  Result<> prf(Prf prf, ByteView key, std::initializer_list<ByteView> parts,
               MutableBytes out) override {
    const auto algorithm = mac_of(prf);
    if (!algorithm) return openssl::unsupported();
    const Parts data(parts.begin(), parts.size());
    if (!prf_has_fixed_key(prf) || key.size() == kAesPrfKeySize)
      return macs_.mac(*algorithm, key, data, out);
    // RFC 4434, 2 pads short keys with zeros and hashes long ones under the zero key; RFC 4615, 3
    // hashes both.
    InlineSecret<kAesPrfKeySize> fitted;
    fitted.resize(kAesPrfKeySize);
    if (prf == Prf::aes128_xcbc && key.size() < kAesPrfKeySize) {
      std::ranges::copy(key, fitted.mutable_view().begin());
    } else {
      static constexpr std::array<std::uint8_t, kAesPrfKeySize> kZeroKey{};
      CHECK_OK(macs_.mac(*algorithm, kZeroKey, Parts(&key, 1), fitted.mutable_view()));
    }
    return macs_.mac(*algorithm, fitted.view(), data, out);
  }

  Result<> hash(Hash hash, std::initializer_list<ByteView> parts, MutableBytes out) override {
    return macs_.hash(hash, Parts(parts.begin(), parts.size()), out);
  }

  Result<> aes128_block(ByteView key, ByteView block, MutableBytes out) override {
    return macs_.aes128_block(key, block, out);
  }

  Result<std::unique_ptr<KeyExchange>> generate(Ke method) override {
    return exchanges_.generate(method);
  }

  Result<PublicKeyRef> load_public_key(ByteView spki) override {
    return openssl::load_public_key(macs_, spki);
  }
  Result<> verify(const PublicKey& key, const SignatureScheme& scheme,
                  std::initializer_list<ByteView> parts, ByteView signature) override {
    return openssl::verify(macs_, key, scheme, Parts(parts.begin(), parts.size()), signature);
  }

  Result<> seal(const CipherSpec& spec, const Operands& operands, MutableBytes data,
                MutableBytes icv) override {
    CHECK_OK(check(spec, operands, icv.size()));
    if (data.size() % sizes_of(spec)->block != 0) return openssl::invalid_argument();
    if (is_aead(spec.encr))
      return ciphers_.seal(spec, operands.encryption_key, operands.iv, operands.aad, data, icv);
    CHECK_OK(ciphers_.crypt(spec, operands.encryption_key, operands.iv, Direction::encrypt, data));
    return authenticate(spec, operands, data, icv);
  }

  Result<> open(const CipherSpec& spec, const Operands& operands, MutableBytes data,
                ByteView icv) override {
    CHECK_OK(check(spec, operands, icv.size()));
    if (is_aead(spec.encr))
      return ciphers_.open(spec, operands.encryption_key, operands.iv, operands.aad, data, icv);
    InlineSecret<openssl::kMaxMacSize> expected;
    expected.resize(icv.size());
    CHECK_OK(authenticate(spec, operands, data, expected.mutable_view()));
    if (!equal_constant_time(expected.view(), icv))
      return fail(Fault::peer_misbehaved, Reason::bad_integrity);
    if (data.size() % sizes_of(spec)->block != 0)
      return fail(Fault::peer_misbehaved, Reason::bad_length);
    return ciphers_.crypt(spec, operands.encryption_key, operands.iv, Direction::decrypt, data);
  }

 private:
  void require_mandatory() const {
    // RFC 8247, 2 for IKE, RFC 8221, 5 and 6 for ESP, and SHA-1 for NAT detection (RFC 7296, 2.23).
    const bool complete = supports(CipherSpec{Encr::aes_cbc, 128, Integ::hmac_sha2_256_128}) &&
                          supports(CipherSpec{Encr::aes_cbc, 256, Integ::hmac_sha2_256_128}) &&
                          supports(CipherSpec{Encr::aes_gcm_16, 128}) &&
                          supports(CipherSpec{Encr::aes_gcm_16, 256}) &&
                          supports(Prf::hmac_sha2_256) && supports(Ke::modp2048) &&
                          supports(Ke::ecp256) && macs_.supports(Hash::sha1) &&
                          macs_.supports(Hash::sha2_256);
    if (!complete) throw std::runtime_error("libcrypto lacks a mandatory algorithm");
  }

  Result<> check(const CipherSpec& spec, const Operands& operands, std::size_t icv_size) const {
    if (spec.encr == Encr::none || !supports(spec)) return openssl::unsupported();
    const CipherSizes sizes = *sizes_of(spec);
    if (operands.encryption_key.size() != sizes.key ||
        operands.integrity_key.size() != sizes.integ_key || operands.iv.size() != sizes.iv ||
        icv_size != sizes.icv)
      return openssl::invalid_argument();
    // An AEAD has no place for a suffix: the caller puts the whole ESN into aad (RFC 4106, 5).
    if (is_aead(spec.encr) && !operands.suffix.empty()) return openssl::invalid_argument();
    return {};
  }

  Result<> authenticate(const CipherSpec& spec, const Operands& operands, ByteView data,
                        MutableBytes icv) {
    const ByteView parts[] = {operands.aad, operands.iv, data, operands.suffix};
    return macs_.mac(*mac_of(spec.integ), operands.integrity_key, parts, icv);
  }

  CipherEngine ciphers_;
  MacEngine macs_;
  openssl::KeyExchangeFactory exchanges_;
};

}  // namespace

std::unique_ptr<Provider> make_openssl_provider() { return std::make_unique<OpensslProvider>(); }

}  // namespace culvert
