// Invariant: a slot's octets are handed out only when every one of them came from a fragment.
#include "esp/reassembly.h"

#include <algorithm>

namespace culvert::esp {
namespace {

constexpr std::size_t kFragmentHeader = 8;

}  // namespace

std::optional<Reassembler::Piece> Reassembler::read(ByteView packet, const IpPacket& parsed) {
  Piece piece;
  if (parsed.family() == Family::v4) {
    const auto field = load_be<std::uint16_t>(packet.data() + 6);
    piece.headers = packet.first(parsed.l4_offset);
    piece.data = packet.subspan(parsed.l4_offset);
    piece.offset = (field & 0x1fffu) * 8;
    piece.more = (field & 0x2000) != 0;
    piece.id = load_be<std::uint16_t>(packet.data() + 4);
    piece.protocol = packet[9];
  } else {
    const std::size_t headers = transport_headers(packet);
    if (packet.size() < headers + kFragmentHeader ||
        announced_protocol(packet.first(headers)) != ip::kFragment)
      return std::nullopt;
    const std::uint8_t* at = packet.data() + headers;
    const auto field = load_be<std::uint16_t>(at + 2);
    piece.headers = packet.first(headers);
    piece.data = packet.subspan(headers + kFragmentHeader);
    piece.offset = field & 0xfff8u;
    piece.more = (field & 1) != 0;
    piece.id = load_be<std::uint32_t>(at + 4);
    piece.protocol = at[0];
  }
  if (piece.headers.size() > kMaxHeaders || piece.data.empty() ||
      piece.offset + piece.data.size() + piece.headers.size() > kMaxPayload ||
      (piece.more && piece.data.size() % 8 != 0))
    return std::nullopt;
  return piece;
}

Reassembler::Slot& Reassembler::slot_for(const Piece& piece, const IpPacket& parsed,
                                         TimePoint now) {
  Slot* chosen = nullptr;
  for (Slot& slot : slots_) {
    if (slot.used && now - slot.since > kLifetime) slot.used = false;
    if (slot.used && slot.id == piece.id && slot.protocol == piece.protocol &&
        slot.source == parsed.source && slot.destination == parsed.destination)
      return slot;
    // A free one, or else the oldest.
    if (!chosen || (chosen->used && (!slot.used || slot.since < chosen->since))) chosen = &slot;
  }
  if (!chosen->octets) chosen->octets.reset(new std::uint8_t[kMaxHeaders + kMaxPayload]);
  chosen->source = parsed.source;
  chosen->destination = parsed.destination;
  chosen->id = piece.id;
  chosen->protocol = piece.protocol;
  chosen->since = now;
  chosen->used = true;
  chosen->has_last = false;
  chosen->headers = chosen->length = chosen->blocks = 0;
  chosen->seen.reset();
  return *chosen;
}

bool Reassembler::place(Slot& slot, const Piece& piece) {
  const std::size_t end = piece.offset + piece.data.size();
  if (!piece.more) {
    if (slot.has_last) return false;
    slot.has_last = true;
    slot.length = end;
  }
  for (std::size_t block = piece.offset / 8; block * 8 < end; ++block) {
    if (slot.seen[block]) return false;
    slot.seen[block] = true;
    ++slot.blocks;
  }
  std::ranges::copy(piece.data, slot.octets.get() + kMaxHeaders + piece.offset);
  if (piece.offset == 0) {  // RFC 8200, 4.5: the headers of the first fragment count
    slot.headers = piece.headers.size();
    std::ranges::copy(piece.headers, slot.octets.get() + kMaxHeaders - slot.headers);
  }
  return true;
}

std::optional<MutableBytes> Reassembler::finish(Slot& slot) {
  if (!slot.has_last || slot.headers == 0 || slot.blocks != (slot.length + 7) / 8)
    return std::nullopt;
  slot.used = false;
  if (slot.headers + slot.length > kMaxPayload) return std::nullopt;
  const MutableBytes packet(slot.octets.get() + kMaxHeaders - slot.headers,
                            slot.headers + slot.length);
  if (packet[0] >> 4 == 4) store_be(packet.data() + 6, std::uint16_t{0});
  announce(packet.first(slot.headers), slot.protocol, slot.length);
  return packet;
}

std::optional<MutableBytes> Reassembler::add(ByteView packet, const IpPacket& parsed,
                                             TimePoint now) {
  const auto piece = read(packet, parsed);
  if (!piece) return std::nullopt;
  Slot& slot = slot_for(*piece, parsed, now);
  if (!place(slot, *piece)) {
    slot.used = false;
    return std::nullopt;
  }
  return finish(slot);
}

}  // namespace culvert::esp
