// The EAP codec: header, types, Nak.
// Invariant: what decode() returns lies within the octets it was given.
#include "eap/packet.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace culvert::eap {
namespace {

struct Known {
  Type type;
  std::string_view keyword, name;
  Properties properties;
};
constexpr Known kKnown[] = {
    {kIdentity, "identity", "EAP-Identity", {}},
    {kNotification, "notification", "EAP-Notification", {}},
    {kNak, "nak", "EAP-Nak", {}},
    {kMd5, "md5", "EAP-MD5", {}},
    {kGtc, "gtc", "EAP-GTC", {}},
    {kTls, "tls", "EAP-TLS", {true, true, true}},
    {kSim, "sim", "EAP-SIM", {true, true, true}},
    {kTtls, "ttls", "EAP-TTLS", {true, true, true}},
    {kAka, "aka", "EAP-AKA", {true, true, true}},
    {kPeap, "peap", "EAP-PEAP", {true, true, true}},
    {kMschapv2, "mschapv2", "EAP-MSCHAPv2", {true, true, false}},
    {kAkaPrime, "aka-prime", "EAP-AKA'", {true, true, true}},
};

constexpr std::size_t kExpandedSize = 8;  // the octet 254, vendor, number
constexpr std::uint32_t kMaxVendor = 0xffffff;

const Known* find(Type type) {
  const auto* found = std::ranges::find(kKnown, type, &Known::type);
  return found == std::end(kKnown) ? nullptr : found;
}

std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<Type> read_expanded(Reader& in) {
  const std::uint32_t high = TRY(in.u8()), low = TRY(in.u16());
  return Type{high << 16 | low, TRY(in.u32())};
}

void write_expanded(Writer& out, Type type) {
  out.u32(kExpanded.number << 24 | type.vendor);
  out.u32(type.number);
}

}  // namespace

std::string to_string(Type type) {
  if (const Known* known = find(type)) return std::string(known->name);
  if (type.vendor == 0) return fmt::format("EAP type {}", type.number);
  return fmt::format("EAP type {}-{}", type.number, type.vendor);
}

std::optional<Type> parse_type(std::string_view text) {
  const auto* known = std::ranges::find(kKnown, text, &Known::keyword);
  if (known != std::end(kKnown))
    return known->type > kNak ? std::optional(known->type) : std::nullopt;
  const std::size_t dash = text.find('-');
  const auto number = parse_number(text.substr(0, dash));
  if (!number) return std::nullopt;
  if (dash == std::string_view::npos)
    return *number > kNak.number && *number < kExpanded.number ? std::optional(Type{0, *number})
                                                               : std::nullopt;
  const auto vendor = parse_number(text.substr(dash + 1));
  if (!vendor || *vendor == 0 || *vendor > kMaxVendor) return std::nullopt;
  return Type{*vendor, *number};
}

Properties properties_of(Type type) {
  const Known* known = find(type);
  return known ? known->properties : Properties{};
}

Result<Packet> decode(ByteView octets) {
  Reader header(octets);
  Packet packet;
  const std::uint8_t code = TRY(header.u8());
  packet.identifier = TRY(header.u8());
  const std::size_t size = TRY(header.u16());
  if (code < 1 || code > 4) return header.bad(Reason::unsupported);
  if (size < kHeaderSize) return header.bad(Reason::bad_length);
  Reader body = TRY(header.nested(size - kHeaderSize));
  packet.code = Code{code};
  packet.whole = octets.first(size);
  if (packet.code == Code::success || packet.code == Code::failure) {
    if (!body.empty()) return body.bad(Reason::bad_length);
    return packet;
  }
  packet.type.number = TRY(body.u8());
  if (packet.type == kExpanded) {
    packet.expanded = true;
    packet.type = TRY(read_expanded(body));
  }
  packet.data = body.rest();
  return packet;
}

Bytes encode(const Packet& head, ByteView data) {
  Bytes octets;
  octets.reserve(kHeaderSize + kExpandedSize + data.size());
  Writer out(octets);
  out.u8(static_cast<std::uint8_t>(head.code));
  out.u8(head.identifier);
  const LengthScope length(out, 0);
  if (head.code == Code::success || head.code == Code::failure) return octets;
  if (head.expanded || head.type.vendor != 0 || head.type.number >= kExpanded.number)
    write_expanded(out, head.type);
  else
    out.u8(static_cast<std::uint8_t>(head.type.number));
  out.bytes(data);
  return octets;
}

Bytes nak_data(bool expanded, const std::vector<Type>& wanted) {
  Bytes data;
  Writer out(data);
  const std::vector<Type> none{{}};
  for (const Type type : wanted.empty() ? none : wanted) {
    if (expanded) {
      write_expanded(out, type);
      continue;
    }
    // RFC 3748, 5.3.1: 254 stands for all expanded types.
    out.u8(static_cast<std::uint8_t>(type.vendor == 0 ? type.number : kExpanded.number));
  }
  return data;
}

Result<Nak> decode_nak(const Packet& response) {
  Nak nak;
  Reader in(response.data);
  if (in.empty()) return in.bad(Reason::truncated);
  while (!in.empty()) {
    Type type{0, TRY(in.u8())};
    if (response.expanded) {
      if (type != kExpanded) return in.bad(Reason::bad_value);
      type = TRY(read_expanded(in));
    }
    if (type == Type{}) continue;  // "no desired alternative"
    if (type == kExpanded)
      nak.expanded_wanted = true;
    else
      nak.wanted.push_back(type);
  }
  return nak;
}

std::string list_of(const std::vector<Type>& types) {
  std::string text;
  for (const Type type : types) text += (text.empty() ? "" : ", ") + to_string(type);
  return text.empty() ? "none" : text;
}

std::string printable(std::string_view octets) {
  constexpr std::size_t kMost = 128;
  std::string text;
  for (const char c : octets.substr(0, kMost)) {
    if (c < ' ' || c > '~' || c == '\\' || c == '"')
      text += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(c));
    else
      text += c;
  }
  return octets.size() > kMost ? text + "…" : text;
}

}  // namespace culvert::eap
