// links: esp
// Hostile ESP, AH and inner packets: framing and opening, then the inner packet's parsing,
// expansion, reassembly, coalescing, segmentation and ICMP answers. The first octet chooses what
// the rest is.
#include <algorithm>
#include <cstdlib>

#include "esp/coalescer.h"
#include "esp/inbound.h"
#include "esp/ipcomp.h"
#include "esp/reassembly.h"
#include "esp/segmenter.h"
#include "esp/transform.h"
#include "net/encapsulation.h"
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

// AH behind any IP headers, as a stranger sends it, and as the peer does, whose ICV is right.
void open_ah(ByteView input, bool esn) {
  static CipherEngine engine;
  const TransformParameters parameters{
      1, {Encr::none, 0, Integ::hmac_sha1_96}, esn, 64, IpsecProtocol::ah};
  const SaKeys keys = keys_of(parameters.cipher);
  const auto parsed = parse_ip(input);
  if (!parsed) return;
  const std::size_t prefix = transport_headers(input);
  if (prefix > kMaxPrefix) return;
  auto opener = *Opener::make(engine, parameters, keys);
  const std::size_t size = parsed->length;
  Bytes packet = to_bytes(input.first(size));
  packet.resize(size + kMaxIcv);
  CryptoOp op;
  if (opener.examine(MutableBytes(packet).first(size), op, prefix) == Opener::Verdict::ok) {
    opener.open({&op, 1});
    check(opener.accept(op).verdict != Opener::Verdict::ok);
  }
  Bytes headers = to_bytes(input.first(prefix));
  if (!zero_mutable_fields(headers)) return;
  auto sealer = *Sealer::make(engine, parameters, keys);
  const ByteView payload = input.subspan(prefix, size - prefix);
  const std::size_t sealed = sealer.sealed_size(payload.size());
  if (prefix + sealed > 65'535) return;
  Bytes own(prefix + sealed + sealer.tail_room());
  std::copy_n(input.begin(), prefix, own.begin());
  announce(MutableBytes(own).first(prefix), ip::kAh, sealed);
  std::ranges::copy(payload, own.data() + prefix + sealer.header_size());
  auto made = sealer.prepare(own.data() + prefix, payload.size(),
                             announced_protocol(input.first(prefix)), prefix);
  sealer.seal({&*made, 1});
  check(opener.examine(MutableBytes(own).first(prefix + sealed), op, prefix) ==
        Opener::Verdict::ok);
  opener.open({&op, 1});
  const auto opened = opener.accept(op);
  check(opened.verdict == Opener::Verdict::ok && equal(opened.payload, payload));
}

void expand(ByteView input) {
  static Decompressor decompressor;
  static Bytes room(65'535);
  const auto size =
      decompressor.expand(input, MutableBytes(room).first(input.size() * 16 % 65'536));
  check(!size || *size <= room.size());
}

// The device, which takes everything.
class Hole : public PacketSink {
 public:
  bool write(std::span<const iovec> pieces) override {
    std::size_t octets = 0;
    for (const iovec& piece : pieces) octets += piece.iov_len;
    return octets <= 65'535 + sizeof(VirtioHeader);
  }
};

// What an authenticated peer may put into a packet of any mode, down to the device.
void deliver(ByteView input, bool transport, bool v6) {
  static CipherEngine engine;
  Database database(engine, [](const Endpoint&, const Endpoint&) { return 1'500u; });
  NoticeQueue notices(FileDescriptor{});
  Hole device;
  DropCounters drops;
  const Inbound::IkeSink sink = [](const Datagram&) {};
  Inbound inbound({database, notices, device, drops}, {true, true, true}, sink, 4'500);
  const Family family = v6 ? Family::v6 : Family::v4;
  const Endpoint local{IpAddress::any(family).next(), 4'500}, remote{local.address.next(), 4'500};
  InstallSa sa;
  sa.pair = SaPairId{1};
  sa.mode = transport ? Mode::transport : Mode::tunnel;
  sa.spi = 0x1000;
  sa.cipher = kSpecs[0];
  sa.keys = keys_of(kSpecs[0]);
  sa.local = local;
  sa.remote = remote;
  sa.udp_encap = true;
  sa.cpi = 1;
  for (const Family any : {Family::v4, Family::v6}) {
    sa.local_ts.push_back({IpAddress::any(any), IpAddress::max(any)});
    sa.remote_ts.push_back(sa.local_ts.back());
  }
  auto sealer = *Sealer::make(engine, {sa.spi, sa.cipher}, sa.keys);
  check(database.apply(std::move(sa), std::make_shared<PairStatistics>()).has_value());
  std::vector<Bytes> packets;
  for (Reader reader(input); reader.remaining() > 3;) {
    const auto next = *reader.u8();
    const auto size = std::min<std::size_t>(*reader.u16(), reader.remaining());
    const ByteView payload = *reader.take(size);
    Bytes& packet = packets.emplace_back(sealer.sealed_size(payload.size()));
    std::ranges::copy(payload, packet.data() + sealer.header_size());
    auto op = sealer.prepare(packet.data(), payload.size(), next);
    sealer.seal({&*op, 1});
    inbound.received(OuterSocket::Kind::udp, {packet, local, remote, next, packet.size(), {}},
                     TimePoint{});
  }
  inbound.flush(TimePoint{});
}

void reassemble(ByteView input) {
  Reassembler reassembler;
  for (Reader reader(input); reader.remaining() > 2;) {
    const auto size = std::min<std::size_t>(*reader.u16(), reader.remaining());
    const ByteView octets = *reader.take(size);
    const auto parsed = parse_ip(octets);
    if (!parsed || parsed->fragment == Fragment::none) continue;
    const auto whole = reassembler.add(octets.first(parsed->length), *parsed, TimePoint{});
    if (whole) check(parse_ip(*whole).has_value() && whole->size() <= 65'535);
  }
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
  const auto& spec = kSpecs[(data[0] >> 3) % std::size(kSpecs)];
  const bool flag = (data[0] & 0x80) != 0;
  switch (data[0] & 7) {
    case 0:
      open_hostile(input, spec, flag);
      break;
    case 1:
      open_authentic(input, spec);
      break;
    case 2:
      inner_packets(input);
      break;
    case 3:
      super_packet(input);
      break;
    case 4:
      open_ah(input, flag);
      break;
    case 5:
      expand(input);
      break;
    case 6:
      reassemble(input);
      break;
    default:
      deliver(input, flag, (data[0] & 0x40) != 0);
  }
  return 0;
}
