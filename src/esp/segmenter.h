// Cuts a super-packet that the TUN device hands out (TSO, USO, or one packet without checksum) into
// the packets that would have been on the wire.
#pragma once

#include "esp/virtio.h"
#include "net/ip.h"

namespace culvert::esp {

class Segmenter {
 public:
  // `packet` was parsed into `parsed`, without octets behind it. Errors: the header contradicts the
  // packet (bad_length, bad_value). The views must outlive the segmenter.
  static Result<Segmenter> make(const VirtioHeader& header, ByteView packet,
                                const IpPacket& parsed);

  std::size_t count() const { return count_; }
  std::size_t size(std::size_t index) const;  // octets of segment `index`
  std::size_t largest() const { return size(0); }
  // Writes segment `index` with its own lengths, sequence number, flags and checksums.
  void write(std::size_t index, std::uint8_t* to) const { write_apart(index, to, to, 0); }
  // The same in two places: the first `split` octets, which end within the IP headers, to `head`,
  // the rest to `tail`. Whoever splits has asked splits_at() first.
  void write_apart(std::size_t index, std::uint8_t* head, std::uint8_t* tail,
                   std::size_t split) const;
  // Whether all that write_apart() computes beyond the IP header lies behind `split`.
  bool splits_at(std::size_t split) const {
    return split <= parsed_->l4_offset && (checksum_offset_ == 0 || checksum_start_ >= split);
  }

 private:
  Segmenter(ByteView packet, const IpPacket& parsed) : packet_(packet), parsed_(&parsed) {}

  Result<> prepare_gso(const VirtioHeader& header);
  void write_whole(std::uint8_t* head, std::uint8_t* tail, std::size_t split) const;
  void fix_ip(std::size_t index, std::uint8_t* to, std::size_t size) const;
  void fix_tcp(std::size_t index, std::uint8_t* tcp) const;

  ByteView packet_;
  const IpPacket* parsed_;
  std::size_t count_ = 1;
  std::size_t headers_ = 0;          // octets that each segment repeats; 0: not segmented
  std::size_t chunk_ = 0;            // payload octets of each segment but the last
  std::size_t checksum_offset_ = 0;  // within the packet; 0: the checksum is complete already
  std::size_t checksum_start_ = 0;
};

}  // namespace culvert::esp
