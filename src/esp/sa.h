// Security associations as a worker holds them, and the counters it publishes.
#pragma once

#include <atomic>
#include <memory>

#include "esp/selectors.h"
#include "esp/transform.h"

namespace culvert::esp {

// One writer (the SA's worker), any reader: relaxed stores once per batch.
struct PublishedCounters {
  std::atomic<std::uint64_t> bytes{0}, packets{0};
  std::atomic<std::int64_t> last_used{TimePoint::min().time_since_epoch().count()};
};
struct PairStatistics {
  PublishedCounters in, out;
  std::atomic<std::uint64_t> replayed{0}, integrity_failed{0}, selector_mismatch{0};
};

// For a counter with one writer: no locked instruction.
inline void add_relaxed(std::atomic<std::uint64_t>& counter, std::uint64_t amount = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

// What an SA has carried, and what it may.
class Usage {
 public:
  // `jitter` in [0, 1) brings the soft limits forward by that share of rand_bytes and rand_packets.
  Usage(const Lifetime& lifetime, double jitter)
      : soft_bytes_(soft(lifetime.rekey_bytes, lifetime.rand_bytes, jitter)),
        soft_packets_(soft(lifetime.rekey_packets, lifetime.rand_packets, jitter)),
        hard_bytes_(lifetime.life_bytes),
        hard_packets_(lifetime.life_packets) {}

  void count(std::uint64_t bytes) {
    bytes_ += bytes;
    ++packets_;
  }
  // RFC 4301, 4.4.2.1: the SA is dead once a hard limit is reached.
  bool exhausted() const {
    return (hard_bytes_ != 0 && bytes_ >= hard_bytes_) ||
           (hard_packets_ != 0 && packets_ >= hard_packets_);
  }
  // Each is true once: the moment to tell of it.
  bool take_soft() {
    const bool reached = (soft_bytes_ != 0 && bytes_ >= soft_bytes_) ||
                         (soft_packets_ != 0 && packets_ >= soft_packets_);
    return reached && !std::exchange(soft_told_, true);
  }
  bool take_hard() { return exhausted() && !std::exchange(hard_told_, true); }
  // For an outbound SA without sequence numbers left.
  bool take_end() { return !std::exchange(hard_told_, true); }

  void publish(PublishedCounters& to, TimePoint now) const {
    to.bytes.store(bytes_, std::memory_order_relaxed);
    to.packets.store(packets_, std::memory_order_relaxed);
    to.last_used.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  }

 private:
  static std::uint64_t soft(std::uint64_t limit, std::uint64_t random, double jitter) {
    const auto early = static_cast<std::uint64_t>(static_cast<double>(random) * jitter);
    return limit > early ? limit - early : limit;
  }
  std::uint64_t soft_bytes_, soft_packets_, hard_bytes_, hard_packets_;
  std::uint64_t bytes_ = 0, packets_ = 0;
  bool soft_told_ = false, hard_told_ = false;
};

struct InboundSa {
  SaPairId pair;
  std::uint32_t spi;
  IpsecProtocol protocol;
  Mode mode;
  Opener opener;
  SelectorSet local_ts, remote_ts;
  Endpoint remote;  // where the peer is known to send from
  bool udp_encap;
  Usage usage;
  std::shared_ptr<PairStatistics> statistics;
  std::uint16_t cpi;  // zero: no IPComp
  bool copy_ecn;
  CopyDscp copy_dscp;
  TimePoint next_activity = TimePoint::min();
  TimePoint next_mapping = TimePoint::min();  // when a MappingChange may be told again
};

struct OutboundSa {
  SaPairId pair;
  IpsecProtocol protocol;
  Mode mode;
  Sealer sealer;
  Endpoint local, remote;
  bool udp_encap;
  Usage usage;
  std::shared_ptr<PairStatistics> statistics;
  std::uint16_t cpi;  // zero: no IPComp
  std::uint32_t tfc_padding;
  bool copy_df, copy_ecn;
  CopyDscp copy_dscp;
  unsigned outer_mtu = 0;
  std::size_t inner_limit = 0;  // the largest inner packet that needs no outer fragment
  bool sent_lately = false;     // since the last look at the path's MTU

  std::size_t ip_header() const {
    return remote.address.is_v4() ? ip::kIpv4Header : ip::kIpv6Header;
  }
  std::size_t outer_headers() const { return ip_header() + (udp_encap ? ip::kUdpHeader : 0); }
  // AH covers the IP header, and transport mode keeps the packet's own: then we write it. UDP
  // encapsulation leaves it to the kernel, for the sake of its segmentation offload.
  bool writes_ip_header() const {
    return protocol == IpsecProtocol::ah || (mode == Mode::transport && !udp_encap);
  }
  void set_outer_mtu(unsigned mtu) {
    outer_mtu = mtu;
    const std::size_t headers = outer_headers();
    inner_limit = mtu > headers ? sealer.payload_limit(mtu - headers) : 0;
    if (mode == Mode::transport && inner_limit != 0) inner_limit += ip_header();
  }
  // Octets that the payload of an inner packet is padded to (RFC 4303, 2.7): only the inner IP
  // header tells where padding starts, and only ESP has a place for it.
  std::size_t padded(std::size_t payload) const {
    if (tfc_padding == 0 || mode != Mode::tunnel || protocol != IpsecProtocol::esp) return payload;
    return std::max(payload, std::min<std::size_t>(tfc_padding, inner_limit));
  }
};

}  // namespace culvert::esp
