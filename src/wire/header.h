// The IKE header: RFC 7296, 3.1, and IKEv1's (RFC 2408, 3.1), which has the same shape.
#pragma once

#include "base/bytes.h"
#include "wire/registry.h"

namespace culvert::wire {

inline constexpr std::size_t kHeaderSize = 28;
inline constexpr std::size_t kGenericHeaderSize = 4;  // of every payload: RFC 7296, 3.2

struct Header {
  std::uint64_t spi_i = 0;
  std::uint64_t spi_r = 0;
  PayloadType next_payload = PayloadType::none;
  std::uint8_t major = 2;
  std::uint8_t minor = 0;
  ExchangeType exchange = ExchangeType::none;
  // IKEv2 only; false when major is not 2.
  bool initiator = false;       // sent by the original initiator of the IKE SA
  bool response = false;        // answers the request with this Message ID
  bool higher_version = false;  // sender speaks a higher major version; ignored by us
  // The Flags octet when major is not 2 (in IKEv1: 1 encryption, 2 commit, 4 authentication only);
  // 0 in IKEv2, where the three fields above say it all.
  std::uint8_t raw_flags = 0;
  std::uint32_t message_id = 0;
  std::uint32_t length = 0;  // octets of the whole message; the message encoder fills it in

  bool operator==(const Header&) const = default;
};

// The header of whatever this is, without judging version or length: what the caller needs to
// answer a message that decode_header() refuses. Fails with truncated below 28 octets.
Result<Header> peek_header(ByteView datagram);

// The header of an IKEv1 or IKEv2 message that fills the datagram exactly.
// Errors: truncated; unsupported_version (with INVALID_MAJOR_VERSION above 2, RFC 7296, 2.5);
// bad_length when Length is not the datagram's size; bad_value when the initiator's SPI is zero,
// save in an INFORMATIONAL message (RFC 7296, 1.5: INVALID_SPI from nowhere).
Result<Header> decode_header(ByteView datagram);

// Writes 28 octets; header.length goes out as it is.
void encode_header(const Header& header, Writer& writer);

}  // namespace culvert::wire
