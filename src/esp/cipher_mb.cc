// Packet ciphers on libipsec-mb: AES-GCM by its direct calls, all else as jobs, which the library
// spreads over its lanes. Invariant: a job's key schedule, nonce and tag live in the cipher object
// until flush has returned, so no job outlives its operands.
#include "esp/cipher_backends.h"

#if defined(CULVERT_IPSEC_MB)

#include <fmt/format.h>
#include <intel-ipsec-mb.h>

namespace culvert::esp {
namespace {

constexpr std::size_t kNonce = 16, kAad = 16, kTag = 64;

class MbGcm final : public PacketCipher {
 public:
  MbGcm(IMB_MGR* manager, const CipherParameters& parameters)
      : salt_(parameters.keys.encryption.view().last(4)),
        icv_(parameters.sizes.icv),
        esn_(parameters.esn) {
    const std::uint8_t* key = parameters.keys.encryption.view().data();
    switch (parameters.spec.key_bits) {
      case 128:
        manager->gcm128_pre(key, &schedule_);
        seal_ = manager->gcm128_enc;
        open_ = manager->gcm128_dec;
        return;
      case 192:
        manager->gcm192_pre(key, &schedule_);
        seal_ = manager->gcm192_enc;
        open_ = manager->gcm192_dec;
        return;
      default:
        manager->gcm256_pre(key, &schedule_);
        seal_ = manager->gcm256_enc;
        open_ = manager->gcm256_dec;
    }
  }
  ~MbGcm() override {
    secure_zero({reinterpret_cast<std::uint8_t*>(&schedule_), sizeof schedule_});
    secure_zero({reinterpret_cast<std::uint8_t*>(&context_), sizeof context_});
  }

  void seal(std::span<CryptoOp> ops) override {
    for (CryptoOp& op : ops) {
      run(seal_, op, op.esp + op.size);
      op.ok = true;
    }
  }
  void open(std::span<CryptoOp> ops) override {
    for (CryptoOp& op : ops) {
      std::uint8_t tag[16];
      run(open_, op, tag);
      op.ok = equal_constant_time({tag, icv_}, {op.esp + op.size, icv_});
    }
  }
  std::string_view backend() const override { return "libipsec-mb"; }

 private:
  void run(aes_gcm_enc_dec_t function, CryptoOp& op, std::uint8_t* tag) {
    std::uint8_t nonce[12], aad[kAad];
    std::memcpy(nonce, salt_.view().data(), 4);
    std::memcpy(nonce + 4, op.esp + kEspHeader, 8);
    const std::size_t aad_size = write_aad(op, esn_, aad);
    std::uint8_t* text = op.esp + kEspHeader + 8;
    function(&schedule_, &context_, text, text, op.size - kEspHeader - 8, nonce, aad, aad_size, tag,
             icv_);
  }

  alignas(64) gcm_key_data schedule_{};
  alignas(64) gcm_context_data context_{};
  aes_gcm_enc_dec_t seal_, open_;
  InlineSecret<4> salt_;
  std::size_t icv_;
  bool esn_;
};

// Expanded keys of everything that runs as a job.
struct Schedules {
  alignas(16) std::uint8_t encrypt[16 * 15];
  alignas(16) std::uint8_t decrypt[16 * 15];
  alignas(16) std::uint8_t raw[32];  // ChaCha20
  alignas(16) std::uint8_t mac_key[16 * 11], mac_k2[16], mac_k3[16];
  alignas(64) std::uint8_t inner[64];  // HMAC states
  alignas(64) std::uint8_t outer[64];
};

struct Algorithms {
  IMB_CIPHER_MODE cipher;
  IMB_HASH_ALG hash;
};

IMB_HASH_ALG hash_of(Integ integ) {
  switch (integ) {
    case Integ::hmac_md5_96:
      return IMB_AUTH_MD5;
    case Integ::hmac_sha1_96:
      return IMB_AUTH_HMAC_SHA_1;
    case Integ::hmac_sha2_256_128:
      return IMB_AUTH_HMAC_SHA_256;
    case Integ::hmac_sha2_384_192:
      return IMB_AUTH_HMAC_SHA_384;
    case Integ::hmac_sha2_512_256:
      return IMB_AUTH_HMAC_SHA_512;
    case Integ::aes_xcbc_96:
      return IMB_AUTH_AES_XCBC;
    case Integ::aes_cmac_96:
      return IMB_AUTH_AES_CMAC;
    default:
      return IMB_AUTH_NULL;
  }
}

std::optional<Algorithms> algorithms_of(const CipherSpec& spec) {
  switch (spec.encr) {
    case Encr::null:
      return Algorithms{IMB_CIPHER_NULL, hash_of(spec.integ)};
    case Encr::aes_cbc:
      return Algorithms{IMB_CIPHER_CBC, hash_of(spec.integ)};
    case Encr::aes_ctr:
      return Algorithms{IMB_CIPHER_CNTR, hash_of(spec.integ)};
    case Encr::aes_ccm_8:
    case Encr::aes_ccm_12:
    case Encr::aes_ccm_16:
      if (spec.key_bits == 192) return std::nullopt;
      return Algorithms{IMB_CIPHER_CCM, IMB_AUTH_AES_CCM};
    case Encr::chacha20_poly1305:
      return Algorithms{IMB_CIPHER_CHACHA20_POLY1305, IMB_AUTH_CHACHA20_POLY1305};
    default:
      return std::nullopt;
  }
}

void expand_aes(IMB_MGR* manager, const std::uint8_t* key, unsigned bits, void* encrypt,
                void* decrypt) {
  switch (bits) {
    case 128:
      return manager->keyexp_128(key, encrypt, decrypt);
    case 192:
      return manager->keyexp_192(key, encrypt, decrypt);
    default:
      return manager->keyexp_256(key, encrypt, decrypt);
  }
}

// The two halves of an HMAC: the hash states after the padded key (RFC 2104, 4).
void hmac_states(IMB_MGR* manager, Integ integ, ByteView key, Schedules& schedules) {
  hash_one_block_t one_block = nullptr;
  std::size_t block = 64;
  switch (integ) {
    case Integ::hmac_md5_96:
      one_block = manager->md5_one_block;
      break;
    case Integ::hmac_sha1_96:
      one_block = manager->sha1_one_block;
      break;
    case Integ::hmac_sha2_256_128:
      one_block = manager->sha256_one_block;
      break;
    case Integ::hmac_sha2_384_192:
      one_block = manager->sha384_one_block;
      block = 128;
      break;
    case Integ::hmac_sha2_512_256:
      one_block = manager->sha512_one_block;
      block = 128;
      break;
    default:
      return;
  }
  InlineSecret<128> pad;
  for (const auto& [octet, state] : {std::pair<int, std::uint8_t*>{0x36, schedules.inner},
                                     std::pair<int, std::uint8_t*>{0x5c, schedules.outer}}) {
    pad.resize(block);
    std::ranges::fill(pad.mutable_view(), static_cast<std::uint8_t>(octet));
    for (std::size_t i = 0; i < key.size(); ++i) pad.mutable_view()[i] ^= key[i];
    one_block(pad.view().data(), state);
  }
}

class MbJobs final : public PacketCipher {
 public:
  MbJobs(IMB_MGR* manager, const CipherParameters& parameters, Algorithms algorithms)
      : manager_(manager),
        algorithms_(algorithms),
        sizes_(parameters.sizes),
        key_octets_(parameters.sizes.key - parameters.sizes.salt),
        aead_(is_aead(parameters.spec.encr)),
        esn_(parameters.esn) {
    const ByteView key = parameters.keys.encryption.view();
    const ByteView integrity = parameters.keys.integrity.view();
    salt_.assign(key.last(sizes_.salt));
    if (parameters.spec.encr == Encr::chacha20_poly1305)
      std::memcpy(schedules_.raw, key.data(), key_octets_);
    else if (key_octets_ != 0)
      expand_aes(manager, key.data(), static_cast<unsigned>(key_octets_ * 8), schedules_.encrypt,
                 schedules_.decrypt);
    if (parameters.spec.integ == Integ::aes_xcbc_96) {
      manager->xcbc_keyexp(integrity.data(), schedules_.mac_key, schedules_.mac_k2,
                           schedules_.mac_k3);
    } else if (parameters.spec.integ == Integ::aes_cmac_96) {
      alignas(16) std::uint8_t unused[16 * 11];
      manager->keyexp_128(integrity.data(), schedules_.mac_key, unused);
      manager->cmac_subkey_gen_128(schedules_.mac_key, schedules_.mac_k2, schedules_.mac_k3);
      secure_zero(unused);
    } else {
      hmac_states(manager, parameters.spec.integ, integrity, schedules_);
    }
  }
  ~MbJobs() override {
    secure_zero({reinterpret_cast<std::uint8_t*>(&schedules_), sizeof schedules_});
  }

  void seal(std::span<CryptoOp> ops) override { in_bursts(ops, IMB_DIR_ENCRYPT); }
  void open(std::span<CryptoOp> ops) override { in_bursts(ops, IMB_DIR_DECRYPT); }
  std::string_view backend() const override { return "libipsec-mb"; }

 private:
  struct Scratch {
    alignas(16) std::uint8_t nonce[kNonce];
    alignas(16) std::uint8_t aad[kAad];
    alignas(16) std::uint8_t tag[kTag];
    std::uint8_t received[kMaxIcv];
  };

  void in_bursts(std::span<CryptoOp> ops, IMB_CIPHER_DIRECTION direction) {
    while (!ops.empty()) {
      const std::size_t count = std::min(ops.size(), scratch_.size());
      run(ops.first(count), direction);
      ops = ops.subspan(count);
    }
  }

  void run(std::span<CryptoOp> ops, IMB_CIPHER_DIRECTION direction) {
    for (std::size_t i = 0; i < ops.size(); ++i) {
      ops[i].ok = false;
      IMB_JOB* job = IMB_GET_NEXT_JOB(manager_);
      fill(*job, ops[i], scratch_[i], direction);
      job->user_data = &ops[i];
      for (job = IMB_SUBMIT_JOB(manager_); job; job = IMB_GET_COMPLETED_JOB(manager_)) done(*job);
    }
    while (const IMB_JOB* job = IMB_FLUSH_JOB(manager_)) done(*job);
    for (std::size_t i = 0; i < ops.size(); ++i) {
      std::uint8_t* icv = ops[i].esp + ops[i].size;
      if (direction == IMB_DIR_ENCRYPT)
        std::memcpy(icv, scratch_[i].tag, sizes_.icv);
      else
        ops[i].ok = ops[i].ok && equal_constant_time({scratch_[i].tag, sizes_.icv},
                                                     {scratch_[i].received, sizes_.icv});
    }
  }
  static void done(const IMB_JOB& job) {
    static_cast<CryptoOp*>(job.user_data)->ok = job.status == IMB_STATUS_COMPLETED;
  }

  void fill(IMB_JOB& job, CryptoOp& op, Scratch& scratch, IMB_CIPHER_DIRECTION direction) {
    job = IMB_JOB{};
    const bool encrypt = direction == IMB_DIR_ENCRYPT;
    const std::size_t skip = kEspHeader + sizes_.iv;
    std::memcpy(scratch.received, op.esp + op.size, sizes_.icv);
    job.cipher_mode = algorithms_.cipher;
    job.hash_alg = algorithms_.hash;
    job.cipher_direction = direction;
    job.chain_order = encrypt ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    job.src = op.esp;
    job.dst = op.esp + skip;
    job.cipher_start_src_offset_in_bytes = skip;
    job.msg_len_to_cipher_in_bytes = op.size - skip;
    job.enc_keys = schedules_.encrypt;
    job.dec_keys = schedules_.decrypt;
    job.key_len_in_bytes = key_octets_;
    job.auth_tag_output = scratch.tag;
    job.auth_tag_output_len_in_bytes = sizes_.icv;
    fill_iv(job, op, scratch);
    if (aead_)
      fill_aead(job, op, scratch, encrypt);
    else
      fill_mac(job, op);
  }

  // Salt, then what the packet carries, then CTR's block counter of one (RFC 3686, 4).
  void fill_iv(IMB_JOB& job, const CryptoOp& op, Scratch& scratch) const {
    std::memcpy(scratch.nonce, salt_.view().data(), salt_.size());
    std::memcpy(scratch.nonce + salt_.size(), op.esp + kEspHeader, sizes_.iv);
    job.iv = scratch.nonce;
    job.iv_len_in_bytes = salt_.size() + sizes_.iv;
    if (algorithms_.cipher != IMB_CIPHER_CNTR) return;
    store_be(scratch.nonce + 12, std::uint32_t{1});
    job.iv_len_in_bytes = 16;
  }

  void fill_aead(IMB_JOB& job, const CryptoOp& op, Scratch& scratch, bool encrypt) const {
    const std::size_t aad_size = write_aad(op, esn_, scratch.aad);
    job.hash_start_src_offset_in_bytes = job.cipher_start_src_offset_in_bytes;
    job.msg_len_to_hash_in_bytes = job.msg_len_to_cipher_in_bytes;
    if (algorithms_.cipher == IMB_CIPHER_CCM) {  // its MAC covers the plaintext
      job.chain_order = encrypt ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
      job.u.CCM.aad = scratch.aad;
      job.u.CCM.aad_len_in_bytes = aad_size;
      return;
    }
    job.enc_keys = job.dec_keys = schedules_.raw;
    job.u.CHACHA20_POLY1305.aad = scratch.aad;
    job.u.CHACHA20_POLY1305.aad_len_in_bytes = aad_size;
  }

  // With ESN the high half follows the packet in the MAC's input (RFC 4303, 2.2.1): it borrows the
  // ICV's place, which is written after the MAC is known (or was saved before).
  void fill_mac(IMB_JOB& job, const CryptoOp& op) const {
    job.hash_start_src_offset_in_bytes = 0;
    job.msg_len_to_hash_in_bytes = op.size + (esn_ ? 4u : 0u);
    if (esn_) store_be(op.esp + op.size, op.sequence_high);
    switch (algorithms_.hash) {
      case IMB_AUTH_AES_XCBC:
        job.u.XCBC._k1_expanded = reinterpret_cast<const std::uint32_t*>(schedules_.mac_key);
        job.u.XCBC._k2 = schedules_.mac_k2;
        job.u.XCBC._k3 = schedules_.mac_k3;
        return;
      case IMB_AUTH_AES_CMAC:
        job.u.CMAC._key_expanded = schedules_.mac_key;
        job.u.CMAC._skey1 = schedules_.mac_k2;
        job.u.CMAC._skey2 = schedules_.mac_k3;
        return;
      default:
        job.u.HMAC._hashed_auth_key_xor_ipad = schedules_.inner;
        job.u.HMAC._hashed_auth_key_xor_opad = schedules_.outer;
    }
  }

  IMB_MGR* manager_;
  Algorithms algorithms_;
  CipherSizes sizes_;
  std::size_t key_octets_;
  bool aead_, esn_;
  InlineSecret<16> salt_;
  Schedules schedules_{};
  std::array<Scratch, 32> scratch_{};
};

}  // namespace

std::unique_ptr<PacketCipher> make_multibuffer_cipher(IMB_MGR* manager,
                                                      const CipherParameters& parameters) {
  switch (parameters.spec.encr) {
    case Encr::aes_gcm_8:
    case Encr::aes_gcm_12:
    case Encr::aes_gcm_16:
      return std::make_unique<MbGcm>(manager, parameters);
    default:
      break;
  }
  const auto algorithms = algorithms_of(parameters.spec);
  if (!algorithms || algorithms->hash == IMB_AUTH_NULL) return nullptr;
  return std::make_unique<MbJobs>(manager, parameters, *algorithms);
}

IMB_MGR* make_multibuffer_manager() {
  IMB_MGR* manager = alloc_mb_mgr(0);
  if (!manager) return nullptr;
  IMB_ARCH arch = IMB_ARCH_NONE;
  init_mb_mgr_auto(manager, &arch);
  // Without AES-NI the library emulates, which OpenSSL does better.
  if (imb_get_errno(manager) == 0 && arch != IMB_ARCH_NONE && arch != IMB_ARCH_NOAESNI)
    return manager;
  free_mb_mgr(manager);
  return nullptr;
}
void free_multibuffer_manager(IMB_MGR* manager) { free_mb_mgr(manager); }

std::string describe_multibuffer(const IMB_MGR* manager) {
  constexpr const char* kNames[] = {"?", "no AES-NI", "SSE", "AVX", "AVX2", "AVX512"};
  const auto arch = static_cast<std::size_t>(manager->used_arch);
  return fmt::format("libipsec-mb {} ({})", imb_get_version_str(),
                     kNames[arch < std::size(kNames) ? arch : 0]);
}

}  // namespace culvert::esp

#else

namespace culvert::esp {

std::unique_ptr<PacketCipher> make_multibuffer_cipher(IMB_MGR*, const CipherParameters&) {
  return nullptr;
}
IMB_MGR* make_multibuffer_manager() { return nullptr; }
void free_multibuffer_manager(IMB_MGR*) {}
std::string describe_multibuffer(const IMB_MGR*) { return {}; }

}  // namespace culvert::esp

#endif
