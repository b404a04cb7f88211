// Which SAs in the kernel are ours: to which pair each belongs, and who depends on it.
#pragma once

#include <map>
#include <optional>
#include <unordered_map>

#include "xfrm/messages.h"

namespace culvert::xfrm {

// One direction of a pair. With IPComp there are two SAs, and a CPI names the inner one.
struct HalfPair {
  SaName name;
  std::uint16_t cpi = 0;
  bool watched = true;  // inbound: the next packet is told

  std::optional<SaName> comp_name() const;
};
void delete_half(Batch& batch, const HalfPair& half);

struct SaPair {
  std::optional<HalfPair> in, out;
  IpAddress local, remote;
  std::uint32_t reqid = 0;
  std::vector<PolicyId> policies;  // that send their packets there

  std::optional<HalfPair>& half(Direction direction) {
    return direction == Direction::in ? in : out;
  }
  bool ipcomp() const { return (out && out->cpi != 0) || (in && in->cpi != 0); }
};

// Invariant: names_ has exactly the SAs of ESP and AH of pairs_.
class SaBook {
 public:
  struct Owner {
    SaPairId pair;
    Direction direction = Direction::in;
  };

  SaPair* find(SaPairId id);
  const SaPair* find(SaPairId id) const;
  const HalfPair* find(SaPairId id, Direction direction) const;
  // Whose SA that is; nullptr: nobody's. Marks do not count, because not all events tell them.
  const Owner* owner_of(const SaName& name) const;
  const std::unordered_map<SaPairId, SaPair>& pairs() const { return pairs_; }
  // Names bear no marks.
  const std::map<SaName, Owner>& names() const { return names_; }

  void add(const InstallSa& sa);
  // Also the pair, when the other direction is not there.
  void remove(SaPairId id, Direction direction);
  void move(const UpdateSa& to);
  // Keeps each pair's list of the policies that point at it.
  void link(PolicyId policy, SaPairId from, SaPairId to);

 private:
  void forget(const SaName& name, SaPairId id);

  std::unordered_map<SaPairId, SaPair> pairs_;
  std::map<SaName, Owner> names_;
};

}  // namespace culvert::xfrm
