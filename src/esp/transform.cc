// Framing of ESP and AH packets. Invariants: no sequence number is used twice under one key; the
// replay window moves only for packets that verified.
#include "esp/transform.h"

#include <algorithm>

namespace culvert::esp {
namespace {

// AH's ICV is the MAC over headers, AH and payload in one piece, which is what ESP without
// encryption computes; so its ciphers serve, and put the ICV behind the packet.
CipherSpec spec_of(const TransformParameters& parameters) {
  if (parameters.protocol == IpsecProtocol::esp) return parameters.cipher;
  return {Encr::null, 0, parameters.cipher.integ};
}

Result<std::unique_ptr<PacketCipher>> make_cipher(CipherEngine& engine,
                                                  const TransformParameters& parameters,
                                                  const SaKeys& keys) {
  const bool bare = parameters.cipher.encr == Encr::none;
  if (bare != (parameters.protocol == IpsecProtocol::ah))
    return fail(Fault::local_policy, Reason::unsupported);
  return engine.make(spec_of(parameters), keys, parameters.esn);
}

}  // namespace

Sealer::Sealer(CipherEngine& engine, const TransformParameters& parameters, CipherSizes sizes,
               std::unique_ptr<PacketCipher> cipher)
    : engine_(&engine),
      cipher_(std::move(cipher)),
      sizes_(sizes),
      spi_(parameters.spi),
      ah_header_(parameters.protocol == IpsecProtocol::ah ? ah_header_size(sizes, parameters.outer)
                                                          : 0),
      // CBC needs an unpredictable IV (RFC 3602, 3); counter modes a unique one, which the sequence
      // number is (RFC 4106, 3.1; RFC 7634, 2).
      random_iv_(sizes.block > 1),
      last_(parameters.esn ? ~std::uint64_t{0} : 0xffff'ffff) {}

Result<Sealer> Sealer::make(CipherEngine& engine, const TransformParameters& parameters,
                            const SaKeys& keys) {
  auto cipher = TRY(make_cipher(engine, parameters, keys));
  return Sealer(engine, parameters, *sizes_of(spec_of(parameters)), std::move(cipher));
}

// RFC 4302, 2.6: the header ends on 4 octets in IPv4, on 8 in IPv6.
std::size_t Sealer::ah_header_size(const CipherSizes& sizes, Family outer) {
  const std::size_t unit = outer == Family::v6 ? 8 : 4;
  return (kAhHeader + sizes.icv + unit - 1) / unit * unit;
}

std::size_t Sealer::payload_limit(std::size_t limit) const {
  if (is_ah()) return limit > ah_header_ ? limit - ah_header_ : 0;
  const std::size_t fixed = header_size() + sizes_.icv;
  if (limit < fixed + alignment()) return 0;
  return (limit - fixed) / alignment() * alignment() - 2;
}

std::optional<CryptoOp> Sealer::prepare(std::uint8_t* esp, std::size_t payload,
                                        std::uint8_t next_header, std::size_t prefix) {
  if (next_ == 0 || next_ > last_) return std::nullopt;
  const std::uint64_t sequence = next_++;  // past 2^64-1 comes zero, which ends it
  if (is_ah()) return prepare_ah(esp, payload, next_header, prefix, sequence);
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

std::optional<CryptoOp> Sealer::prepare_ah(std::uint8_t* ah, std::size_t payload,
                                           std::uint8_t next_header, std::size_t prefix,
                                           std::uint64_t sequence) const {
  std::memset(ah, 0, ah_header_);
  ah[0] = next_header;
  ah[1] = static_cast<std::uint8_t>(ah_header_ / 4 - 2);  // RFC 4302, 2.2
  store_be(ah + 4, spi_);
  store_be(ah + 8, static_cast<std::uint32_t>(sequence));
  return CryptoOp{ah - prefix, static_cast<std::uint32_t>(prefix + ah_header_ + payload),
                  static_cast<std::uint32_t>(sequence >> 32), false,
                  static_cast<std::uint16_t>(prefix)};
}

// RFC 4302, 3.3.3: the ICV covers the headers as if their mutable fields were zero; the true ones
// come back afterwards.
void Sealer::seal_ah(std::span<CryptoOp> ops) {
  std::uint8_t saved[16][kMaxPrefix];
  while (!ops.empty()) {
    const auto part = ops.first(std::min(ops.size(), std::size(saved)));
    for (std::size_t i = 0; i < part.size(); ++i) {
      std::memcpy(saved[i], part[i].esp, part[i].prefix);
      zero_mutable_fields({part[i].esp, part[i].prefix});
    }
    cipher_->seal(part);
    for (std::size_t i = 0; i < part.size(); ++i) {
      std::memcpy(part[i].esp, saved[i], part[i].prefix);
      std::memcpy(part[i].esp + part[i].prefix + kAhHeader, part[i].esp + part[i].size, sizes_.icv);
    }
    ops = ops.subspan(part.size());
  }
}

Opener::Opener(const TransformParameters& parameters, CipherSizes sizes,
               std::unique_ptr<PacketCipher> cipher)
    : cipher_(std::move(cipher)),
      window_(parameters.replay_window),
      sizes_(sizes),
      esn_(parameters.esn),
      ah_(parameters.protocol == IpsecProtocol::ah) {}

Result<Opener> Opener::make(CipherEngine& engine, const TransformParameters& parameters,
                            const SaKeys& keys) {
  auto cipher = TRY(make_cipher(engine, parameters, keys));
  return Opener(parameters, *sizes_of(spec_of(parameters)), std::move(cipher));
}

bool Opener::replayed(std::uint32_t low, std::uint64_t& sequence) const {
  sequence = esn_ ? window_.infer_esn(low) : low;
  return !window_.check(sequence);
}

Opener::Verdict Opener::examine(MutableBytes packet, CryptoOp& op, std::size_t prefix) const {
  if (ah_) return examine_ah(packet, op, prefix);
  const std::size_t fixed = kEspHeader + sizes_.iv + sizes_.icv;
  if (packet.size() < fixed + 2) return Verdict::malformed;
  if ((packet.size() - fixed) % sizes_.block != 0) return Verdict::malformed;
  std::uint64_t sequence;
  if (replayed(load_be<std::uint32_t>(packet.data() + 4), sequence)) return Verdict::replayed;
  op = {packet.data(), static_cast<std::uint32_t>(packet.size() - sizes_.icv),
        static_cast<std::uint32_t>(sequence >> 32), false};
  return Verdict::ok;
}

Opener::Verdict Opener::examine_ah(MutableBytes packet, CryptoOp& op, std::size_t prefix) const {
  if (packet.size() < prefix + kAhHeader) return Verdict::malformed;
  std::uint8_t* ah = packet.data() + prefix;
  const std::size_t header = (ah[1] + 2u) * 4;
  if (header < kAhHeader + sizes_.icv || packet.size() < prefix + header) return Verdict::malformed;
  std::uint64_t sequence;
  if (replayed(load_be<std::uint32_t>(ah + 8), sequence)) return Verdict::replayed;
  if (!zero_mutable_fields(packet.first(prefix))) return Verdict::malformed;
  // The received ICV goes where the cipher looks for it; within the header it counts as zero.
  std::memcpy(packet.data() + packet.size(), ah + kAhHeader, sizes_.icv);
  std::memset(ah + kAhHeader, 0, sizes_.icv);
  op = {packet.data(), static_cast<std::uint32_t>(packet.size()),
        static_cast<std::uint32_t>(sequence >> 32), false, static_cast<std::uint16_t>(prefix)};
  return Verdict::ok;
}

Opener::Opened Opener::accept(const CryptoOp& op) {
  Opened opened;
  if (!op.ok) {
    opened.verdict = Verdict::bad_integrity;
    return opened;
  }
  std::uint8_t* header = op.esp + op.prefix;
  const std::uint64_t sequence =
      (std::uint64_t{op.sequence_high} << 32) | load_be<std::uint32_t>(header + (ah_ ? 8 : 4));
  const std::uint64_t top = window_.top();
  if (!window_.update(sequence)) {  // its twin came earlier in the same batch
    opened.verdict = Verdict::replayed;
    return opened;
  }
  opened.newest = sequence > top;
  if (!ah_) {
    open_text(op, sizes_, opened);
    return opened;
  }
  const std::size_t skip = op.prefix + (header[1] + 2u) * 4;
  opened.verdict = Verdict::ok;
  opened.next_header = header[0];
  opened.payload = {op.esp + skip, op.size - skip};
  return opened;
}

void Opener::open_text(const CryptoOp& op, const CipherSizes& sizes, Opened& opened) {
  const std::size_t skip = kEspHeader + sizes.iv;
  const std::size_t text = op.size - skip;
  const std::size_t padding = op.esp[op.size - 2];
  if (padding + 2 > text) {
    opened.verdict = Verdict::bad_padding;
    return;
  }
  const std::uint8_t* pad = op.esp + op.size - 2 - padding;
  for (std::size_t i = 0; i < padding; ++i)  // RFC 4303, 2.4: 1, 2, 3, …
    if (pad[i] != static_cast<std::uint8_t>(i + 1)) {
      opened.verdict = Verdict::bad_padding;
      return;
    }
  opened.verdict = Verdict::ok;
  opened.next_header = op.esp[op.size - 1];
  opened.payload = {op.esp + skip, text - padding - 2};
}

}  // namespace culvert::esp
