// ESP of one direction of one SA (RFC 4303), without any socket: what workers, tests and benches
// call. Outer headers are the caller's.
#pragma once

#include <optional>

#include "esp/cipher.h"
#include "esp/replay_window.h"

namespace culvert::esp {

// An SA's ESP parameters; `keys` are copied into the cipher's key schedule.
struct TransformParameters {
  std::uint32_t spi = 0;
  CipherSpec cipher;
  bool esn = false;
  std::uint32_t replay_window = 4'096;  // Opener only
};

// Makes ESP packets in place. The caller writes the inner packet at `header_size()` behind the
// place of the ESP header, with room for sealed_size() in all.
class Sealer {
 public:
  // Errors as CipherEngine::make. The engine outlives the sealer.
  static Result<Sealer> make(CipherEngine& engine, const TransformParameters& parameters,
                             const SaKeys& keys);

  std::size_t header_size() const { return kEspHeader + sizes_.iv; }
  // Octets of the ESP packet around `payload` octets.
  std::size_t sealed_size(std::size_t payload) const {
    return header_size() + text_size(payload) + sizes_.icv;
  }
  // The largest payload whose ESP packet has at most `limit` octets; 0 when none has.
  std::size_t payload_limit(std::size_t limit) const;
  // Octets of sealed_size() beyond the payload, at worst.
  std::size_t worst_overhead() const { return header_size() + 2 + alignment() - 1 + sizes_.icv; }

  // Writes header, IV and trailer and takes the next sequence number; nullopt when there is none
  // left (RFC 4303, 3.3.3: it must never wrap). The op still has to go through seal().
  std::optional<CryptoOp> prepare(std::uint8_t* esp, std::size_t payload, std::uint8_t next_header);
  void seal(std::span<CryptoOp> ops) { cipher_->seal(ops); }

  std::uint64_t next_sequence() const { return next_; }
  // For tests, and for taking over an SA; never goes backwards in use.
  void set_next_sequence(std::uint64_t next) { next_ = next; }
  std::string_view backend() const { return cipher_->backend(); }

 private:
  Sealer(CipherEngine& engine, const TransformParameters& parameters, CipherSizes sizes,
         std::unique_ptr<PacketCipher> cipher);
  // RFC 4303, 2.4: the trailer ends on the cipher's block and on 4 octets.
  std::size_t alignment() const { return sizes_.block < 4 ? 4 : sizes_.block; }
  std::size_t text_size(std::size_t payload) const {
    return (payload + 2 + alignment() - 1) / alignment() * alignment();
  }

  CipherEngine* engine_;
  std::unique_ptr<PacketCipher> cipher_;
  CipherSizes sizes_;
  std::uint32_t spi_;
  bool random_iv_;
  std::uint64_t next_ = 1, last_;
};

// Opens ESP packets in place: examine() each, open() them together, accept() each in order.
class Opener {
 public:
  enum class Verdict : std::uint8_t { ok, malformed, replayed, bad_integrity, bad_padding };
  struct Opened {
    Verdict verdict = Verdict::malformed;
    std::uint8_t next_header = 0;
    bool newest = false;   // moved the replay window's top
    MutableBytes payload;  // the inner packet, possibly with TFC padding behind it
  };

  static Result<Opener> make(CipherEngine& engine, const TransformParameters& parameters,
                             const SaKeys& keys);

  // Checks lengths and the replay window and fills `op`; `packet` starts with the ESP header and
  // ends with the ICV.
  Verdict examine(MutableBytes packet, CryptoOp& op) const;
  void open(std::span<CryptoOp> ops) { cipher_->open(ops); }
  // After open(): integrity, replay window update, padding.
  Opened accept(const CryptoOp& op);

  const ReplayWindow& window() const { return window_; }

 private:
  Opener(const TransformParameters& parameters, CipherSizes sizes,
         std::unique_ptr<PacketCipher> cipher);

  std::unique_ptr<PacketCipher> cipher_;
  ReplayWindow window_;
  CipherSizes sizes_;
  bool esn_;
};

}  // namespace culvert::esp
