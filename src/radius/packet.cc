// Invariant: every Value of a Packet lies inside its octets.
#include "radius/packet.h"

#include <algorithm>

#include "base/limits.h"

namespace culvert::radius {

Result<Packet> Packet::decode(ByteView datagram) {
  Reader header(datagram);
  CHECK_OK(header.u8());
  CHECK_OK(header.u8());
  const std::uint32_t length_at = header.offset();
  const std::uint16_t length = TRY(header.u16());
  // RFC 2865, 3: from 20 to 4096, and a packet shorter than it says is discarded.
  if (length < kHeaderSize || length > limits::kMaxRadiusPacket)
    return fail(Fault::peer_misbehaved, Reason::bad_length, 0, length_at);
  if (datagram.size() < length)
    return fail(Fault::peer_misbehaved, Reason::truncated, 0, length_at);

  Packet packet;
  packet.octets_ = to_bytes(datagram.first(length));
  Reader reader(packet.octets().subspan(kHeaderSize), kHeaderSize);
  while (!reader.empty()) {
    const std::uint32_t start = reader.offset();
    CHECK_OK(reader.u8());
    const std::uint8_t size = TRY(reader.u8());
    if (size < 2) return fail(Fault::peer_misbehaved, Reason::bad_length, 0, start + 1);
    TRY(reader.take(size - 2u));
    packet.values_.push_back(
        {static_cast<std::uint16_t>(start + 2), static_cast<std::uint8_t>(size - 2)});
  }
  return packet;
}

Attribute Packet::at(std::size_t index) const {
  return {type_of(values_[index]), value(values_[index])};
}

std::optional<ByteView> Packet::find(Type type) const {
  for (const Value& at : values_)
    if (type_of(at) == type) return value(at);
  return std::nullopt;
}

std::optional<std::uint32_t> Packet::find_u32(Type type) const {
  for (const Value& at : values_)
    if (type_of(at) == type && at.size == 4) return load_be<std::uint32_t>(value(at).data());
  return std::nullopt;
}

Bytes Packet::joined(Type type) const {
  Bytes whole;
  for (const Value& at : values_)
    if (type_of(at) == type) append(whole, value(at));
  return whole;
}

std::size_t Packet::offset_of(Type type) const {
  for (const Value& at : values_)
    if (type_of(at) == type) return at.offset;
  return 0;
}

std::vector<VendorAttribute> Packet::vendor_attributes() const {
  std::vector<VendorAttribute> found;
  for (const Value& at : values_) {
    if (type_of(at) != Type::vendor_specific) continue;
    Reader reader(value(at));
    const auto vendor = reader.u32();
    while (vendor && !reader.empty()) {
      const auto type = reader.u8();
      const auto size = reader.u8();
      if (!size || *size < 2) break;
      const auto octets = reader.take(*size - 2u);
      if (!octets) break;
      found.push_back({static_cast<Vendor>(*vendor), *type, *octets});
    }
  }
  return found;
}

void AttributeWriter::add(Type type, ByteView value) {
  if (value.empty()) return;
  value = value.first(std::min(value.size(), limits::kMaxRadiusAttribute));
  Writer writer(out_);
  writer.u8(static_cast<std::uint8_t>(type));
  writer.u8(static_cast<std::uint8_t>(value.size() + 2));
  writer.bytes(value);
}

void AttributeWriter::add(Type type, std::uint32_t value) {
  std::array<std::uint8_t, 4> octets;
  store_be(octets.data(), value);
  add(type, octets);
}

void AttributeWriter::add_vendor(Vendor vendor, std::uint8_t type, ByteView value) {
  value = value.first(std::min(value.size(), limits::kMaxRadiusAttribute - 6));
  Bytes inner;
  Writer writer(inner);
  writer.u32(static_cast<std::uint32_t>(vendor));
  writer.u8(type);
  writer.u8(static_cast<std::uint8_t>(value.size() + 2));
  writer.bytes(value);
  add(Type::vendor_specific, inner);
}

void AttributeWriter::add(Type v4, Type v6, const IpAddress& address) {
  if (!address.is_none()) add(address.is_v4() ? v4 : v6, address.bytes());
}

void AttributeWriter::add_eap(ByteView packet) {
  while (!packet.empty()) {
    const auto piece = packet.first(std::min(packet.size(), limits::kMaxRadiusAttribute));
    add(Type::eap_message, piece);
    packet = packet.subspan(piece.size());
  }
}

}  // namespace culvert::radius
