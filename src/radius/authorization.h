// What a server grants along with Access-Accept: addresses, groups, times, and what accounting has
// to repeat.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "radius/packet.h"

namespace culvert::radius {

// Texts may hold any octets, except for reply_message, which is escaped. Lists hold at most
// limits::kMaxAuthorizationItems; attributes of a wrong size are left out.
struct Authorization {
  std::string user_name;             // as the server wants it in accounting; empty: as it was sent
  std::vector<IpAddress> addresses;  // Framed-IP-Address, Framed-IPv6-Address
  std::vector<Prefix> ipv6_prefixes;
  std::string pool, ipv6_pool;
  std::vector<IpAddress> dns, nbns;
  std::vector<Bytes> classes;       // to be repeated in accounting
  std::vector<std::string> groups;  // Filter-Id, Class, and Cisco's group policy
  std::optional<std::chrono::seconds> session_timeout, idle_timeout, interim_interval;
  // RFC 2865, 5.29: at its end the session is to authenticate anew, not to be ended.
  bool reauthenticate = false;
  std::string reply_message;
  std::string banner, default_domain;
  // Cisco Unity: networks that go into the tunnel, or stay out of it, and names for its DNS.
  enum class Split : std::uint8_t { none, include, exclude };
  Split split = Split::none;
  std::vector<Prefix> split_networks;
  std::vector<std::string> split_domains;
};

// From an Access-Accept, or what a CoA-Request changes.
Authorization read_authorization(const Packet& packet);

}  // namespace culvert::radius
