// What the protocol machines ask the world to do, besides data-plane operations and events.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/strong_id.h"
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

}  // namespace culvert
