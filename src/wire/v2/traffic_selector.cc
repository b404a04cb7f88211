// The Traffic Selector payload's reading and writing.
#include "wire/v2/traffic_selector.h"

namespace culvert::wire {
namespace {

constexpr std::size_t kSelectorHeaderSize = 4;  // type, IP protocol, length

Result<> decode_range(Reader& reader, Selector& selector) {
  const Reader at_ports = reader;
  selector.start_port = TRY(reader.u16());
  selector.end_port = TRY(reader.u16());
  // RFC 7296, 3.13.1: 65535 to 0 is OPAQUE; any other reversed range matches nothing.
  if (selector.start_port > selector.end_port && !selector.is_opaque())
    return at_ports.bad(Reason::bad_value);
  const Reader at_addresses = reader;
  const std::size_t size = selector.type == TsType::ipv4 ? 4 : 16;
  selector.first = IpAddress::from_bytes(TRY(reader.take(size)));
  selector.last = IpAddress::from_bytes(TRY(reader.take(size)));
  if (selector.last < selector.first) return at_addresses.bad(Reason::bad_value);
  if (!reader.empty()) return reader.bad(Reason::bad_length);
  return {};
}

Result<Selector> decode_selector(Reader& reader) {
  Selector selector;
  selector.type = TsType{TRY(reader.u8())};
  selector.ip_protocol = TRY(reader.u8());
  const Reader at_length = reader;
  const std::uint16_t length = TRY(reader.u16());
  if (length < kSelectorHeaderSize) return at_length.bad(Reason::bad_length);
  Reader body = TRY(reader.nested(length - kSelectorHeaderSize));
  if (selector.is_address_range())
    CHECK_OK(decode_range(body, selector));
  else
    selector.unknown = to_bytes(body.rest());
  return selector;
}

std::size_t size_of(const Selector& selector) {
  if (!selector.is_address_range()) return kSelectorHeaderSize + selector.unknown.size();
  return kSelectorHeaderSize + 4 + selector.first.size() + selector.last.size();
}

void encode_selector(const Selector& selector, Writer& writer) {
  const std::size_t start = writer.size();
  writer.u8(static_cast<std::uint8_t>(selector.type));
  writer.u8(selector.ip_protocol);
  const LengthScope length(writer, start);
  if (!selector.is_address_range()) {
    writer.bytes(selector.unknown);
    return;
  }
  writer.u16(selector.start_port);
  writer.u16(selector.end_port);
  writer.bytes(selector.first.bytes());
  writer.bytes(selector.last.bytes());
}

}  // namespace

Result<TrafficSelectors> TrafficSelectors::decode(Reader& reader) {
  TrafficSelectors ts;
  const Reader at_count = reader;
  const std::uint8_t count = TRY(reader.u8());
  CHECK_OK(reader.take(3));                                // reserved
  if (count == 0) return at_count.bad(Reason::bad_value);  // RFC 7296, 3.13: one or more
  if (reader.remaining() < count * kSelectorHeaderSize) return at_count.bad(Reason::bad_length);
  ts.selectors.reserve(count);
  for (int i = 0; i < count; ++i) ts.selectors.push_back(TRY(decode_selector(reader)));
  return ts;
}

void TrafficSelectors::encode(Writer& writer) const {
  writer.u8(static_cast<std::uint8_t>(selectors.size()));
  writer.zeros(3);
  for (const Selector& selector : selectors) encode_selector(selector, writer);
}

std::size_t TrafficSelectors::encoded_size() const {
  std::size_t size = 4;
  for (const Selector& selector : selectors) size += size_of(selector);
  return size;
}

}  // namespace culvert::wire
