// The host's own addresses, kept and read anew only after the kernel has told of a change: looking
// them up costs as much as a key agreement.
#pragma once

#include <memory>
#include <vector>

#include "ipsec/operations.h"

struct mnl_socket;

namespace culvert::esp {

class OwnAddresses {
 public:
  // Where the kernel tells nothing, they are read each time.
  OwnAddresses();

  // One of them within the selectors, none of loopback's and no link-local one: those mean nothing
  // to the far side. None: there is none.
  IpAddress one_within(const std::vector<TrafficSelector>& selectors, Family family);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const;
  };
  bool have_changed();

  std::unique_ptr<mnl_socket, Close> notices_;
  bool known_ = false;
  std::vector<IpAddress> addresses_;  // sorted
};

}  // namespace culvert::esp
