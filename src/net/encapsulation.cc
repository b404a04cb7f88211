// Invariant: walks over extension headers stay within the octets given, whatever these claim.
#include "net/encapsulation.h"

#include <algorithm>

#include "net/checksum.h"

namespace culvert {
namespace {

constexpr std::uint8_t kTtl = 64;
constexpr std::size_t kFragmentHeader = 8;
constexpr std::uint16_t kMoreFragments = 0x2000;

bool is_v4(ByteView packet) { return packet[0] >> 4 == 4; }

// Octets of the extension header at `offset`, or zero when it runs over the end.
std::size_t extension_size(ByteView packet, std::size_t offset) {
  if (packet.size() < offset + 8) return 0;
  const std::size_t size = (packet[offset + 1] + 1u) * 8;
  return packet.size() < offset + size ? 0 : size;
}

// Where the chain that fills all of `headers` keeps its last next-header field.
std::size_t last_next_header(ByteView headers) {
  std::size_t field = 6, offset = ip::kIpv6Header;
  while (const std::size_t size = extension_size(headers, offset)) {
    field = offset;
    offset += size;
  }
  return field;
}

// Where a protocol with a pseudo header keeps its checksum; zero: none of those.
std::size_t checksum_place(std::uint8_t protocol) {
  switch (protocol) {
    case ip::kTcp:
      return 16;
    case ip::kUdp:
      return 6;
    case ip::kIcmpv6:
      return 2;
    default:
      return 0;
  }
}

}  // namespace

std::size_t transport_headers(ByteView packet) {
  if (is_v4(packet)) return (packet[0] & 0x0fu) * 4;
  std::size_t outside = ip::kIpv6Header, offset = ip::kIpv6Header;
  std::uint8_t next = packet[6];
  while (next == ip::kHopByHop || next == ip::kRouting || next == ip::kDestinationOptions) {
    const std::size_t size = extension_size(packet, offset);
    if (size == 0) break;
    const bool options = next == ip::kDestinationOptions;
    next = packet[offset];
    offset += size;
    if (!options) outside = offset;
  }
  return outside;
}

std::uint8_t announced_protocol(ByteView headers) {
  return is_v4(headers) ? headers[9] : headers[last_next_header(headers)];
}

void announce(MutableBytes headers, std::uint8_t protocol, std::size_t payload) {
  if (is_v4(headers)) {
    store_be(headers.data() + 2, static_cast<std::uint16_t>(headers.size() + payload));
    headers[9] = protocol;
    write_ipv4_checksum(headers);
    return;
  }
  store_be(headers.data() + 4,
           static_cast<std::uint16_t>(headers.size() - ip::kIpv6Header + payload));
  headers[last_next_header(headers)] = protocol;
}

std::size_t write_ip_header(const OuterHeader& header, std::size_t payload, std::uint8_t* to) {
  const bool v4 = header.source.is_v4();
  const std::size_t size = v4 ? ip::kIpv4Header : ip::kIpv6Header;
  std::memset(to, 0, size);
  if (v4) {
    to[0] = 0x45;
    to[1] = header.traffic_class;
    store_be(to + 4, header.id);
    to[6] = header.dont_fragment ? 0x40 : 0;
    to[8] = kTtl;
  } else {
    store_be(to, static_cast<std::uint16_t>(0x6000 | header.traffic_class << 4));
    to[7] = kTtl;
  }
  std::ranges::copy(header.source.bytes(), to + (v4 ? 12 : 8));
  std::ranges::copy(header.destination.bytes(), to + (v4 ? 16 : 24));
  announce({to, size}, header.protocol, payload);
  return size;
}

void rewrite_l4_checksum(MutableBytes packet, const IpPacket& parsed) {
  const std::size_t place = checksum_place(parsed.protocol);
  const MutableBytes l4 = packet.first(parsed.length).subspan(parsed.l4_offset);
  if (place == 0 || parsed.fragment != Fragment::none || l4.size() < place + 2) return;
  const bool udp = parsed.protocol == ip::kUdp;
  if (udp && parsed.family() == Family::v4 && load_be<std::uint16_t>(l4.data() + place) == 0)
    return;
  store_checksum(l4.data() + place, 0);
  const std::uint64_t pseudo =
      pseudo_header_sum(parsed.source.bytes(), parsed.destination.bytes(), parsed.protocol,
                        static_cast<std::uint32_t>(l4.size()));
  const std::uint16_t sum = checksum_finish(checksum_add(pseudo, l4));
  store_checksum(l4.data() + place, udp && sum == 0 ? 0xffff : sum);  // RFC 768
}

std::optional<FragmentPlan> plan_fragments(Family family, std::size_t headers, std::size_t length,
                                           std::size_t mtu) {
  const std::size_t repeated = headers + (family == Family::v6 ? kFragmentHeader : 0);
  if (length <= headers || mtu < repeated + 8) return std::nullopt;
  FragmentPlan plan;
  plan.headers = headers;
  plan.chunk = (mtu - repeated) / 8 * 8;
  plan.each = repeated + plan.chunk;
  const std::size_t payload = length - headers;
  plan.total = payload + (payload + plan.chunk - 1) / plan.chunk * repeated;
  return plan;
}

void write_fragments(ByteView packet, const FragmentPlan& plan, std::uint32_t id,
                     std::uint8_t* to) {
  const ByteView headers = packet.first(plan.headers), payload = packet.subspan(plan.headers);
  const bool v4 = is_v4(packet);
  for (std::size_t at = 0; at < payload.size(); at += plan.chunk) {
    const std::size_t size = std::min(plan.chunk, payload.size() - at);
    const bool more = at + size < payload.size();
    std::ranges::copy(headers, to);
    const MutableBytes head(to, headers.size());
    to += headers.size();
    if (v4) {
      const auto field = static_cast<std::uint16_t>(at / 8 | (more ? kMoreFragments : 0));
      store_be(head.data() + 6, field);
      announce(head, head[9], size);
    } else {
      *to = announced_protocol(headers);
      to[1] = 0;
      store_be(to + 2, static_cast<std::uint16_t>(at | (more ? 1 : 0)));
      store_be(to + 4, id);
      to += kFragmentHeader;
      announce(head, ip::kFragment, size + kFragmentHeader);
    }
    std::ranges::copy(payload.subspan(at, size), to);
    to += size;
  }
}

}  // namespace culvert
