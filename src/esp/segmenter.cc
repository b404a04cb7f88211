// TCP and UDP segmentation in software (RFC 9293, 3.7; the rules are those of Linux's offloads:
// flags that end something go on the last segment, CWR on the first).
// Invariant: all offsets are checked against the packet once, in make().
#include "esp/segmenter.h"

#include <algorithm>

#include "net/checksum.h"

namespace culvert::esp {
namespace {

constexpr std::size_t kTcpSequence = 4, kTcpOffset = 12, kTcpFlags = 13, kTcpChecksum = 16,
                      kUdpLength = 4, kUdpChecksum = 6;

std::unexpected<Error> bad(Reason reason) { return fail(Fault::peer_misbehaved, reason); }

// Where segmentation may happen: an unfragmented packet whose upper layer is what the type says.
bool fits(std::uint8_t gso_type, const IpPacket& packet) {
  if (packet.fragment != Fragment::none) return false;
  switch (gso_type) {
    case virtio::kGsoTcp4:
      return packet.family() == Family::v4 && packet.protocol == ip::kTcp;
    case virtio::kGsoTcp6:
      return packet.family() == Family::v6 && packet.protocol == ip::kTcp;
    case virtio::kGsoUdp:
      return packet.protocol == ip::kUdp;
    default:
      return false;
  }
}

}  // namespace

Result<Segmenter> Segmenter::make(const VirtioHeader& header, ByteView packet,
                                  const IpPacket& parsed) {
  Segmenter segmenter(packet, parsed);
  const auto gso_type = static_cast<std::uint8_t>(header.gso_type & ~virtio::kGsoEcn);
  if (gso_type != virtio::kGsoNone) {
    if (!fits(gso_type, parsed) || header.gso_size == 0) return bad(Reason::bad_value);
    CHECK_OK(segmenter.prepare_gso(header));
    return segmenter;
  }
  if ((header.flags & virtio::kNeedsChecksum) != 0) {
    const std::size_t field = std::size_t{header.checksum_start} + header.checksum_offset;
    if (header.checksum_start < ip::kIpv4Header || field + 2 > packet.size())
      return bad(Reason::bad_length);
    segmenter.checksum_start_ = header.checksum_start;
    segmenter.checksum_offset_ = field;
  }
  return segmenter;
}

Result<> Segmenter::prepare_gso(const VirtioHeader& header) {
  const std::size_t l4 = parsed_->l4_offset;
  const bool tcp = parsed_->protocol == ip::kTcp;
  std::size_t l4_header = ip::kUdpHeader;
  if (tcp) {
    if (packet_.size() < l4 + ip::kTcpHeader) return bad(Reason::bad_length);
    l4_header = (packet_[l4 + kTcpOffset] >> 4) * 4u;
    if (l4_header < ip::kTcpHeader) return bad(Reason::bad_length);
  }
  headers_ = l4 + l4_header;
  if (packet_.size() <= headers_) return bad(Reason::bad_length);
  chunk_ = header.gso_size;
  count_ = (packet_.size() - headers_ + chunk_ - 1) / chunk_;
  checksum_start_ = l4;
  checksum_offset_ = l4 + (tcp ? kTcpChecksum : kUdpChecksum);
  return {};
}

std::size_t Segmenter::size(std::size_t index) const {
  if (headers_ == 0) return packet_.size();
  return headers_ + std::min(chunk_, packet_.size() - headers_ - index * chunk_);
}

void Segmenter::write_apart(std::size_t index, std::uint8_t* head, std::uint8_t* tail,
                            std::size_t split) const {
  if (headers_ == 0) return write_whole(head, tail, split);
  const std::size_t total = size(index), l4_offset = parsed_->l4_offset;
  const bool tcp = parsed_->protocol == ip::kTcp;
  std::memcpy(head, packet_.data(), split);
  std::memcpy(tail, packet_.data() + split, headers_ - split);
  fix_ip(index, split == 0 ? tail : head, total);
  std::uint8_t* l4 = tail + (l4_offset - split);
  if (tcp)
    fix_tcp(index, l4);
  else
    store_be(l4 + kUdpLength, static_cast<std::uint16_t>(total - l4_offset));
  std::uint8_t* field = tail + (checksum_offset_ - split);
  store_checksum(field, 0);
  std::uint64_t sum =
      pseudo_header_sum(parsed_->source.bytes(), parsed_->destination.bytes(), parsed_->protocol,
                        static_cast<std::uint32_t>(total - l4_offset));
  sum = checksum_add(sum, {l4, headers_ - l4_offset});
  sum = checksum_copy(sum, tail + (headers_ - split),
                      packet_.subspan(headers_ + index * chunk_, total - headers_));
  std::uint16_t checksum = checksum_finish(sum);
  if (!tcp && checksum == 0) checksum = 0xffff;  // RFC 768: zero means none
  store_checksum(field, checksum);
}

void Segmenter::write_whole(std::uint8_t* head, std::uint8_t* tail, std::size_t split) const {
  std::memcpy(head, packet_.data(), split);
  if (checksum_offset_ == 0) {
    std::memcpy(tail, packet_.data() + split, packet_.size() - split);
    return;
  }
  // The field holds the pseudo header's sum, so that summing from checksum_start completes it.
  std::memcpy(tail, packet_.data() + split, checksum_start_ - split);
  const std::uint64_t sum =
      checksum_copy(0, tail + (checksum_start_ - split), packet_.subspan(checksum_start_));
  std::uint16_t checksum = checksum_finish(sum);
  if (checksum == 0 && parsed_->protocol == ip::kUdp) checksum = 0xffff;
  store_checksum(tail + (checksum_offset_ - split), checksum);
}

void Segmenter::fix_ip(std::size_t index, std::uint8_t* to, std::size_t size) const {
  if (parsed_->family() == Family::v6) {
    store_be(to + 4, static_cast<std::uint16_t>(size - ip::kIpv6Header));
    return;
  }
  store_be(to + 2, static_cast<std::uint16_t>(size));
  const auto id = static_cast<std::uint16_t>(load_be<std::uint16_t>(to + 4) + index);
  store_be(to + 4, id);
  write_ipv4_checksum({to, (to[0] & 0x0fu) * 4});
}

void Segmenter::fix_tcp(std::size_t index, std::uint8_t* tcp) const {
  const auto sequence = load_be<std::uint32_t>(tcp + kTcpSequence);
  store_be(tcp + kTcpSequence, static_cast<std::uint32_t>(sequence + index * chunk_));
  if (index + 1 != count_) tcp[kTcpFlags] &= static_cast<std::uint8_t>(~(ip::kFin | ip::kPsh));
  if (index != 0) tcp[kTcpFlags] &= static_cast<std::uint8_t>(~ip::kCwr);
}

}  // namespace culvert::esp
