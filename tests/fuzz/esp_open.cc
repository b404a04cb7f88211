// links: esp
// Hostile ESP and inner packets: framing and opening, then the inner packet's parsing, coalescing,
// segmentation and ICMP answers. The first octet chooses what the rest is.
#include <cstdlib>

#include "esp/coalescer.h"
#include "esp/segmenter.h"
#include "esp/transform.h"
#include "net/icmp.h"

namespace culvert::esp {
namespace {

constexpr CipherSpec kSpecs[] = {
    {Encr::aes_gcm_16, 128, Integ::none},
    {Encr::aes_cbc, 128, Integ::hmac_sha2_256_128},
    {Encr::chacha20_poly1305, 0, Integ::none},
    {Encr::null, 0, Integ::hmac_sha1_96},
};

SaKeys keys_of(const CipherSpec& spec) {
  const auto sizes = *sizes_of(spec);
  return {Key(Bytes(sizes.key, 1)), Key(Bytes(sizes.integ_key, 2))};
}

void check(bool good) {
  if (!good) std::abort();
}

void open_hostile(ByteView input, const CipherSpec& spec, bool esn) {
  static CipherEngine engine;
  auto opener = *Opener::make(engine, {1, spec, esn, 64}, keys_of(spec));
  Bytes packet = to_bytes(input);
  CryptoOp op;
  if (opener.examine(packet, op) != Opener::Verdict::ok) return;
  opener.open({&op, 1});
  check(opener.accept(op).verdict != Opener::Verdict::ok);  // nobody forges a tag by accident
}

// What an authenticated but malicious peer can do: any plaintext, its trailer included.
void open_authentic(ByteView input, const CipherSpec& spec) {
  static CipherEngine engine;
  auto sealer = *Sealer::make(engine, {1, spec}, keys_of(spec));
  auto opener = *Opener::make(engine, {1, spec}, keys_of(spec));
  Bytes packet(sealer.sealed_size(input.size()));
  auto op = sealer.prepare(packet.data(), input.size(), 4);
  std::copy(input.begin(), input.end(),
            packet.begin() + static_cast<std::ptrdiff_t>(sealer.header_size()));
  if (input.size() > 2) {
    packet[op->size - 2] = input[0];
    packet[op->size - 1] = input[1];
  }
  sealer.seal({&*op, 1});
  check(opener.examine(packet, *op) == Opener::Verdict::ok);
  opener.open({&*op, 1});
  const auto opened = opener.accept(*op);
  check(opened.verdict == Opener::Verdict::ok || opened.verdict == Opener::Verdict::bad_padding);
  if (opened.verdict == Opener::Verdict::ok) check(opened.payload.size() <= packet.size());
}

class Sink : public Coalescer::Sink {
 public:
  void write(std::span<const iovec> pieces) override {
    VirtioHeader header;
    std::memcpy(&header, pieces[0].iov_base, sizeof header);
    Bytes packet;
    for (const iovec& piece : pieces.subspan(1))
      append(packet, {static_cast<const std::uint8_t*>(piece.iov_base), piece.iov_len});
    const auto parsed = parse_ip(packet);
    check(parsed.has_value());
    const auto segmenter = Segmenter::make(header, packet, *parsed);
    check(segmenter.has_value());
    for (std::size_t i = 0; i < segmenter->count(); ++i) octets += segmenter->size(i);
  }
  std::size_t octets = 0;
};

// A sequence of packets, each behind its two-octet length.
void inner_packets(ByteView input) {
  Sink sink;
  Coalescer coalescer(sink, {});
  std::vector<Bytes> packets;
  for (Reader reader(input); !reader.empty();) {
    const auto size = reader.u16();
    if (!size) break;
    const auto octets = reader.take(std::min<std::size_t>(*size, reader.remaining()));
    packets.push_back(to_bytes(*octets));
  }
  for (Bytes& packet : packets) {
    const auto parsed = parse_ip(packet);
    if (!parsed) continue;
    make_icmp_error(IcmpError::too_big, packet, *parsed, 1'400);
    set_ecn(packet, ip::kEcnCe);
    coalescer.add(MutableBytes(packet).first(parsed->length), *parsed);
  }
  coalescer.flush();
}

void super_packet(ByteView input) {
  VirtioHeader header;
  if (input.size() < sizeof header) return;
  std::memcpy(&header, input.data(), sizeof header);
  const ByteView packet = input.subspan(sizeof header);
  const auto parsed = parse_ip(packet);
  if (!parsed || parsed->length != packet.size()) return;
  const auto segmenter = Segmenter::make(header, packet, *parsed);
  if (!segmenter) return;
  for (std::size_t i = 0; i < segmenter->count(); ++i) {
    Bytes segment(segmenter->size(i));
    segmenter->write(i, segment.data());
  }
}

}  // namespace
}  // namespace culvert::esp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert::esp;
  if (size == 0) return 0;
  const culvert::ByteView input(data + 1, size - 1);
  const auto& spec = kSpecs[(data[0] >> 2) % std::size(kSpecs)];
  switch (data[0] & 3) {
    case 0:
      open_hostile(input, spec, (data[0] & 0x80) != 0);
      break;
    case 1:
      open_authentic(input, spec);
      break;
    case 2:
      inner_packets(input);
      break;
    default:
      super_packet(input);
  }
  return 0;
}
