// What the kernel says, checked and turned into values. A message that is not what it claims to be
// is nullopt; nothing here trusts a length.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "xfrm/messages.h"

namespace culvert::xfrm {

// The answer to a request.
struct Ack {
  std::uint32_t sequence = 0;
  int error = 0;     // errno; zero: done
  std::string text;  // the kernel's own words, often none
};
std::optional<Ack> parse_ack(ByteView message);

// Of one SA, from an answer to get_sa() or dump_sas().
struct SaState {
  SaName name;
  std::uint64_t bytes = 0, packets = 0;
  std::uint64_t last_used = 0;  // seconds since 1970; zero: unknown
  std::uint32_t replayed = 0, integrity_failed = 0;
  std::uint64_t soft_bytes = 0, soft_packets = 0;  // limits
  bool ours = false;                               // made by a culvertd
};
std::optional<SaState> parse_sa(ByteView message);

// Of one policy, from an answer to dump_policies(). nullopt also for those of sockets.
struct PolicyState {
  PolicyKey key;
  bool ours = false;
};
std::optional<PolicyState> parse_policy(ByteView message);

// A packet met a policy without an SA. `key` is the policy's.
struct AcquireEvent {
  PolicyKey key;
  TrafficSelector local, remote;  // the packet's
};
struct ExpireEvent {
  SaName name;
  bool hard = false;
};
struct MappingEvent {
  SaName name;
  Endpoint remote;
};
struct ReplayEvent {  // packets have come in
  SaName name;
};
using Event = std::variant<AcquireEvent, ExpireEvent, MappingEvent, ReplayEvent>;
// nullopt also for what is of no interest.
std::optional<Event> parse_event(ByteView message);

}  // namespace culvert::xfrm
