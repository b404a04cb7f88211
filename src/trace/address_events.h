// Events about addresses that one end assigns to the other.
#pragma once

#include <string>

#include "trace/info.h"

namespace culvert::trace {

struct AddressLeased {
  static constexpr Info kInfo{"address_leased", Level::info, Group::ike,
                              "{identity} has the address {addresses}"};
  std::string identity, addresses;
  CULVERT_FIELDS(CULVERT_FIELD(identity), CULVERT_FIELD(addresses))
};
struct PoolExhausted {
  static constexpr Info kInfo{
      "pool_exhausted", Level::error, Group::cfg,
      "no address for {identity}: {why}. Make `pool` larger, or end tunnels "
      "that nobody uses",
      true};
  std::string identity, why;
  CULVERT_FIELDS(CULVERT_FIELD(identity), CULVERT_FIELD(why))
};
struct AddressNotRequested {
  static constexpr Info kInfo{"address_not_requested", Level::error, Group::ike,
                              "the peer has not asked for an address, and this connection has a "
                              "`pool`; let the peer ask for one, or give it a connection without",
                              true};
  CULVERT_FIELDS()
};
struct NoAddressAssigned {  // as initiator
  static constexpr Info kInfo{"no_address_assigned", Level::error, Group::ike,
                              "the peer has given us no address: {why}. Give it a larger pool, or "
                              "leave out `request_address`",
                              true};
  std::string_view why;
  CULVERT_FIELDS(CULVERT_FIELD(why))
};

}  // namespace culvert::trace
