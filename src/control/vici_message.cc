// Reading and writing of vici messages, packets and segments.
// Invariant: what decode accepts, encode writes back octet for octet, and both stay within limits.
#include "control/vici_message.h"

#include <algorithm>
#include <charconv>

#include "base/limits.h"
#include "base/secret.h"
#include "net/address.h"

namespace culvert::vici {

namespace {

enum class ElementType : std::uint8_t {
  section_start = 1,
  section_end = 2,
  key_value = 3,
  list_start = 4,
  list_item = 5,
  list_end = 6,
};

constexpr std::size_t kMaxName = 0xff;
constexpr std::size_t kMaxValue = 0xffff;

Result<> write_name(std::string_view name, Writer& out) {
  if (name.size() > kMaxName) return fail(Fault::local_policy, Reason::too_large);
  out.u8(static_cast<std::uint8_t>(name.size()));
  out.bytes(as_bytes(name));
  return {};
}

Result<> write_value(std::string_view value, Writer& out) {
  if (value.size() > kMaxValue) return fail(Fault::local_policy, Reason::too_large);
  out.u16(static_cast<std::uint16_t>(value.size()));
  out.bytes(as_bytes(value));
  return {};
}

Result<> write_start(ElementType type, std::string_view name, Writer& out) {
  out.u8(static_cast<std::uint8_t>(type));
  return write_name(name, out);
}

Result<> write_section(const Section& section, Writer& out, std::size_t depth);

Result<> write_element(const Element& element, Writer& out, std::size_t depth) {
  if (const auto* value = std::get_if<std::string>(&element.value)) {
    CHECK_OK(write_start(ElementType::key_value, element.name, out));
    return write_value(*value, out);
  }
  if (const auto* list = std::get_if<List>(&element.value)) {
    CHECK_OK(write_start(ElementType::list_start, element.name, out));
    for (const auto& item : *list) {
      out.u8(static_cast<std::uint8_t>(ElementType::list_item));
      CHECK_OK(write_value(item, out));
    }
    out.u8(static_cast<std::uint8_t>(ElementType::list_end));
    return {};
  }
  CHECK_OK(write_start(ElementType::section_start, element.name, out));
  CHECK_OK(write_section(std::get<Section>(element.value), out, depth + 1));
  out.u8(static_cast<std::uint8_t>(ElementType::section_end));
  return {};
}

Result<> write_section(const Section& section, Writer& out, std::size_t depth) {
  if (depth > limits::kMaxViciDepth) return fail(Fault::local_policy, Reason::too_large);
  for (const auto& element : section.elements()) CHECK_OK(write_element(element, out, depth));
  if (out.size() > limits::kMaxViciMessage + sizeof(std::uint32_t))
    return fail(Fault::local_policy, Reason::too_large);
  return {};
}

Result<std::string> read_name(Reader& in) {
  const auto size = TRY(in.u8());
  return std::string(as_text(TRY(in.take(size))));
}

Result<std::string> read_value(Reader& in) {
  const auto size = TRY(in.u16());
  return std::string(as_text(TRY(in.take(size))));
}

Result<List> read_list(Reader& in) {
  List items;
  while (true) {
    const auto type = ElementType{TRY(in.u8())};
    if (type == ElementType::list_end) return items;
    if (type != ElementType::list_item) return in.bad(Reason::bad_order);
    items.push_back(TRY(read_value(in)));
  }
}

// Reads up to the section's end, which for the root (depth 0) is the end of the octets.
Result<Section> read_section(Reader& in, std::size_t depth) {
  if (depth > limits::kMaxViciDepth) return in.bad(Reason::too_large);
  Section section;
  while (depth > 0 || !in.empty()) {
    const auto type = ElementType{TRY(in.u8())};
    if (type == ElementType::section_end) {
      if (depth == 0) return in.bad(Reason::bad_order);
      return section;
    }
    if (type != ElementType::section_start && type != ElementType::key_value &&
        type != ElementType::list_start)
      return in.bad(Reason::bad_value);
    Element element{TRY(read_name(in)), {}};
    if (type == ElementType::key_value)
      element.value = TRY(read_value(in));
    else if (type == ElementType::list_start)
      element.value = TRY(read_list(in));
    else
      element.value = TRY(read_section(in, depth + 1));
    section.elements().push_back(std::move(element));
  }
  return section;
}

template <class T>
const T* find_element(const std::vector<Element>& elements, std::string_view name) {
  for (const auto& element : elements)
    if (element.name == name)
      if (const auto* value = std::get_if<T>(&element.value)) return value;
  return nullptr;
}

}  // namespace

Section& Section::add(std::string_view name, std::string value) {
  elements_.push_back({std::string(name), std::move(value)});
  return *this;
}

Section& Section::add_list(std::string_view name, List items) {
  elements_.push_back({std::string(name), std::move(items)});
  return *this;
}

Section& Section::add_section(std::string_view name) {
  elements_.push_back({std::string(name), Section{}});
  return std::get<Section>(elements_.back().value);
}

const std::string* Section::find(std::string_view name) const {
  return find_element<std::string>(elements_, name);
}

const List* Section::find_list(std::string_view name) const {
  return find_element<List>(elements_, name);
}

const Section* Section::find_section(std::string_view name) const {
  return find_element<Section>(elements_, name);
}

std::string_view Section::get(std::string_view name, std::string_view otherwise) const {
  const auto* value = find(name);
  return value != nullptr ? std::string_view(*value) : otherwise;
}

bool Section::operator==(const Section& other) const { return elements_ == other.elements_; }

bool has_name(PacketType type) {
  return type == PacketType::cmd_request || type == PacketType::event_register ||
         type == PacketType::event_unregister || type == PacketType::event;
}

bool has_message(PacketType type) {
  return type == PacketType::cmd_request || type == PacketType::cmd_response ||
         type == PacketType::event;
}

Result<Bytes> encode_message(const Message& message) {
  Bytes octets;
  Writer out(octets);
  CHECK_OK(write_section(message, out, 0));
  return octets;
}

Result<Message> decode_message(ByteView octets, std::size_t base_offset) {
  Reader in(octets, base_offset);
  return read_section(in, 0);
}

Result<Bytes> encode_segment(const Packet& packet) {
  Bytes octets;
  Writer out(octets);
  out.u32(0);
  out.u8(static_cast<std::uint8_t>(packet.type));
  if (has_name(packet.type)) CHECK_OK(write_name(packet.name, out));
  if (has_message(packet.type)) CHECK_OK(write_section(packet.message, out, 0));
  const std::size_t size = octets.size() - sizeof(std::uint32_t);
  if (size > limits::kMaxViciMessage) return fail(Fault::local_policy, Reason::too_large);
  out.patch_u32(0, static_cast<std::uint32_t>(size));
  return octets;
}

Result<Packet> decode_packet(ByteView segment) {
  Reader in(segment);
  const auto type = TRY(in.u8());
  if (type > static_cast<std::uint8_t>(PacketType::event)) return in.bad(Reason::bad_value);
  Packet packet{PacketType{type}, {}, {}};
  if (has_name(packet.type)) packet.name = TRY(read_name(in));
  if (!has_message(packet.type)) {
    if (!in.empty()) return in.bad(Reason::bad_length);
    return packet;
  }
  const auto at = in.offset();
  packet.message = TRY(decode_message(in.rest(), at));
  return packet;
}

SegmentReader::~SegmentReader() { secure_zero(buffer_); }

void SegmentReader::feed(ByteView octets) {
  if (consumed_ > 0) {
    const auto left = buffer_.size() - consumed_;
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(consumed_), buffer_.end(),
              buffer_.begin());
    secure_zero(MutableBytes(buffer_).subspan(left));
    buffer_.resize(left);
    consumed_ = 0;
  }
  if (const auto needed = buffer_.size() + octets.size(); needed > buffer_.capacity()) {
    Bytes larger;
    larger.reserve(std::max(needed, 2 * buffer_.capacity()));
    append(larger, buffer_);
    secure_zero(buffer_);
    buffer_ = std::move(larger);
  }
  append(buffer_, octets);
}

Result<std::optional<ByteView>> SegmentReader::next() {
  Reader in(ByteView(buffer_).subspan(consumed_));
  if (in.remaining() < sizeof(std::uint32_t)) return std::nullopt;
  const auto size = TRY(in.u32());
  if (size > limits::kMaxViciMessage) return fail(Fault::peer_misbehaved, Reason::too_large);
  if (size == 0) return fail(Fault::peer_misbehaved, Reason::bad_length);
  if (in.remaining() < size) return std::nullopt;
  consumed_ += sizeof(std::uint32_t) + size;
  return TRY(in.take(size));
}

std::expected<Address, std::string> parse_address(std::string_view uri) {
  constexpr std::string_view kUnix = "unix://", kTcp = "tcp://";
  const auto wrong = [&](std::string_view what) {
    return std::unexpected("vici address '" + std::string(uri) + "': " + std::string(what));
  };
  Address address;
  if (uri.starts_with(kUnix)) {
    address.path = uri.substr(kUnix.size());
    // sockaddr_un has room for 107 characters and the terminating zero.
    if (address.path.empty() || address.path.size() > 107)
      return wrong("the path must be 1 to 107 characters long");
    return address;
  }
  if (!uri.starts_with(kTcp)) return wrong("must start with unix:// or tcp://");
  const auto rest = uri.substr(kTcp.size());
  const auto colon = rest.rfind(':');
  if (colon == std::string_view::npos)
    return wrong("the port is missing, as in tcp://127.0.0.1:4502");
  const auto port = rest.substr(colon + 1);
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (parsed.ec != std::errc{} || parsed.ptr != port.data() + port.size() || address.port == 0)
    return wrong("the port must be a number from 1 to 65535");
  auto host = rest.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto ip = IpAddress::parse(host);
  const bool loopback =
      ip && (ip->is_v4() ? ip->v4_value() >> 24 == 127 : ip == IpAddress::parse("::1"));
  if (!loopback) return wrong("vici has no passwords, so only 127.0.0.1 and [::1] are allowed");
  address.kind = Address::Kind::tcp;
  address.host = host;
  return address;
}

}  // namespace culvert::vici
