// Seals and opens messages with an SK or SKF payload:
//   header | generic header | [fragment number, total] | IV | ciphertext | ICV
// Invariant: everything before the IV is the additional authenticated data, for AEADs (RFC 5282,
// 5.1) as for a separate MAC (RFC 7296, 3.14); no plaintext leaves here unverified.
#include "wire/v2/protected.h"

#include <algorithm>
#include <optional>

#include "base/limits.h"
#include "wire/v2/chain.h"

namespace culvert::wire {
namespace {

constexpr std::size_t kFragmentPositionSize = 4;

// IANA's registry allows none of these in IKEv2; they are for ESP and AH.
constexpr bool leaves_in_the_clear(Encr encr) {
  return encr == Encr::none || encr == Encr::null || encr == Encr::null_auth_aes_gmac;
}

// The sizes of ciphers that may protect IKE. That integrity is protected too, sizes_of() sees to.
Result<CipherSizes> supported_sizes(const CipherSpec& cipher) {
  const auto sizes = sizes_of(cipher);
  if (!sizes || leaves_in_the_clear(cipher.encr)) return fail(Fault::internal, Reason::unsupported);
  return *sizes;
}

struct Sealing {
  Provider& provider;
  const ProtectionKeys& keys;
  CipherSizes sizes;

  // Octets of a sealed datagram around its plaintext and padding.
  std::size_t overhead(bool fragment) const {
    return kHeaderSize + kGenericHeaderSize + (fragment ? kFragmentPositionSize : 0) + sizes.iv +
           sizes.icv;
  }
  // The plaintext with padding and Pad Length: the fewest blocks that hold it.
  std::size_t padded(std::size_t plaintext) const {
    return (plaintext + sizes.block) / sizes.block * sizes.block;
  }
  bool takes_counter_iv() const {
    return is_aead(keys.cipher.encr) || keys.cipher.encr == Encr::aes_ctr;
  }
};

// What one sealed datagram says around its plaintext.
struct Envelope {
  Header header;
  PayloadType inner = PayloadType::none;
  std::optional<FragmentPosition> position;  // SKF when set, else SK
  std::uint64_t iv_counter = 0;
};

// Counters are 8 octets long: RFC 5282, 3.1; RFC 5930, 2; RFC 7634, 3.
void write_iv(const Sealing& sealing, std::uint64_t counter, Writer& writer) {
  const std::size_t at = writer.size();
  writer.zeros(sealing.sizes.iv);
  MutableBytes iv = writer.written_since(at);
  if (!sealing.takes_counter_iv())
    sealing.provider.random(iv);  // RFC 7296, 3.14: unpredictable for CBC
  else
    store_be(iv.data(), counter);
}

// One datagram; write_plaintext(Writer&) adds exactly plaintext_size octets. The caller has checked
// that the datagram stays within 65,535 octets.
template <class WritePlaintext>
Result<Bytes> seal(const Sealing& sealing, const Envelope& envelope, std::size_t plaintext_size,
                   WritePlaintext&& write_plaintext) {
  const bool fragment = envelope.position.has_value();
  const std::size_t padded = sealing.padded(plaintext_size);
  const std::size_t size = sealing.overhead(fragment) + padded;
  Header header = envelope.header;
  header.next_payload = fragment ? PayloadType::skf : PayloadType::sk;
  header.length = static_cast<std::uint32_t>(size);

  Bytes out;
  out.reserve(size);
  Writer writer(out);
  encode_header(header, writer);
  writer.u8(static_cast<std::uint8_t>(envelope.inner));
  writer.u8(0);
  writer.u16(static_cast<std::uint16_t>(size - kHeaderSize));
  if (fragment) envelope.position->encode(writer);
  const std::size_t iv_at = writer.size();
  write_iv(sealing, envelope.iv_counter, writer);
  write_plaintext(writer);
  const std::size_t padding = padded - plaintext_size - 1;
  writer.zeros(padding);
  writer.u8(static_cast<std::uint8_t>(padding));
  writer.zeros(sealing.sizes.icv);

  const MutableBytes whole(out);
  const MutableBytes data = whole.subspan(iv_at + sealing.sizes.iv, padded);
  const Provider::Operands operands{sealing.keys.encryption, sealing.keys.integrity,
                                    whole.subspan(iv_at, sealing.sizes.iv), whole.first(iv_at)};
  CHECK_OK(
      sealing.provider.seal(sealing.keys.cipher, operands, data, whole.last(sealing.sizes.icv)));
  return out;
}

Result<Bytes> seal_whole(const Sealing& sealing, const Header& header,
                         std::span<const Payload> payloads, std::uint64_t iv_counter) {
  const Envelope envelope{header, first_type(payloads), std::nullopt, iv_counter};
  return seal(sealing, envelope, encoded_size(payloads),
              [&](Writer& writer) { encode_payloads(payloads, writer); });
}

std::unexpected<Error> too_large() { return fail(Fault::internal, Reason::too_large); }

// RFC 7383, 2.5: the plaintext in chunks, each sealed as the content of an SKF payload.
Result<std::vector<Bytes>> split(const Sealing& sealing, const Header& header,
                                 std::span<const Payload> payloads, std::uint64_t iv_counter,
                                 std::size_t max_datagram) {
  const std::size_t overhead = sealing.overhead(true);
  const std::size_t block = sealing.sizes.block;
  const std::size_t room = max_datagram > overhead ? (max_datagram - overhead) / block * block : 0;
  if (room < 2) return too_large();
  const std::size_t chunk = room - 1;  // Pad Length takes one octet
  Bytes plaintext;
  plaintext.reserve(encoded_size(payloads));
  Writer writer(plaintext);
  encode_payloads(payloads, writer);
  const std::size_t total = (plaintext.size() + chunk - 1) / chunk;
  if (total > 0xffff) return too_large();

  std::vector<Bytes> datagrams;
  datagrams.reserve(total);
  Envelope envelope{header, first_type(payloads), FragmentPosition{}, iv_counter};
  envelope.position->total = static_cast<std::uint16_t>(total);
  for (ByteView rest = plaintext; !rest.empty();) {
    const ByteView part = rest.first(std::min(chunk, rest.size()));
    rest = rest.subspan(part.size());
    datagrams.push_back(
        TRY(seal(sealing, envelope, part.size(), [&](Writer& out) { out.bytes(part); })));
    envelope.inner = PayloadType::none;  // only the first fragment names the first payload
    ++envelope.position->number;
    ++envelope.iv_counter;
  }
  return datagrams;
}

// A protected message cut into its parts, nothing verified yet.
struct Sealed {
  PayloadType inner = PayloadType::none;
  FragmentPosition position;
  std::size_t iv_at = 0;
};

// Why the first payload is not the wanted one: it stands further back, or is missing.
std::unexpected<Error> misplaced(PayloadType wanted, PayloadType first, ByteView bytes) {
  Chain chain(first, bytes, kHeaderSize);
  const auto blame = chain.reader().bad(Reason::bad_order);
  while (!chain.at_end()) {
    const auto link = chain.next();
    if (!link) return std::unexpected(link.error());
    if (link->type == wanted) return blame;
  }
  return chain.reader().bad(Reason::missing_payload);
}

Result<Sealed> locate(ByteView datagram, PayloadType wanted) {
  const Header header = TRY(decode_header(datagram));
  if (header.major != 2) return fail(Fault::peer_misbehaved, Reason::unsupported_version);
  const ByteView bytes = datagram.subspan(kHeaderSize);
  if (header.next_payload != wanted) return misplaced(wanted, header.next_payload, bytes);
  Chain chain(header.next_payload, bytes, kHeaderSize);
  ChainLink link = TRY(chain.next());
  if (!chain.reader().empty()) return chain.reader().bad(Reason::bad_order);
  Sealed sealed{link.next, {}, 0};
  if (wanted == PayloadType::skf) sealed.position = TRY(FragmentPosition::decode(link.body));
  sealed.iv_at = link.body.offset();
  return sealed;
}

// Verifies, decrypts and takes the padding off.
Result<Bytes> open_body(Provider& provider, const ProtectionKeys& keys, ByteView datagram,
                        std::size_t iv_at) {
  const CipherSizes sizes = TRY(supported_sizes(keys.cipher));
  Reader body(datagram.subspan(iv_at), iv_at);
  const ByteView iv = TRY(body.take(sizes.iv));
  if (body.remaining() < std::size_t{sizes.icv} + 1) return body.bad(Reason::truncated);
  const std::size_t size = body.remaining() - sizes.icv;
  if (size % sizes.block != 0) return body.bad(Reason::bad_length);
  Bytes plaintext = to_bytes(TRY(body.take(size)));
  const Provider::Operands operands{keys.encryption, keys.integrity, iv, datagram.first(iv_at)};
  CHECK_OK(provider.open(keys.cipher, operands, plaintext, body.rest()));
  const std::size_t padding = plaintext.back();
  if (padding + 1 > plaintext.size())
    return fail(Fault::peer_misbehaved, Reason::bad_padding,
                static_cast<std::uint16_t>(NotifyType::invalid_syntax),
                static_cast<std::uint32_t>(iv_at + sizes.iv + size - 1));
  plaintext.resize(plaintext.size() - padding - 1);
  return plaintext;
}

}  // namespace

Result<Bytes> seal_message(Provider& provider, const ProtectionKeys& keys, const Header& header,
                           std::span<const Payload> payloads, std::uint64_t iv_counter) {
  const Sealing sealing{provider, keys, TRY(supported_sizes(keys.cipher))};
  if (!fits(payloads)) return too_large();
  const std::size_t size = sealing.overhead(false) + sealing.padded(encoded_size(payloads));
  if (size > limits::kMaxMessageSize) return too_large();
  return seal_whole(sealing, header, payloads, iv_counter);
}

Result<std::vector<Bytes>> seal_fragments(Provider& provider, const ProtectionKeys& keys,
                                          const Header& header, std::span<const Payload> payloads,
                                          std::uint64_t iv_counter, std::size_t max_datagram) {
  const Sealing sealing{provider, keys, TRY(supported_sizes(keys.cipher))};
  if (!fits(payloads)) return too_large();
  max_datagram = std::min(max_datagram, limits::kMaxMessageSize);
  const std::size_t whole = sealing.overhead(false) + sealing.padded(encoded_size(payloads));
  if (whole > max_datagram) return split(sealing, header, payloads, iv_counter, max_datagram);
  std::vector<Bytes> datagrams;
  datagrams.push_back(TRY(seal_whole(sealing, header, payloads, iv_counter)));
  return datagrams;
}

Result<Opened> open_encrypted(Provider& provider, const ProtectionKeys& keys, ByteView datagram) {
  const Sealed sealed = TRY(locate(datagram, PayloadType::sk));
  return Opened{sealed.inner, TRY(open_body(provider, keys, datagram, sealed.iv_at))};
}

Result<std::vector<Payload>> open_message(Provider& provider, const ProtectionKeys& keys,
                                          ByteView datagram) {
  const Opened opened = TRY(open_encrypted(provider, keys, datagram));
  const CipherSizes sizes = TRY(supported_sizes(keys.cipher));
  return decode_payloads(opened.inner, opened.plaintext,
                         kHeaderSize + kGenericHeaderSize + sizes.iv);
}

Result<FragmentPosition> peek_fragment(ByteView datagram) {
  return TRY(locate(datagram, PayloadType::skf)).position;
}

Result<Fragment> open_fragment(Provider& provider, const ProtectionKeys& keys, ByteView datagram) {
  const Sealed sealed = TRY(locate(datagram, PayloadType::skf));
  return Fragment{sealed.position.number, sealed.position.total, sealed.inner,
                  TRY(open_body(provider, keys, datagram, sealed.iv_at))};
}

}  // namespace culvert::wire
