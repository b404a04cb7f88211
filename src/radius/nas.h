// What we tell servers about ourselves and about the client whose login or session it is.
#pragma once

#include <optional>
#include <string>

#include "radius/packet.h"

namespace culvert::radius {

// This machine, as its servers know it.
struct Nas {
  std::string identifier;  // NAS-Identifier
  IpAddress address;       // NAS-IP-Address or NAS-IPv6-Address; none: left out
};

// One client's session with us.
struct Port {
  std::uint32_t number = 0;  // NAS-Port: the IKE SA's
  std::string connection;    // NAS-Port-Id
  Endpoint local, remote;    // Called-Station-Id and Calling-Station-Id
};

inline void add_nas(AttributeWriter& writer, const Nas& nas) {
  writer.add(Type::nas_identifier, nas.identifier);
  writer.add(Type::nas_ip_address, Type::nas_ipv6_address, nas.address);
}

// Called-Station-Id or Calling-Station-Id, in the form that strongSwan gives them, which servers'
// rules may look at: "192.0.2.1[4500]".
std::string station_id(const Endpoint& endpoint);

void add_port(AttributeWriter& writer, const Port& port);

}  // namespace culvert::radius
