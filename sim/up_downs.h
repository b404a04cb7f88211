// Whether what a shard says of SAs that come up and go down makes sense to whoever acts on it: an
// updown program, or a listener of vici's.
#pragma once

#include <map>
#include <set>

#include "sim/checkers.h"

namespace culvert::sim {

// Of one daemon's life.
class UpDowns {
 public:
  // Reports what does not pair: each SA comes up once and goes down once, in this order, whatever
  // rekeys there are between; CHILD SAs only within an IKE SA that is up.
  void changed(const UpDown& change, Checkers& checkers);
  void changed(const SaNews& news);
  // What was said to be up and is not listed, and the other way round.
  std::vector<std::string> differences(const std::vector<IkeSaStatus>& listed) const;

 private:
  void change_child(const UpDown& change, Checkers& checkers);
  std::uint32_t lineage_of(std::uint32_t child) const;

  std::set<std::uint32_t> ikes_, lineages_;           // that are up
  std::map<std::uint32_t, std::uint32_t> ancestors_;  // of rekeyed CHILD SAs: the first one
};

}  // namespace culvert::sim
