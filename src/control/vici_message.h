// The vici wire format, as strongSwan documents it for its control socket: messages are ordered
// trees of sections, key/values and lists; packets name a command or an event; segments frame
// packets on a stream by a 32-bit length. Everything a client can send is bounded (base/limits.h).
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace culvert::vici {

struct Element;
using List = std::vector<std::string>;

// An ordered section; the root one is a message. Values are octet strings, mostly text.
class Section {
 public:
  // Each appends one element and returns this section, so that calls chain.
  Section& add(std::string_view name, std::string value);
  Section& add_list(std::string_view name, List items);
  // Appends an empty section and returns it. The reference is valid until the next addition here.
  Section& add_section(std::string_view name);

  // The first element of that name and kind, or nullptr.
  const std::string* find(std::string_view name) const;
  const List* find_list(std::string_view name) const;
  const Section* find_section(std::string_view name) const;
  std::string_view get(std::string_view name, std::string_view otherwise = {}) const;

  const std::vector<Element>& elements() const { return elements_; }
  std::vector<Element>& elements() { return elements_; }
  bool empty() const { return elements_.empty(); }
  bool operator==(const Section& other) const;

 private:
  std::vector<Element> elements_;
};
using Message = Section;

struct Element {
  std::string name;
  std::variant<std::string, List, Section> value;
  bool operator==(const Element&) const = default;
};

enum class PacketType : std::uint8_t {
  cmd_request = 0,
  cmd_response = 1,
  cmd_unknown = 2,
  event_register = 3,
  event_unregister = 4,
  event_confirm = 5,
  event_unknown = 6,
  event = 7,
};
// True for the types that carry a name, and for those that carry a message.
bool has_name(PacketType type);
bool has_message(PacketType type);

struct Packet {
  PacketType type = PacketType::cmd_request;
  std::string name;
  Message message;
  bool operator==(const Packet&) const = default;
};

// The octets of a segment, its length in front, ready for the stream. Fails with too_large when a
// name, a value or the whole exceeds what the format or limits::kMaxViciMessage allows.
Result<Bytes> encode_segment(const Packet& packet);
// The reverse, without the length. An error's offset counts from the start of the segment.
Result<Packet> decode_packet(ByteView segment);

Result<Bytes> encode_message(const Message& message);
Result<Message> decode_message(ByteView octets, std::size_t base_offset = 0);

// Cuts a stream into segments. Feeding a length over the limit makes it fail for good.
// Octets that are done with are zeroised: they may have been a secret.
class SegmentReader {
 public:
  SegmentReader() = default;
  SegmentReader(const SegmentReader&) = delete;
  SegmentReader& operator=(const SegmentReader&) = delete;
  ~SegmentReader();

  void feed(ByteView octets);
  // The next whole segment (valid until the next call of either function); nullopt: feed more.
  // Fails with too_large, or bad_length for an empty segment.
  Result<std::optional<ByteView>> next();
  std::size_t buffered() const { return buffer_.size() - consumed_; }

 private:
  Bytes buffer_;
  std::size_t consumed_ = 0;
};

// Where the server listens and clients connect: "unix:///run/culvert/vici.sock" or
// "tcp://127.0.0.1:4502" (loopback only).
struct Address {
  enum class Kind : std::uint8_t { unix_socket, tcp } kind = Kind::unix_socket;
  std::string path;  // unix_socket
  std::string host;  // tcp: an address without brackets
  std::uint16_t port = 0;
};
// Or a sentence that says what is wrong with it.
std::expected<Address, std::string> parse_address(std::string_view uri);

}  // namespace culvert::vici
