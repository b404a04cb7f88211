// The Internet checksum (RFC 1071), and copying that sums on the way.
// Sums are of 16-bit words as they lie in memory, so that no octet is swapped: a folded sum is
// stored with memcpy and needs no byte order.
#pragma once

#include "net/address.h"

namespace culvert {

// `sum` plus the words of `bytes`; an odd last octet counts as if a zero followed. The sum of parts
// is the sum of the whole when every part but the last has even length.
std::uint64_t checksum_add(std::uint64_t sum, ByteView bytes);
// Copies `from` to `to` (which must not overlap it) and returns checksum_add(sum, from).
std::uint64_t checksum_copy(std::uint64_t sum, std::uint8_t* to, ByteView from);
// The words of a pseudo header (RFC 793, 3.1; RFC 8200, 8.1). `length` covers header and payload.
std::uint64_t pseudo_header_sum(ByteView source, ByteView destination, std::uint8_t protocol,
                                std::uint32_t length);

// One's complement fold to 16 bits, not inverted: what NEEDS_CSUM of a virtio header starts from.
std::uint16_t checksum_fold(std::uint64_t sum);
// The value of a checksum field; verify a message by summing it whole: the result is then zero.
inline std::uint16_t checksum_finish(std::uint64_t sum) {
  return static_cast<std::uint16_t>(~checksum_fold(sum));
}
inline void store_checksum(std::uint8_t* at, std::uint16_t value) {
  std::memcpy(at, &value, sizeof value);
}
// RFC 1624: a checksum field after a 16-bit word at an even offset changed. Values as in memory.
void update_checksum(std::uint8_t* field, std::uint16_t before, std::uint16_t after);

}  // namespace culvert
