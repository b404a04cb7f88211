// The header before each packet of a TUN device with IFF_VNET_HDR (virtio 1.1, 5.1.6), and the
// numbers that Debian 12's kernel headers lack.
#pragma once

#include <cstdint>

namespace culvert::esp {

struct VirtioHeader {
  std::uint8_t flags = 0;
  std::uint8_t gso_type = 0;
  std::uint16_t header_length = 0;  // host order in all fields
  std::uint16_t gso_size = 0;
  std::uint16_t checksum_start = 0;
  std::uint16_t checksum_offset = 0;
};
static_assert(sizeof(VirtioHeader) == 10);

namespace virtio {
inline constexpr std::uint8_t kNeedsChecksum = 1;
inline constexpr std::uint8_t kGsoNone = 0, kGsoTcp4 = 1, kGsoTcp6 = 4, kGsoUdp = 5, kGsoEcn = 0x80;
// TUNSETOFFLOAD
inline constexpr unsigned kOffloadChecksum = 0x01, kOffloadTso4 = 0x02, kOffloadTso6 = 0x04,
                          kOffloadTsoEcn = 0x08, kOffloadUso = 0x20 | 0x40;
}  // namespace virtio

}  // namespace culvert::esp
