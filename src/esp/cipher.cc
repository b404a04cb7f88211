// Chooses a backend for each SA and owns what the ciphers of a thread share.
#include "esp/cipher.h"

#include "crypto/openssl_provider.h"
#include "esp/cipher_backends.h"

namespace culvert::esp {

struct CipherEngine::Multibuffer {
  explicit Multibuffer(IMB_MGR* from) : manager(from) {}
  Multibuffer(const Multibuffer&) = delete;
  Multibuffer& operator=(const Multibuffer&) = delete;
  ~Multibuffer() { free_multibuffer_manager(manager); }
  IMB_MGR* manager;
};

CipherEngine::CipherEngine(bool only_openssl) : provider_(make_openssl_provider()) {
  if (only_openssl) return;
  if (IMB_MGR* manager = make_multibuffer_manager())
    multibuffer_ = std::make_unique<Multibuffer>(manager);
}
CipherEngine::~CipherEngine() { secure_zero(pool_); }

Result<std::unique_ptr<PacketCipher>> CipherEngine::make(const CipherSpec& spec, const SaKeys& keys,
                                                         bool esn) {
  const auto sizes = sizes_of(spec);
  if (!sizes || sizes->icv == 0) return fail(Fault::local_policy, Reason::unsupported);
  if (keys.encryption.size() != sizes->key || keys.integrity.size() != sizes->integ_key)
    return fail(Fault::internal, Reason::invalid_argument);
  const CipherParameters parameters{spec, *sizes, keys, esn};
  std::unique_ptr<PacketCipher> cipher;
  if (multibuffer_) cipher = make_multibuffer_cipher(multibuffer_->manager, parameters);
  if (!cipher) cipher = make_evp_aead(parameters);
  if (!cipher && provider_->supports(spec)) cipher = make_provider_cipher(*provider_, parameters);
  if (!cipher) return fail(Fault::local_policy, Reason::unsupported);
  return cipher;
}

void CipherEngine::random(MutableBytes out) {
  assert(out.size() <= pool_.size());
  if (pool_.size() - pool_used_ < out.size()) {
    provider_->random(pool_);
    pool_used_ = 0;
  }
  std::memcpy(out.data(), pool_.data() + pool_used_, out.size());
  pool_used_ += out.size();
}

std::string CipherEngine::describe() const {
  return multibuffer_ ? describe_multibuffer(multibuffer_->manager) : "OpenSSL";
}

std::size_t write_aad(const CryptoOp& op, bool esn, std::uint8_t* out) {
  if (!esn) {
    std::memcpy(out, op.esp, 8);
    return 8;
  }
  std::memcpy(out, op.esp, 4);
  store_be(out + 4, op.sequence_high);
  std::memcpy(out + 8, op.esp + 4, 4);
  return 12;
}

}  // namespace culvert::esp
