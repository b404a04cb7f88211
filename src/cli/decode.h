// `culvert decode`: what an IKE message holds, as far as it can be read without keys.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace culvert::cli {

// The octets of "c0 ff:ee", white space and colons ignored, a leading "0x" too. nullopt when there
// is anything else, an odd digit, or nothing.
std::optional<Bytes> parse_hex(std::string_view text);

struct DecodedPayload {
  std::string name;                  // "SA", "N(COOKIE)", or the number
  std::vector<std::string> details;  // one line each
};
struct DecodedMessage {
  std::vector<std::string> header;  // one line each
  std::vector<DecodedPayload> payloads;
  std::string error;  // why the payloads could not be read; empty when they could
};
// Fails when there is not even an IKE header. A non-ESP marker in front (RFC 3948, 2.2) is skipped.
std::expected<DecodedMessage, std::string> decode(ByteView octets);
std::string decoded_text(const DecodedMessage& message);

}  // namespace culvert::cli
