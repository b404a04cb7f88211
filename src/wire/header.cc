// The IKE header's reading and writing.
#include "wire/header.h"

namespace culvert::wire {
namespace {

// RFC 7296, 3.1: |X|X|R|V|I|X|X|X|, the X bits ignored.
constexpr std::uint8_t kResponseFlag = 0x20;
constexpr std::uint8_t kVersionFlag = 0x10;
constexpr std::uint8_t kInitiatorFlag = 0x08;

void set_flags(Header& header, std::uint8_t flags) {
  if (header.major != 2) {
    header.raw_flags = flags;
    return;
  }
  header.response = flags & kResponseFlag;
  header.higher_version = flags & kVersionFlag;
  header.initiator = flags & kInitiatorFlag;
}

std::uint8_t flags_of(const Header& header) {
  if (header.major != 2) return header.raw_flags;
  return static_cast<std::uint8_t>((header.response ? kResponseFlag : 0) |
                                   (header.higher_version ? kVersionFlag : 0) |
                                   (header.initiator ? kInitiatorFlag : 0));
}

}  // namespace

Result<Header> peek_header(ByteView datagram) {
  Reader reader(datagram);
  Header header;
  header.spi_i = TRY(reader.u64());
  header.spi_r = TRY(reader.u64());
  header.next_payload = PayloadType{TRY(reader.u8())};
  const std::uint8_t version = TRY(reader.u8());
  header.major = version >> 4;
  header.minor = version & 0x0f;
  header.exchange = ExchangeType{TRY(reader.u8())};
  set_flags(header, TRY(reader.u8()));
  header.message_id = TRY(reader.u32());
  header.length = TRY(reader.u32());
  return header;
}

Result<Header> decode_header(ByteView datagram) {
  constexpr std::uint32_t kVersionAt = 17, kLengthAt = 24;
  const Header header = TRY(peek_header(datagram));
  if (header.major != 1 && header.major != 2) {
    const auto notify = header.major > 2 ? NotifyType::invalid_major_version : NotifyType{};
    return fail(Fault::peer_misbehaved, Reason::unsupported_version,
                static_cast<std::uint16_t>(notify), kVersionAt);
  }
  if (header.length != datagram.size())
    return fail(Fault::peer_misbehaved, Reason::bad_length, 0, kLengthAt);
  // RFC 7296, 3.1; the exception is in 1.5.
  const bool may_be_zero = header.exchange == ExchangeType::informational;
  if (header.spi_i == 0 && !may_be_zero) return fail(Fault::peer_misbehaved, Reason::bad_value);
  return header;
}

void encode_header(const Header& header, Writer& writer) {
  writer.u64(header.spi_i);
  writer.u64(header.spi_r);
  writer.u8(static_cast<std::uint8_t>(header.next_payload));
  writer.u8(static_cast<std::uint8_t>(header.major << 4 | (header.minor & 0x0f)));
  writer.u8(static_cast<std::uint8_t>(header.exchange));
  writer.u8(flags_of(header));
  writer.u32(header.message_id);
  writer.u32(header.length);
}

}  // namespace culvert::wire
