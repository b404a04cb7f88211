// Packet ciphers on OpenSSL: kept contexts for the AEADs that matter, and the provider for whatever
// else it knows. Invariant: the keys live in the contexts and in this object, both cleared at
// death.
#include <openssl/evp.h>

#include "esp/cipher_backends.h"

namespace culvert::esp {
namespace {

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

class EvpAead final : public PacketCipher {
 public:
  EvpAead(Context encrypt, Context decrypt, const CipherParameters& parameters)
      : encrypt_(std::move(encrypt)),
        decrypt_(std::move(decrypt)),
        salt_(parameters.keys.encryption.view().last(4)),
        icv_(parameters.sizes.icv),
        esn_(parameters.esn) {}

  void seal(std::span<CryptoOp> ops) override {
    for (CryptoOp& op : ops) op.ok = run(encrypt_.get(), op, 1) && finish_seal(op);
  }
  void open(std::span<CryptoOp> ops) override {
    for (CryptoOp& op : ops) {
      std::uint8_t* icv = op.esp + op.size;
      int unused = 0;
      op.ok = EVP_CIPHER_CTX_ctrl(decrypt_.get(), EVP_CTRL_AEAD_SET_TAG, icv_, icv) == 1 &&
              run(decrypt_.get(), op, 0) && EVP_CipherFinal_ex(decrypt_.get(), icv, &unused) == 1;
    }
  }
  std::string_view backend() const override { return "OpenSSL"; }

 private:
  // Nonce, AAD and text; the key schedule stays from before.
  bool run(EVP_CIPHER_CTX* context, CryptoOp& op, int encrypt) {
    std::uint8_t nonce[12], aad[12];
    std::memcpy(nonce, salt_.view().data(), 4);
    std::memcpy(nonce + 4, op.esp + kEspHeader, 8);
    const auto aad_size = static_cast<int>(write_aad(op, esn_, aad));
    std::uint8_t* text = op.esp + kEspHeader + 8;
    const int size = static_cast<int>(op.size - kEspHeader - 8);
    int unused = 0;
    return EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, nonce, encrypt) == 1 &&
           EVP_CipherUpdate(context, nullptr, &unused, aad, aad_size) == 1 &&
           EVP_CipherUpdate(context, text, &unused, text, size) == 1;
  }
  bool finish_seal(CryptoOp& op) {
    std::uint8_t* icv = op.esp + op.size;
    int unused = 0;
    return EVP_CipherFinal_ex(encrypt_.get(), icv, &unused) == 1 &&
           EVP_CIPHER_CTX_ctrl(encrypt_.get(), EVP_CTRL_AEAD_GET_TAG, icv_, icv) == 1;
  }

  Context encrypt_, decrypt_;
  InlineSecret<4> salt_;
  int icv_;
  bool esn_;
};

const EVP_CIPHER* evp_of(const CipherSpec& spec) {
  switch (spec.encr) {
    case Encr::aes_gcm_8:
    case Encr::aes_gcm_12:
    case Encr::aes_gcm_16:
      return spec.key_bits == 128   ? EVP_aes_128_gcm()
             : spec.key_bits == 192 ? EVP_aes_192_gcm()
                                    : EVP_aes_256_gcm();
    case Encr::chacha20_poly1305:
      return EVP_chacha20_poly1305();
    default:
      return nullptr;
  }
}

class ProviderCipher final : public PacketCipher {
 public:
  ProviderCipher(Provider& provider, const CipherParameters& parameters)
      : provider_(provider),
        spec_(parameters.spec),
        sizes_(parameters.sizes),
        keys_{parameters.keys.encryption.clone(), parameters.keys.integrity.clone()},
        aead_(is_aead(parameters.spec.encr)),
        esn_(parameters.esn) {}

  void seal(std::span<CryptoOp> ops) override {
    for (CryptoOp& op : ops) {
      const Call call(*this, op);
      op.ok = provider_.seal(spec_, call.operands, text(op), {op.esp + op.size, sizes_.icv})
                  .has_value();
    }
  }
  void open(std::span<CryptoOp> ops) override {
    for (CryptoOp& op : ops) {
      const Call call(*this, op);
      op.ok = provider_.open(spec_, call.operands, text(op), {op.esp + op.size, sizes_.icv})
                  .has_value();
    }
  }
  std::string_view backend() const override { return "OpenSSL"; }

 private:
  struct Call {
    Call(const ProviderCipher& cipher, const CryptoOp& op) {
      operands.encryption_key = cipher.keys_.encryption.view();
      operands.integrity_key = cipher.keys_.integrity.view();
      operands.iv = {op.esp + kEspHeader, cipher.sizes_.iv};
      if (cipher.aead_) {
        operands.aad = {aad, write_aad(op, cipher.esn_, aad)};
        return;
      }
      operands.aad = {op.esp, kEspHeader};
      store_be(aad, op.sequence_high);  // RFC 4303, 2.2.1: authenticated, not sent
      if (cipher.esn_) operands.suffix = {aad, 4};
    }
    std::uint8_t aad[12];
    Provider::Operands operands;
  };
  MutableBytes text(CryptoOp& op) const {
    const std::size_t skip = kEspHeader + sizes_.iv;
    return {op.esp + skip, op.size - skip};
  }

  Provider& provider_;
  CipherSpec spec_;
  CipherSizes sizes_;
  SaKeys keys_;
  bool aead_, esn_;
};

Context make_context(const EVP_CIPHER* cipher, ByteView key, int encrypt) {
  Context context(EVP_CIPHER_CTX_new());
  if (!context ||
      EVP_CipherInit_ex(context.get(), cipher, nullptr, nullptr, nullptr, encrypt) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_IVLEN, 12, nullptr) != 1 ||
      EVP_CipherInit_ex(context.get(), nullptr, nullptr, key.data(), nullptr, encrypt) != 1)
    return nullptr;
  return context;
}

}  // namespace

std::unique_ptr<PacketCipher> make_evp_aead(const CipherParameters& parameters) {
  const EVP_CIPHER* cipher = evp_of(parameters.spec);
  if (!cipher) return nullptr;
  const ByteView key = parameters.keys.encryption.view();
  Context encrypt = make_context(cipher, key, 1), decrypt = make_context(cipher, key, 0);
  if (!encrypt || !decrypt) return nullptr;
  return std::make_unique<EvpAead>(std::move(encrypt), std::move(decrypt), parameters);
}

std::unique_ptr<PacketCipher> make_provider_cipher(Provider& provider,
                                                   const CipherParameters& parameters) {
  return std::make_unique<ProviderCipher>(provider, parameters);
}

}  // namespace culvert::esp
