// What is said to the kernel's SAD and SPD, as pure functions that append messages to a batch
// (include/uapi/linux/xfrm.h).
#pragma once

#include <tuple>

#include "ipsec/operations.h"
#include "xfrm/batch.h"
#include "xfrm/selectors.h"

namespace culvert::xfrm {

inline constexpr std::uint8_t kIpcomp = 108;  // RFC 3173
// The kernel keeps no owner of SAs and policies; ours are known, also after a crash, by the age at
// which it would delete them: "CULVERT" in seconds, which is never.
inline constexpr std::uint64_t kOwnersAge = 0x43'554c'5645'5254;

// How the kernel names an SA.
struct SaName {
  IpAddress destination;
  std::uint32_t spi = 0;  // of IPComp: the CPI
  std::uint8_t protocol = 50;
  Mark mark;
  auto operator<=>(const SaName& other) const {
    return std::tie(spi, destination, protocol, mark.value, mark.mask) <=>
           std::tie(other.spi, other.destination, other.protocol, other.mark.value,
                    other.mark.mask);
  }
  bool operator==(const SaName& other) const { return (*this <=> other) == 0; }
};
SaName name_of(const InstallSa& sa);
// Of the IPComp SA beneath it.
SaName comp_name_of(const InstallSa& sa);

// `jitter` is 0 to 1: how much of rand_bytes and rand_packets the soft limits come earlier. With a
// CPI the SA becomes two: IPComp in the given mode, and ESP or AH in transport mode around it.
// Errors: unsupported (the kernel has no name for the cipher).
Result<> add_sa(Batch& batch, const InstallSa& sa, double jitter);
void delete_sa(Batch& batch, const SaName& name);
void get_sa(Batch& batch, const SaName& name);
// Asks for all SAs; the answers are many messages.
void dump_sas(Batch& batch);
// How far the replay window may move before the kernel tells of it (XFRM_MSG_NEWAE).
void set_replay_threshold(Batch& batch, const SaName& name, std::uint32_t packets);

// A kernel's answer to get_sa() as a request that adds the same SA with other addresses. Its
// counters and replay state stay; an outbound sequence number leaps, for the packets that leave
// between question and addition. False: `answer` is no SA.
bool add_moved_sa(Batch& batch, ByteView answer, Direction direction, const UpdateSa& to);

enum class PolicyDirection : std::uint8_t { in = 0, out = 1, fwd = 2 };  // the kernel's numbers
struct Template {
  IpAddress source, destination;  // outer; none or of another family: any
  Family family = Family::v4;     // of the outer header
  std::uint32_t spi = 0;          // zero: any
  std::uint8_t protocol = 50;
  Mode mode = Mode::tunnel;
  std::uint32_t reqid = 0;
  bool optional = false;
  bool operator==(const Template&) const = default;
};
// Where a policy stands: the kernel has at most one with the same key.
struct PolicyKey {
  PolicyDirection direction = PolicyDirection::out;
  Selector selector;
  std::uint32_t mark = 0, mark_mask = 0;
  std::uint32_t if_id = 0;
  auto operator<=>(const PolicyKey&) const = default;
};
struct PolicyBody {
  std::uint32_t priority = 0;
  bool block = false;
  std::vector<Template> templates;  // none: allow, or block
  bool operator==(const PolicyBody&) const = default;
};
// Adds it, or replaces the one with the same key.
void put_policy(Batch& batch, const PolicyKey& key, const PolicyBody& body);
void delete_policy(Batch& batch, const PolicyKey& key);
// Asks for all policies; the answers are many messages.
void dump_policies(Batch& batch);

}  // namespace culvert::xfrm
