// ESP or AH of one direction of one SA (RFC 4303, RFC 4302), without any socket: what workers,
// tests and benches call. IP headers are the caller's; AH protects them, too.
#pragma once

#include <optional>

#include "esp/ah.h"
#include "esp/cipher.h"
#include "esp/replay_window.h"

namespace culvert::esp {

// Octets of IP headers in front of AH, at most.
inline constexpr std::size_t kMaxPrefix = 320;

// An SA's parameters; `keys` are copied into the cipher's key schedule.
struct TransformParameters {
  std::uint32_t spi = 0;
  CipherSpec cipher;
  bool esn = false;
  std::uint32_t replay_window = 4'096;  // Opener only
  IpsecProtocol protocol = IpsecProtocol::esp;
  Family outer = Family::v4;  // AH's alignment depends on it
};

// Makes ESP or AH packets in place. The caller writes the payload at `header_size()` behind the
// place of the ESP or AH header, with room for sealed_size() in all, and for AH kMaxIcv octets
// more.
class Sealer {
 public:
  // Errors as CipherEngine::make. The engine outlives the sealer.
  static Result<Sealer> make(CipherEngine& engine, const TransformParameters& parameters,
                             const SaKeys& keys);

  bool is_ah() const { return ah_header_ != 0; }
  // The outer family changed (an address moved).
  void align_for(Family outer) {
    if (is_ah()) ah_header_ = ah_header_size(sizes_, outer);
  }
  // Octets in front of the payload: the ESP header with its IV, or AH with its ICV.
  std::size_t header_size() const { return is_ah() ? ah_header_ : kEspHeader + sizes_.iv; }
  // Octets of the ESP or AH packet around `payload` octets.
  std::size_t sealed_size(std::size_t payload) const {
    return is_ah() ? ah_header_ + payload : header_size() + text_size(payload) + sizes_.icv;
  }
  // Room that seal() needs behind the packet.
  std::size_t tail_room() const { return is_ah() ? kMaxIcv : 0; }
  // The largest payload whose ESP or AH packet has at most `limit` octets; 0 when none has.
  std::size_t payload_limit(std::size_t limit) const;

  // Writes header, IV and trailer and takes the next sequence number; nullopt when there is none
  // left (RFC 4303, 3.3.3: it must never wrap). The op still has to go through seal(). For AH,
  // `prefix` octets of IP headers (kMaxPrefix at most) stand complete in front of `at` by then.
  std::optional<CryptoOp> prepare(std::uint8_t* at, std::size_t payload, std::uint8_t next_header,
                                  std::size_t prefix = 0);
  void seal(std::span<CryptoOp> ops) { is_ah() ? seal_ah(ops) : cipher_->seal(ops); }

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
  static std::size_t ah_header_size(const CipherSizes& sizes, Family outer);
  std::optional<CryptoOp> prepare_ah(std::uint8_t* ah, std::size_t payload,
                                     std::uint8_t next_header, std::size_t prefix,
                                     std::uint64_t sequence) const;
  void seal_ah(std::span<CryptoOp> ops);

  CipherEngine* engine_;
  std::unique_ptr<PacketCipher> cipher_;
  CipherSizes sizes_;
  std::uint32_t spi_;
  std::size_t ah_header_;  // zero: ESP
  bool random_iv_;
  std::uint64_t next_ = 1, last_;
};

// Opens ESP or AH packets in place: examine() each, open() them together, accept() each in order.
class Opener {
 public:
  enum class Verdict : std::uint8_t { ok, malformed, replayed, bad_integrity, bad_padding };
  struct Opened {
    Verdict verdict = Verdict::malformed;
    std::uint8_t next_header = 0;
    bool newest = false;   // moved the replay window's top
    MutableBytes payload;  // what was protected, possibly with TFC padding behind it
  };

  static Result<Opener> make(CipherEngine& engine, const TransformParameters& parameters,
                             const SaKeys& keys);

  // Checks lengths and the replay window and fills `op`. `packet` starts with the ESP header and
  // ends with the ICV. For AH it starts with `prefix` octets of IP headers, whose mutable fields
  // are gone afterwards, and kMaxIcv octets behind its end are the opener's.
  Verdict examine(MutableBytes packet, CryptoOp& op, std::size_t prefix = 0) const;
  void open(std::span<CryptoOp> ops) { cipher_->open(ops); }
  // After open(): integrity, replay window update, padding.
  Opened accept(const CryptoOp& op);

  const ReplayWindow& window() const { return window_; }

 private:
  Opener(const TransformParameters& parameters, CipherSizes sizes,
         std::unique_ptr<PacketCipher> cipher);
  bool replayed(std::uint32_t low, std::uint64_t& sequence) const;
  Verdict examine_ah(MutableBytes packet, CryptoOp& op, std::size_t prefix) const;
  static void open_text(const CryptoOp& op, const CipherSizes& sizes, Opened& opened);

  std::unique_ptr<PacketCipher> cipher_;
  ReplayWindow window_;
  CipherSizes sizes_;
  bool esn_, ah_;
};

}  // namespace culvert::esp
