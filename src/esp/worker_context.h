// What the two directions of a worker share, and the counts it publishes.
#pragma once

#include <atomic>

#include "esp/database.h"
#include "esp/notices.h"
#include "esp/tun.h"

namespace culvert::esp {

// Packets that went nowhere, by reason. One writer, any reader.
struct DropCounters {
  std::atomic<std::uint64_t> malformed{0};          // inner or outer packet is not what it claims
  std::atomic<std::uint64_t> no_policy{0};          // outbound, nothing in the SPD matches
  std::atomic<std::uint64_t> denied{0};             // outbound, a drop policy
  std::atomic<std::uint64_t> trapped{0};            // outbound, no SA came, or too many waited
  std::atomic<std::uint64_t> no_sa{0};              // outbound SA is gone or used up
  std::atomic<std::uint64_t> too_big{0};            // outbound, answered with ICMP
  std::atomic<std::uint64_t> send_failed{0};        // the kernel refused a train
  std::atomic<std::uint64_t> unknown_spi{0};        // inbound
  std::atomic<std::uint64_t> replayed{0};           // inbound
  std::atomic<std::uint64_t> bad_integrity{0};      // inbound
  std::atomic<std::uint64_t> selector_mismatch{0};  // inbound, RFC 4301, 5.2
  std::atomic<std::uint64_t> ecn{0};                // inbound, RFC 6040, 4.2
  std::atomic<std::uint64_t> tun_refused{0};        // inbound, writing to the device failed
};

struct WorkerContext {
  Database& database;
  NoticeQueue& notices;
  PacketSink& device;
  DropCounters& drops;
};

}  // namespace culvert::esp
