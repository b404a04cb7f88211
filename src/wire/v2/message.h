// An IKEv2 message: the header and its chain of payloads (RFC 7296, 3.1 and 3.2).
// Invariant: encoding what was decoded and decoding that again gives equal values.
#pragma once

#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "wire/header.h"
#include "wire/v2/auth.h"
#include "wire/v2/cert.h"
#include "wire/v2/configuration.h"
#include "wire/v2/delete.h"
#include "wire/v2/eap.h"
#include "wire/v2/encrypted.h"
#include "wire/v2/identification.h"
#include "wire/v2/ke.h"
#include "wire/v2/nonce.h"
#include "wire/v2/notify.h"
#include "wire/v2/sa.h"
#include "wire/v2/traffic_selector.h"
#include "wire/v2/vendor_id.h"

namespace culvert::wire {

// A payload of a type that we don't understand, or don't need to.
struct Unknown {
  Bytes data;  // without the generic header
  bool operator==(const Unknown&) const = default;

  static Result<Unknown> decode(Reader& reader);
  void encode(Writer& writer) const;
  std::size_t encoded_size() const { return data.size(); }
};

using PayloadBody = std::variant<Sa, KeyExchangePayload, Identification, Cert, CertReq, Auth, Nonce,
                                 Notify, Delete, VendorId, TrafficSelectors, Encrypted,
                                 EncryptedFragment, Configuration, Eap, Unknown>;

struct Payload {
  PayloadType type = PayloadType::none;
  bool critical = false;
  PayloadBody body;

  Payload() = default;
  Payload(PayloadType payload_type, PayloadBody payload_body)
      : type(payload_type), body(std::move(payload_body)) {}
  bool operator==(const Payload&) const = default;
};

struct Message {
  Header header;
  std::vector<Payload> payloads;
  bool operator==(const Message&) const = default;
};

// A whole IKEv2 message. An SK or SKF payload is kept closed and must be the last (bad_order).
// Errors besides those of decode_header() and of the payloads: unsupported_version for IKEv1;
// too_large above limits::kMaxPayloads; unsupported_critical with UNSUPPORTED_CRITICAL_PAYLOAD
// (RFC 7296, 2.5). Syntax errors here carry no notification, since anyone could have sent the
// message (RFC 7296, 3.10.1 on INVALID_SYNTAX).
Result<Message> decode_message(ByteView datagram);

// A chain of payloads from inside an SK payload: `first` is the type of the first one (none for an
// empty chain), base_offset is added to the offsets in errors. SK and SKF are refused
// (unexpected_payload). Syntax errors carry INVALID_SYNTAX.
Result<std::vector<Payload>> decode_payloads(PayloadType first, ByteView chain,
                                             std::size_t base_offset = 0);

// The type that made decode_payloads() or decode_message() fail with unsupported_critical; it is
// the data of the notification. For a message: first is header.next_payload, the chain starts at
// kHeaderSize.
std::optional<PayloadType> first_unknown_critical(PayloadType first, ByteView chain);

// True when every payload and the whole fit their 16-bit lengths; a precondition of the encoders
// below, which callers with sizes from outside (certificates, EAP) must check. seal_message() does.
bool fits(std::span<const Payload> payloads);
// Octets of the chain, generic headers included.
std::size_t encoded_size(std::span<const Payload> payloads);

// The type that the field before the chain announces.
inline PayloadType first_type(std::span<const Payload> payloads) {
  return payloads.empty() ? PayloadType::none : payloads.front().type;
}
void encode_payloads(std::span<const Payload> payloads, Writer& writer);
// next_payload and length of `header` are ignored and filled in.
Bytes encode_message(const Header& header, std::span<const Payload> payloads);

// The first payload of the type, if its body is a T.
template <class T>
const T* find(std::span<const Payload> payloads, PayloadType type) {
  for (const Payload& payload : payloads)
    if (payload.type == type) return std::get_if<T>(&payload.body);
  return nullptr;
}
const Notify* find_notify(std::span<const Payload> payloads, NotifyType type);

}  // namespace culvert::wire
