// The XFRM interfaces that the daemon makes.
#pragma once

#include <map>

#include "ipsec/xfrm_interface.h"
#include "xfrm/socket.h"

namespace culvert::xfrm {

// Invariant: the interfaces of made_ are ours; they go with this object.
class Interfaces {
 public:
  explicit Interfaces(RequestSocket routing) : routing_(std::move(routing)) {}
  ~Interfaces();
  Interfaces(Interfaces&&) = default;

  // Deletes those that a killed culvertd made. How many there were.
  std::size_t remove_leftovers();
  // Makes and removes until there are these; what stays the same is left alone. The error is a
  // sentence about the first that could not be made.
  std::expected<void, std::string> set(const std::vector<XfrmInterface>& wanted);
  // The index of the one with this number, if packets are to be routed into it; zero: none.
  unsigned routed(std::uint32_t if_id) const;

 private:
  struct Made {
    XfrmInterface interface;
    unsigned index = 0;
  };
  std::expected<void, std::string> make(const XfrmInterface& interface);
  void remove(unsigned index);

  RequestSocket routing_;
  std::map<std::uint32_t, Made> made_;  // by number
};

}  // namespace culvert::xfrm
