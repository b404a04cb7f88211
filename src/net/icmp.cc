// Builds ICMP errors. Invariant: no error is made about an error, so two gateways can't play
// ping-pong.
#include "net/icmp.h"

#include <algorithm>

#include "net/checksum.h"

namespace culvert {
namespace {

constexpr std::uint8_t kTtl = 64;
constexpr std::size_t kIcmpHeader = 8;
// RFC 1812, 4.3.2.3: as much as fits 576 octets; RFC 4443, 3.2: the minimum MTU.
constexpr std::size_t kMaxV4Error = 576, kMaxV6Error = 1'280;

bool is_multicast(const IpAddress& address) {
  return address.is_v4()
             ? (address.raw()[0] & 0xf0) == 0xe0 || address == IpAddress::max(Family::v4)
             : address.raw()[0] == 0xff;
}

bool is_icmp_error(ByteView offending, const IpPacket& packet) {
  if (packet.length <= packet.l4_offset) return false;
  const std::uint8_t type = offending[packet.l4_offset];
  if (packet.protocol == ip::kIcmp) return type != 0 && type != 8 && type != 13 && type != 14;
  return packet.protocol == ip::kIcmpv6 && type < 128;
}

void write_v4(Bytes& out, IcmpError error, const IpPacket& packet, std::uint16_t mtu) {
  std::uint8_t* at = out.data();
  at[0] = 0x45;
  at[1] = 0xc0;  // RFC 1812, 4.3.2.5: internetwork control
  store_be(at + 2, static_cast<std::uint16_t>(out.size()));
  at[8] = kTtl;
  at[9] = ip::kIcmp;
  std::ranges::copy(packet.destination.bytes(), at + 12);
  std::ranges::copy(packet.source.bytes(), at + 16);
  write_ipv4_checksum(MutableBytes(out).first(ip::kIpv4Header));
  std::uint8_t* icmp = at + ip::kIpv4Header;
  icmp[0] = 3;
  icmp[1] = error == IcmpError::too_big ? 4 : 13;
  if (error == IcmpError::too_big) store_be(icmp + 6, mtu);  // RFC 1191, 4
  store_checksum(icmp + 2,
                 checksum_finish(checksum_add(0, ByteView(out).subspan(ip::kIpv4Header))));
}

void write_v6(Bytes& out, IcmpError error, const IpPacket& packet, std::uint16_t mtu) {
  std::uint8_t* at = out.data();
  at[0] = 0x60;
  const auto length = static_cast<std::uint16_t>(out.size() - ip::kIpv6Header);
  store_be(at + 4, length);
  at[6] = ip::kIcmpv6;
  at[7] = kTtl;
  std::ranges::copy(packet.destination.bytes(), at + 8);
  std::ranges::copy(packet.source.bytes(), at + 24);
  std::uint8_t* icmp = at + ip::kIpv6Header;
  icmp[0] = error == IcmpError::too_big ? 2 : 1;
  icmp[1] = error == IcmpError::too_big ? 0 : 1;
  if (error == IcmpError::too_big) store_be(icmp + 4, std::uint32_t{mtu});
  const std::uint64_t pseudo =
      pseudo_header_sum(packet.destination.bytes(), packet.source.bytes(), ip::kIcmpv6, length);
  store_checksum(icmp + 2,
                 checksum_finish(checksum_add(pseudo, ByteView(out).subspan(ip::kIpv6Header))));
}

}  // namespace

Bytes make_icmp_error(IcmpError error, ByteView offending, const IpPacket& packet,
                      std::uint16_t mtu) {
  // RFC 4443, 2.4(e.3): Packet Too Big alone may answer a packet to a multicast address.
  const bool multicast_ok = error == IcmpError::too_big && packet.family() == Family::v6;
  if (packet.fragment == Fragment::later || is_icmp_error(offending, packet) ||
      packet.source.is_unspecified() || is_multicast(packet.source) ||
      (is_multicast(packet.destination) && !multicast_ok))
    return {};
  const bool v4 = packet.family() == Family::v4;
  const std::size_t headers = (v4 ? ip::kIpv4Header : ip::kIpv6Header) + kIcmpHeader;
  const std::size_t quoted =
      std::min<std::size_t>(packet.length, (v4 ? kMaxV4Error : kMaxV6Error) - headers);
  Bytes out(headers + quoted);
  std::copy_n(offending.begin(), quoted, out.begin() + static_cast<std::ptrdiff_t>(headers));
  if (v4)
    write_v4(out, error, packet, mtu);
  else
    write_v6(out, error, packet, mtu);
  return out;
}

}  // namespace culvert
