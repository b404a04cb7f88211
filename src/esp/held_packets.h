// The first packets of flows that wait for an SA: kept while it is negotiated, so that none is lost
// by the negotiation. Bounded in packets, octets and age.
#pragma once

#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "esp/virtio.h"
#include "ipsec/operations.h"

namespace culvert::esp {

struct HeldPacket {
  VirtioHeader header;
  Bytes octets;
};

class HeldPackets {
 public:
  static constexpr std::size_t kPacketsPerPolicy = 16, kOctetsPerPolicy = 256 * 1'024;
  static constexpr std::size_t kPackets = 1'024, kOctets = 8 * 1'024 * 1'024;
  static constexpr Duration kLifetime = std::chrono::seconds(30);

  // False when there is no room: the earlier packets of a flow are worth more than the later.
  bool hold(PolicyId policy, const VirtioHeader& header, ByteView octets, TimePoint now) {
    Group& group = groups_[policy];
    if (group.packets.empty()) group.since = now;
    const bool room = group.packets.size() < kPacketsPerPolicy &&
                      group.octets + octets.size() <= kOctetsPerPolicy && packets_ < kPackets &&
                      octets_ + octets.size() <= kOctets;
    if (room) {
      group.packets.push_back({header, to_bytes(octets)});
      group.octets += octets.size();
      ++packets_;
      octets_ += octets.size();
    } else if (group.packets.empty()) {
      groups_.erase(policy);
    }
    return room;
  }
  // Takes out, in their order, the packets of every policy whose first packet `ready` says yes to.
  template <class Ready>
  std::vector<HeldPacket> take(Ready ready) {
    std::vector<HeldPacket> taken;
    for (auto group = groups_.begin(); group != groups_.end();) {
      if (!ready(group->first, group->second.packets.front())) {
        ++group;
        continue;
      }
      for (HeldPacket& packet : group->second.packets) taken.push_back(std::move(packet));
      group = forget(group);
    }
    return taken;
  }
  // Gives up what has waited too long; returns how many packets.
  std::size_t expire(TimePoint now) {
    const std::size_t before = packets_;
    for (auto group = groups_.begin(); group != groups_.end();)
      group = now - group->second.since > kLifetime ? forget(group) : std::next(group);
    return before - packets_;
  }
  bool empty() const { return packets_ == 0; }

 private:
  struct Group {
    std::vector<HeldPacket> packets;
    std::size_t octets = 0;
    TimePoint since = TimePoint::min();  // the first packet
  };
  using Groups = std::unordered_map<PolicyId, Group>;
  Groups::iterator forget(Groups::iterator group) {
    packets_ -= group->second.packets.size();
    octets_ -= group->second.octets;
    return groups_.erase(group);
  }

  Groups groups_;
  std::size_t packets_ = 0, octets_ = 0;
};

}  // namespace culvert::esp
