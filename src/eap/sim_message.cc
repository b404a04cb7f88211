#include "eap/sim_message.h"

#include <algorithm>
#include <utility>

namespace culvert::eap::sim {
namespace {

constexpr std::uint8_t kFirstSkippable = 128;
constexpr std::size_t kUnit = 4;  // attributes have a length in words

bool known(Attribute type) {
  switch (type) {
    case Attribute::rand:
    case Attribute::autn:
    case Attribute::res:
    case Attribute::auts:
    case Attribute::nonce_mt:
    case Attribute::permanent_id_req:
    case Attribute::mac:
    case Attribute::notification:
    case Attribute::any_id_req:
    case Attribute::identity:
    case Attribute::version_list:
    case Attribute::selected_version:
    case Attribute::fullauth_id_req:
    case Attribute::client_error_code:
    case Attribute::kdf_input:
    case Attribute::kdf:
    case Attribute::checkcode:
    case Attribute::bidding:
      return true;
  }
  return false;
}

Result<std::array<std::uint8_t, kMacSize>> compute_mac(Provider& provider, Prf prf, ByteView key,
                                                       ByteView packet,
                                                       std::initializer_list<ByteView> extra) {
  Bytes end;
  for (const ByteView part : extra) append(end, part);
  std::array<std::uint8_t, kMacSize> mac;
  CHECK_OK(provider.prf(prf, key, {packet, end}, mac));
  return mac;
}

}  // namespace

Result<Message> Message::parse(const Packet& packet) {
  Reader in(packet.data);
  Message message;
  message.subtype_ = Subtype{TRY(in.u8())};
  CHECK_OK(in.u16());  // reserved
  while (!in.empty()) {
    const Attribute type{TRY(in.u8())};
    const std::size_t words = TRY(in.u8());
    if (words == 0) return in.bad(Reason::bad_length);
    const std::size_t offset = in.offset();
    const ByteView octets = TRY(in.take(words * kUnit - 2));
    if (!known(type)) {
      if (static_cast<std::uint8_t>(type) < kFirstSkippable) return in.bad(Reason::unsupported);
      continue;
    }
    if (message.has(type) && type != Attribute::kdf) return in.bad(Reason::bad_order);
    message.items_.push_back({type, octets, offset});
  }
  return message;
}

const Message::Item* Message::find(Attribute type) const {
  const auto found = std::ranges::find(items_, type, &Item::type);
  return found == items_.end() ? nullptr : &*found;
}

std::optional<std::uint16_t> Message::number(Attribute type) const {
  const Item* item = find(type);
  if (!item || item->octets.size() != 2) return std::nullopt;
  return load_be<std::uint16_t>(item->octets.data());
}

std::vector<std::uint16_t> Message::numbers(Attribute type) const {
  std::vector<std::uint16_t> numbers;
  for (const Item& item : items_)
    if (item.type == type) numbers.push_back(load_be<std::uint16_t>(item.octets.data()));
  return numbers;
}

std::optional<ByteView> Message::value(Attribute type) const {
  const Item* item = find(type);
  return item ? std::optional(item->octets.subspan(2)) : std::nullopt;
}

std::optional<ByteView> Message::value(Attribute type, std::size_t size) const {
  const auto octets = value(type);
  return octets && octets->size() == size ? octets : std::nullopt;
}

std::optional<ByteView> Message::sized(Attribute type, std::size_t bits_per_unit) const {
  const Item* item = find(type);
  if (!item) return std::nullopt;
  const std::size_t bits = load_be<std::uint16_t>(item->octets.data()) * bits_per_unit;
  const ByteView octets = item->octets.subspan(2);
  if (bits % 8 != 0 || bits / 8 > octets.size()) return std::nullopt;
  return octets.first(bits / 8);
}

std::optional<ByteView> Message::auts() const {
  const Item* item = find(Attribute::auts);
  return item ? std::optional(item->octets) : std::nullopt;
}

Composer::Composer(Subtype subtype) : data_{static_cast<std::uint8_t>(subtype), 0, 0} {}

void Composer::attribute(Attribute type, std::uint16_t number, ByteView octets) {
  const std::size_t words = (kUnit + octets.size() + kUnit - 1) / kUnit;
  Writer out(data_);
  out.u8(static_cast<std::uint8_t>(type));
  out.u8(static_cast<std::uint8_t>(words));
  out.u16(number);
  out.bytes(octets);
  out.zeros(words * kUnit - kUnit - octets.size());
}

void Composer::number(Attribute type, std::uint16_t number) { attribute(type, number, {}); }

void Composer::value(Attribute type, ByteView octets) { attribute(type, 0, octets); }

void Composer::sized(Attribute type, ByteView octets, std::size_t bits_per_unit) {
  attribute(type, static_cast<std::uint16_t>(octets.size() * 8 / bits_per_unit), octets);
}

void Composer::auts(ByteView octets) {
  attribute(Attribute::auts, load_be<std::uint16_t>(octets.data()), octets.subspan(2));
}

Result<Bytes> Composer::take_with_mac(Provider& provider, Prf prf, ByteView key, const Packet& head,
                                      std::initializer_list<ByteView> extra) {
  const std::array<std::uint8_t, kMacSize> zeros{};
  value(Attribute::mac, zeros);
  const auto mac = TRY(compute_mac(provider, prf, key, encode(head, data_), extra));
  std::ranges::copy(mac, data_.end() - kMacSize);
  return take();
}

bool mac_fits(Provider& provider, Prf prf, ByteView key, const Packet& packet,
              const Message& message, std::initializer_list<ByteView> extra) {
  const auto received = message.value(Attribute::mac, kMacSize);
  if (!received) return false;
  Bytes whole = to_bytes(packet.whole);
  const std::size_t at = packet.whole.size() - packet.data.size() +
                         message.find(Attribute::mac)->offset + 2;  // two are reserved
  std::ranges::fill(MutableBytes(whole).subspan(at, kMacSize), std::uint8_t{0});
  const auto mac = compute_mac(provider, prf, key, whole, extra);
  return mac && equal_constant_time(*mac, *received);
}

}  // namespace culvert::eap::sim
