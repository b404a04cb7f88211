// Messages and chains: one pass over the generic headers judges the chain as a whole, a second one
// reads the bodies. Invariant: nothing is stored before the first pass accepts the chain.
#include "wire/v2/message.h"

#include <algorithm>

#include "base/limits.h"
#include "wire/v2/chain.h"

namespace culvert::wire {
namespace {

enum class Place { message, inside_sk };

constexpr std::uint16_t number(NotifyType type) { return static_cast<std::uint16_t>(type); }

// The types whose bodies RFC 7296 and RFC 7383 define; for others the critical bit counts.
constexpr bool is_understood(PayloadType type) {
  return (type >= PayloadType::sa && type <= PayloadType::eap) || type == PayloadType::skf;
}

// Checks the chain as a whole and returns the number of its payloads.
Result<std::size_t> check_chain(PayloadType first, const Reader& whole, ByteView bytes,
                                Place place) {
  Chain chain(first, bytes, whole.offset());
  std::size_t count = 0;
  while (!chain.at_end()) {
    const Reader start = chain.reader();
    const ChainLink link = TRY(chain.next());
    if (++count > limits::kMaxPayloads) return start.bad(Reason::too_large);
    if (is_encrypted(link.type)) {
      // RFC 7296, 3.1: the last payload, and never inside another.
      if (place == Place::inside_sk) return start.bad(Reason::unexpected_payload);
      if (!chain.reader().empty()) return chain.reader().bad(Reason::bad_order);
    }
    if (link.critical && !is_understood(link.type))  // RFC 7296, 2.5
      return start.bad(Reason::unsupported_critical,
                       number(NotifyType::unsupported_critical_payload));
  }
  if (!chain.reader().empty()) return chain.reader().bad(Reason::bad_length);
  return count;
}

Result<PayloadBody> decode_body(const ChainLink& link, Reader& reader) {
  switch (link.type) {
    case PayloadType::sa:
      return Sa::decode(reader);
    case PayloadType::ke:
      return KeyExchangePayload::decode(reader);
    case PayloadType::id_i:
    case PayloadType::id_r:
      return Identification::decode(reader);
    case PayloadType::cert:
      return Cert::decode(reader);
    case PayloadType::certreq:
      return CertReq::decode(reader);
    case PayloadType::auth:
      return Auth::decode(reader);
    case PayloadType::nonce:
      return Nonce::decode(reader);
    case PayloadType::notify:
      return Notify::decode(reader);
    case PayloadType::delete_:
      return Delete::decode(reader);
    case PayloadType::vendor_id:
      return VendorId::decode(reader);
    case PayloadType::ts_i:
    case PayloadType::ts_r:
      return TrafficSelectors::decode(reader);
    case PayloadType::sk:
      return Encrypted::decode(reader, link.next);
    case PayloadType::skf:
      return EncryptedFragment::decode(reader, link.next);
    case PayloadType::cp:
      return Configuration::decode(reader);
    case PayloadType::eap:
      return Eap::decode(reader);
    default:
      return Unknown::decode(reader);
  }
}

Result<std::vector<Payload>> decode_chain(PayloadType first, ByteView bytes,
                                          std::size_t base_offset, Place place) {
  const Reader whole(bytes, base_offset);
  std::vector<Payload> payloads;
  payloads.reserve(TRY(check_chain(first, whole, bytes, place)));
  Chain chain(first, bytes, base_offset);
  while (!chain.at_end()) {
    ChainLink link = TRY(chain.next());
    Payload& payload = payloads.emplace_back(link.type, TRY(decode_body(link, link.body)));
    payload.critical = link.critical;
    if (!link.body.empty()) return link.body.bad(Reason::bad_length);
  }
  return payloads;
}

// What the field before a payload's successor says: SK and SKF announce their content instead.
PayloadType next_type(const Payload& payload, PayloadType following) {
  if (const auto* encrypted = std::get_if<Encrypted>(&payload.body)) return encrypted->inner;
  if (const auto* fragment = std::get_if<EncryptedFragment>(&payload.body)) return fragment->inner;
  return following;
}

std::size_t body_size(const Payload& payload) {
  return std::visit([](const auto& body) { return body.encoded_size(); }, payload.body);
}

// One-octet counts and sizes.
struct CountsFit {
  bool operator()(const Sa& sa) const {
    return std::ranges::all_of(sa.proposals, [](const Proposal& proposal) {
      return proposal.spi.size() <= 0xff && proposal.transforms.size() <= limits::kMaxTransforms;
    });
  }
  bool operator()(const TrafficSelectors& ts) const {
    return ts.selectors.size() <= limits::kMaxSelectors;
  }
  bool operator()(const Notify& notify) const { return notify.spi.size() <= 0xff; }
  bool operator()(const auto&) const { return true; }
};

}  // namespace

Result<Unknown> Unknown::decode(Reader& reader) { return Unknown{to_bytes(reader.rest())}; }

void Unknown::encode(Writer& writer) const { writer.bytes(data); }

Result<Message> decode_message(ByteView datagram) {
  Message message;
  message.header = TRY(decode_header(datagram));
  if (message.header.major != 2) return fail(Fault::peer_misbehaved, Reason::unsupported_version);
  message.payloads = TRY(decode_chain(message.header.next_payload, datagram.subspan(kHeaderSize),
                                      kHeaderSize, Place::message));
  return message;
}

Result<std::vector<Payload>> decode_payloads(PayloadType first, ByteView chain,
                                             std::size_t base_offset) {
  auto payloads = decode_chain(first, chain, base_offset, Place::inside_sk);
  if (!payloads && payloads.error().notify == 0)
    payloads.error().notify = number(NotifyType::invalid_syntax);
  return payloads;
}

std::optional<PayloadType> first_unknown_critical(PayloadType first, ByteView bytes) {
  Chain chain(first, bytes, 0);
  while (!chain.at_end()) {
    const auto link = chain.next();
    if (!link) return std::nullopt;
    if (link->critical && !is_understood(link->type)) return link->type;
  }
  return std::nullopt;
}

bool fits(std::span<const Payload> payloads) {
  const bool each = std::ranges::all_of(payloads, [](const Payload& payload) {
    return std::visit(CountsFit{}, payload.body) &&
           kGenericHeaderSize + body_size(payload) <= 0xffff;
  });
  return each && kHeaderSize + encoded_size(payloads) <= limits::kMaxMessageSize;
}

std::size_t encoded_size(std::span<const Payload> payloads) {
  std::size_t size = 0;
  for (const Payload& payload : payloads) size += kGenericHeaderSize + body_size(payload);
  return size;
}

void encode_payloads(std::span<const Payload> payloads, Writer& writer) {
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    const Payload& payload = payloads[i];
    const std::size_t start = writer.size();
    writer.u8(static_cast<std::uint8_t>(next_type(payload, first_type(payloads.subspan(i + 1)))));
    writer.u8(payload.critical ? Chain::kCriticalFlag : 0);
    const LengthScope length(writer, start);
    std::visit([&](const auto& body) { body.encode(writer); }, payload.body);
  }
}

Bytes encode_message(const Header& header, std::span<const Payload> payloads) {
  Header complete = header;
  complete.next_payload = first_type(payloads);
  complete.length = static_cast<std::uint32_t>(kHeaderSize + encoded_size(payloads));
  Bytes out;
  out.reserve(complete.length);
  Writer writer(out);
  encode_header(complete, writer);
  encode_payloads(payloads, writer);
  return out;
}

const Notify* find_notify(std::span<const Payload> payloads, NotifyType type) {
  for (const Payload& payload : payloads)
    if (const auto* notify = std::get_if<Notify>(&payload.body); notify && notify->type == type)
      return notify;
  return nullptr;
}

}  // namespace culvert::wire
