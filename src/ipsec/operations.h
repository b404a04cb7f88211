// What a data plane must offer, and what it tells us: values, so that the simulator, the userspace
// plane and the kernel's take the same orders. RFC 4301, 4.4.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/secret.h"
#include "base/strong_id.h"
#include "base/time.h"
#include "crypto/ikev2_keys.h"
#include "policy/connection.h"
#include "policy/traffic_selector.h"

namespace culvert {

enum class IpsecProtocol : std::uint8_t { ah = 51, esp = 50 };
enum class Direction : std::uint8_t { in, out };

// Names an SA in a data plane. Inbound SPIs are ours and unique; outbound ones are the peer's
// choice and unique only together with its address, so the daemon's own number stands for the pair.
struct SaPairTag;
using SaPairId = StrongId<SaPairTag, std::uint64_t>;
struct PolicyTag;
using PolicyId = StrongId<PolicyTag, std::uint64_t>;

struct SaKeys {
  Key encryption;  // salt included
  Key integrity;
};

// Adds one direction of an SA pair. The inbound one is installed before the message that announces
// it leaves; the outbound one starts to be used when it is installed (RFC 7296, 2.8).
struct InstallSa {
  SaPairId pair;
  Direction direction = Direction::in;
  IpsecProtocol protocol = IpsecProtocol::esp;
  Mode mode = Mode::tunnel;
  std::uint32_t spi = 0;
  CipherSpec cipher;
  bool esn = false;
  SaKeys keys;
  Endpoint local, remote;  // ports matter with udp_encap
  bool udp_encap = false;
  std::uint32_t replay_window = 4'096;               // packets; inbound
  std::vector<TrafficSelector> local_ts, remote_ts;  // inbound: checked against the inner packet
  Lifetime lifetime;  // the byte and packet limits; time limits are the shard's
  std::uint32_t reqid = 0;
  std::uint16_t cpi = 0;          // IPComp with DEFLATE (RFC 3173) under this CPI; zero: none
  std::uint32_t tfc_padding = 0;  // outbound: as in ChildConfig
  bool copy_df = true, copy_ecn = true;
  CopyDscp copy_dscp = CopyDscp::out;
  Mark mark, set_mark;
  std::uint32_t if_id = 0;
};

struct UpdateSa {  // the peer's mapping or an address changed
  SaPairId pair;
  Endpoint local, remote;
  bool udp_encap = false;
};

struct DeleteSa {
  SaPairId pair;
  Direction direction = Direction::in;
};

// Sends matching packets to `pair`; with no pair it is a trap: the packet is dropped, never sent in
// clear, and an Acquire notice tells of it. Narrower selectors win, then lower `priority`.
struct InstallPolicy {
  PolicyId policy;
  SaPairId pair;  // zero: trap
  std::vector<TrafficSelector> local_ts, remote_ts;
  Mode mode = Mode::tunnel;  // pass and drop make shunts
  std::uint32_t priority = 0;
  Endpoint local, remote;  // outer addresses, for route source hints; unspecified for traps
  IpsecProtocol protocol = IpsecProtocol::esp;
  bool ipcomp = false;
  std::uint32_t reqid = 0;  // of the pair; of a trap: the one that its SAs will have
  Mark mark_in, mark_out;
  std::uint32_t if_id_in = 0, if_id_out = 0;
  std::string interface;  // empty: any
};

// Points an installed policy at another pair (rekey) or back at the trap (zero).
struct UpdatePolicy {
  PolicyId policy;
  SaPairId pair;
};

struct DeletePolicy {
  PolicyId policy;
};

using SadOp =
    std::variant<InstallSa, UpdateSa, DeleteSa, InstallPolicy, UpdatePolicy, DeletePolicy>;

// Counters of one direction.
struct SaCounters {
  std::uint64_t bytes = 0;  // inner packets' octets
  std::uint64_t packets = 0;
  TimePoint last_used = TimePoint::min();  // min: never
};
struct SaPairCounters {
  SaCounters in, out;
  std::uint64_t replayed = 0, integrity_failed = 0, selector_mismatch = 0;
};

// What comes back from a data plane.
struct Acquire {  // a packet met a trap; at most one notice per policy per second
  PolicyId policy;
  TrafficSelector local, remote;  // the packet's own addresses, protocol and ports
};
struct Expire {  // a byte or packet limit was reached
  SaPairId pair;
  Direction direction = Direction::in;
  bool hard = false;
};
struct MappingChange {  // authenticated packets arrive from another UDP source
  SaPairId pair;
  Endpoint remote;
};
struct Activity {  // authenticated inbound traffic since the last such notice; spares liveness
                   // checks
  SaPairId pair;
};
struct Sent {  // the answer to a Keepalive that was not needed: the SA's latest packet left then
  SaPairId pair;
  TimePoint at;
};
using SadNotice = std::variant<Acquire, Expire, MappingChange, Activity, Sent>;

// A data plane did not carry out an operation.
struct SadRefusal {
  SaPairId pair;    // that it was about; zero: none
  PolicyId policy;  // likewise
  std::string why;  // a sentence that says what, why, and what to change
};

}  // namespace culvert
