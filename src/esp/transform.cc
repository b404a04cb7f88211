// Framing of ESP packets. Invariants: no sequence number is used twice under one key; the replay
// window moves only for packets that verified.
#include "esp/transform.h"

namespace culvert::esp {

Sealer::Sealer(CipherEngine& engine, const TransformParameters& parameters, CipherSizes sizes,
               std::unique_ptr<PacketCipher> cipher)
    : engine_(&engine),
      cipher_(std::move(cipher)),
      sizes_(sizes),
      spi_(parameters.spi),
      // CBC needs an unpredictable IV (RFC 3602, 3); counter modes a unique one, which the sequence
      // number is (RFC 4106, 3.1; RFC 7634, 2).
      random_iv_(sizes.block > 1),
      last_(parameters.esn ? ~std::uint64_t{0} : 0xffff'ffff) {}

Result<Sealer> Sealer::make(CipherEngine& engine, const TransformParameters& parameters,
                            const SaKeys& keys) {
  auto cipher = TRY(engine.make(parameters.cipher, keys, parameters.esn));
  return Sealer(engine, parameters, *sizes_of(parameters.cipher), std::move(cipher));
}

std::size_t Sealer::payload_limit(std::size_t limit) const {
  const std::size_t fixed = header_size() + sizes_.icv;
  if (limit < fixed + alignment()) return 0;
  return (limit - fixed) / alignment() * alignment() - 2;
}

std::optional<CryptoOp> Sealer::prepare(std::uint8_t* esp, std::size_t payload,
                                        std::uint8_t next_header) {
  if (next_ == 0 || next_ > last_) return std::nullopt;
  const std::uint64_t sequence = next_++;  // past 2^64-1 comes zero, which ends it
  store_be(esp, spi_);
  store_be(esp + 4, static_cast<std::uint32_t>(sequence));
  std::uint8_t* iv = esp + kEspHeader;
  if (random_iv_)
    engine_->random({iv, sizes_.iv});
  else if (sizes_.iv != 0)
    store_be(iv, sequence);
  std::uint8_t* trailer = esp + header_size() + payload;
  const std::size_t padding = text_size(payload) - payload - 2;
  for (std::size_t i = 0; i < padding; ++i) trailer[i] = static_cast<std::uint8_t>(i + 1);
  trailer[padding] = static_cast<std::uint8_t>(padding);
  trailer[padding + 1] = next_header;
  return CryptoOp{esp, static_cast<std::uint32_t>(header_size() + text_size(payload)),
                  static_cast<std::uint32_t>(sequence >> 32), false};
}

Opener::Opener(const TransformParameters& parameters, CipherSizes sizes,
               std::unique_ptr<PacketCipher> cipher)
    : cipher_(std::move(cipher)),
      window_(parameters.replay_window),
      sizes_(sizes),
      esn_(parameters.esn) {}

Result<Opener> Opener::make(CipherEngine& engine, const TransformParameters& parameters,
                            const SaKeys& keys) {
  auto cipher = TRY(engine.make(parameters.cipher, keys, parameters.esn));
  return Opener(parameters, *sizes_of(parameters.cipher), std::move(cipher));
}

Opener::Verdict Opener::examine(MutableBytes packet, CryptoOp& op) const {
  const std::size_t fixed = kEspHeader + sizes_.iv + sizes_.icv;
  if (packet.size() < fixed + 2) return Verdict::malformed;
  if ((packet.size() - fixed) % sizes_.block != 0) return Verdict::malformed;
  const auto low = load_be<std::uint32_t>(packet.data() + 4);
  const std::uint64_t sequence = esn_ ? window_.infer_esn(low) : low;
  if (!window_.check(sequence)) return Verdict::replayed;
  op = {packet.data(), static_cast<std::uint32_t>(packet.size() - sizes_.icv),
        static_cast<std::uint32_t>(sequence >> 32), false};
  return Verdict::ok;
}

Opener::Opened Opener::accept(const CryptoOp& op) {
  Opened opened;
  if (!op.ok) {
    opened.verdict = Verdict::bad_integrity;
    return opened;
  }
  const std::uint64_t sequence =
      (std::uint64_t{op.sequence_high} << 32) | load_be<std::uint32_t>(op.esp + 4);
  const std::uint64_t top = window_.top();
  if (!window_.update(sequence)) {  // its twin came earlier in the same batch
    opened.verdict = Verdict::replayed;
    return opened;
  }
  opened.newest = sequence > top;
  const std::size_t skip = kEspHeader + sizes_.iv;
  const std::size_t text = op.size - skip;
  const std::size_t padding = op.esp[op.size - 2];
  if (padding + 2 > text) {
    opened.verdict = Verdict::bad_padding;
    return opened;
  }
  const std::uint8_t* pad = op.esp + op.size - 2 - padding;
  for (std::size_t i = 0; i < padding; ++i)  // RFC 4303, 2.4: 1, 2, 3, …
    if (pad[i] != static_cast<std::uint8_t>(i + 1)) {
      opened.verdict = Verdict::bad_padding;
      return opened;
    }
  opened.verdict = Verdict::ok;
  opened.next_header = op.esp[op.size - 1];
  opened.payload = {op.esp + skip, text - padding - 2};
  return opened;
}

}  // namespace culvert::esp
