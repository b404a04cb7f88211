// Keyed ciphers for packets: one object per direction of an SA, working in place on batches.
// Two backends stand behind it: libipsec-mb where this build and this spec allow, else OpenSSL.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "base/strong_id.h"
#include "crypto/provider.h"
#include "ipsec/operations.h"

namespace culvert::esp {

inline constexpr std::size_t kEspHeader = 8;  // SPI and sequence number
inline constexpr std::size_t kMaxIcv = 32;
inline constexpr std::size_t kMaxBurst = 128;  // packets in one seal() or open()

// One packet: the ESP header, the IV and the text to be (de)crypted stand at `esp`, `size` octets
// long, and the ICV has its place right behind. For AH the IP headers in front of it, `prefix`
// octets, are part of what stands at `esp`.
struct CryptoOp {
  std::uint8_t* esp = nullptr;
  std::uint32_t size = 0;
  std::uint32_t sequence_high = 0;  // counts with ESN only
  bool ok = false;                  // result: sealed, or opened and authentic
  std::uint16_t prefix = 0;
};

class PacketCipher {
 public:
  virtual ~PacketCipher() = default;
  // Encrypts and writes the ICV. The text's size is a multiple of the cipher's block.
  virtual void seal(std::span<CryptoOp> ops) = 0;
  // Verifies (in constant time) and decrypts; the text of an op that fails is unspecified.
  virtual void open(std::span<CryptoOp> ops) = 0;
  virtual std::string_view backend() const = 0;
};

// What the ciphers of one thread share: library state, scratch space, random octets.
// The engine outlives its ciphers. Neither is thread-safe.
class CipherEngine {
 public:
  // `only_openssl` leaves libipsec-mb out even where it could serve (for tests and comparisons).
  explicit CipherEngine(bool only_openssl = false);
  ~CipherEngine();
  CipherEngine(const CipherEngine&) = delete;
  CipherEngine& operator=(const CipherEngine&) = delete;

  // Errors: unsupported (cipher), invalid_argument (key sizes).
  Result<std::unique_ptr<PacketCipher>> make(const CipherSpec& spec, const SaKeys& keys, bool esn);
  // Cheap random octets for CBC's unpredictable IVs (RFC 3602, 3).
  void random(MutableBytes out);
  // "libipsec-mb 1.3.0 (AVX512)" or "OpenSSL".
  std::string describe() const;

 private:
  struct Multibuffer;
  std::unique_ptr<Provider> provider_;
  std::unique_ptr<Multibuffer> multibuffer_;
  std::array<std::uint8_t, 4'096> pool_{};
  std::size_t pool_used_ = sizeof pool_;
};

}  // namespace culvert::esp
