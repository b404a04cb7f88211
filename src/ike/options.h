// Settings of the protocol machines that are not a connection's.
#pragma once

#include "base/limits.h"
#include "base/time.h"

namespace culvert {

// Retransmission n (from 0) follows after timeout * base^n, shortened by up to `jitter` of itself;
// after `tries` of them without an answer the exchange has failed. strongSwan's defaults.
struct RetransmitPolicy {
  Duration timeout = std::chrono::seconds(4);
  double base = 1.8;
  std::uint32_t tries = 5;
  double jitter = 0.1;
  Duration limit = std::chrono::seconds(60);
};

struct IkeOptions {
  std::uint8_t index = 0;  // of the shard; in the top bits of every SPI of ours
  std::uint16_t ike_port = 500;
  std::uint16_t nat_t_port = 4500;
  bool prefer_udp_encap = false;  // the data plane is faster with it
  RetransmitPolicy retransmit;
  // RFC 3948, 4: after so long without a packet of ours through the NAT; zero: never.
  Duration nat_keepalive = std::chrono::seconds(20);
  std::size_t max_half_open = limits::kMaxHalfOpen;
  std::size_t cookie_threshold = limits::kCookieThreshold;
  std::size_t max_half_open_per_address = limits::kMaxHalfOpenPerAddress;
  Duration half_open_lifetime = limits::kHalfOpenLifetime;
  std::size_t fragment_size = limits::kFragmentSize;  // of the IP packet that a fragment makes
  bool check_pfs = false;         // rekeys the first CHILD SA at once: a PFS mismatch shows then
  bool verbose_messages = false;  // MessageSent and MessageReceived events (the ladder)
};

}  // namespace culvert
