// A model of the two data planes: the SAD and SPD that a shard's operations make, and what they do
// to inner packets. Keys are compared, not used. The kernel's plane differs from the userspace one
// in what is done without asking: an SA that is used up is deleted, so that it can't move any more.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "ipsec/operations.h"

namespace culvert::sim {

struct InnerPacket {
  std::uint64_t id = 0;
  IpAddress source, destination;
  std::uint8_t protocol = 17;
  std::uint16_t source_port = 0, destination_port = 0;
};

// An ESP packet as it travels: what protects it stands beside what it protects.
struct EspPacket {
  std::uint32_t spi = 0;
  std::uint64_t sequence = 0;
  Bytes keys;  // encryption | integrity
  CipherSpec cipher;
  bool udp_encap = false;
  InnerPacket inner;
};

bool covers(const std::vector<TrafficSelector>& sources,
            const std::vector<TrafficSelector>& destinations, const InnerPacket& packet);
Bytes key_octets(const SaKeys& keys);

// Deliberate mistakes.
struct PlaneFaults {
  bool skip_selector_check = false;  // inbound packets may have any addresses
  bool keep_deleted = false;         // DeleteSa does nothing
  bool clear_at_trap = false;        // a packet that meets a trap leaves in clear
  bool never_acquire = false;        // nobody is told of a packet at a trap
};

enum class PlaneKind : std::uint8_t { userspace, kernel };

class Plane {
 public:
  explicit Plane(PlaneFaults faults, PlaneKind kind = PlaneKind::userspace)
      : faults_(faults), kind_(kind) {}

  Result<> apply(SadOp&& op);
  // Whether one of its SAs was deleted because it is used up, and the shard has not deleted it yet.
  bool is_used_up(SaPairId pair) const;

  enum class Fate : std::uint8_t { clear, trapped, dropped, sent };
  struct Sending {
    Fate fate = Fate::clear;
    Endpoint from, to;
    EspPacket packet;
  };
  Sending send(const InnerPacket& packet, TimePoint now);
  // As a compromised host would: through a given pair, whatever the selectors say.
  Sending send_through(SaPairId pair, const InnerPacket& packet, TimePoint now);
  // The inner packet if everything about it is right, between these outer addresses. In transport
  // mode they are its own, whatever they were before a NAT.
  std::optional<InnerPacket> receive(const EspPacket& packet, const Endpoint& from,
                                     const Endpoint& to, TimePoint now);
  TimePoint last_use(SaPairId pair) const;  // in either direction; min: never
  std::vector<SadNotice> take_notices() { return std::exchange(notices_, {}); }
  // After notices were lost: which SAs have reached a limit, told before or not.
  std::vector<SadNotice> audit() const;

  using SaKey = std::pair<SaPairId, Direction>;
  const std::map<SaKey, InstallSa>& sas() const { return sas_; }
  const std::map<PolicyId, InstallPolicy>& policies() const { return policies_; }
  bool has_inbound(std::uint32_t spi) const { return inbound_.contains(spi); }

 private:
  struct Use {
    std::uint64_t packets = 0;
    std::set<std::uint64_t> seen;
    TimePoint last = TimePoint::min();           // packet
    TimePoint last_activity = TimePoint::min();  // notice
    std::uint64_t soft_packets = 0;              // zero: unlimited
    bool soft_told = false, expired = false;
  };
  Result<> run(InstallSa&& op);
  Result<> run(UpdateSa&& op);
  Result<> run(DeleteSa&& op);
  Result<> run(InstallPolicy&& op);
  Result<> run(UpdatePolicy&& op);
  Result<> run(DeletePolicy&& op);
  const InstallPolicy* lookup(const InnerPacket& packet) const;
  // False when the SA's hard limit is reached.
  bool count(const SaKey& key, TimePoint now);
  void expire(const SaKey& key);
  void tell_of_use(const InstallSa& sa, const EspPacket& packet, const Endpoint& from,
                   TimePoint now);
  void erase(const SaKey& key);

  PlaneFaults faults_;
  PlaneKind kind_;
  std::map<SaKey, InstallSa> sas_;
  std::map<SaKey, Use> use_;
  std::set<SaKey> used_up_;  // the kernel has deleted them
  std::map<std::uint32_t, SaPairId> inbound_;
  std::map<PolicyId, InstallPolicy> policies_;
  std::map<PolicyId, TimePoint> last_acquire_;
  std::vector<SadNotice> notices_;
};

}  // namespace culvert::sim
