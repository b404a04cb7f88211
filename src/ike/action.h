// What the protocol machines ask the world to do, besides data-plane operations and events.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/strong_id.h"
#include "crypto/signature.h"
#include "ipsec/operations.h"
#include "net/address.h"

namespace culvert {

struct CommandTag;
using CommandId = StrongId<CommandTag, std::uint64_t>;
struct JobTag;
using JobId = StrongId<JobTag, std::uint64_t>;

struct Transmit {
  Endpoint local;  // address may be unspecified: the system chooses
  Endpoint remote;
  Bytes payload;  // an IKE message, without the non-ESP marker
};

// A pair of addresses that packets between us and a peer can take.
struct Path {
  IpAddress local, remote;
  auto operator<=>(const Path&) const = default;
};

// A NAT-keepalive is due on an IKE SA: one octet 0xff without a non-ESP marker (RFC 3948, 2.3),
// unless one of these SAs has sent something in the meantime, which Sent then tells.
struct Keepalive {
  Endpoint local, remote;
  std::vector<SaPairId> pairs;
};

// A signature of `octets` with the private key of this id is wanted. Whoever faces the network has
// no private keys: another process makes it. Answered by Shard::complete().
struct MakeSignature {
  JobId job;
  KeyId key{};
  SignatureScheme scheme;
  Bytes octets;
};
struct MadeSignature {
  Bytes signature;    // empty when it failed
  std::string error;  // "the private key is not loaded any more"
};

}  // namespace culvert
