// What a shard wants done, in the order in which it must be done.
#pragma once

#include <string>
#include <variant>

#include "ipsec/operations.h"
#include "shard/status.h"
#include "trace/event.h"

namespace culvert {

struct CommandTag;
using CommandId = StrongId<CommandTag, std::uint64_t>;

struct Transmit {
  Endpoint local;  // address may be unspecified: the system chooses
  Endpoint remote;
  Bytes payload;  // an IKE message, without the non-ESP marker
};

// A command has ended, well or not. `explanation` is the sentence of the event that ended it.
struct CommandDone {
  CommandId id;
  bool success = false;
  std::string explanation;
};

// An IKE or CHILD SA came up or went down (vici's ike-updown and child-updown). `sa` is as it was
// at that moment; for child events `child` indexes sa.children.
struct UpDown {
  bool up = false;
  std::optional<std::size_t> child;
  IkeSaStatus sa;
};

// Everything is done until this time or the next input; kNever: until the next input.
struct WaitUntil {
  TimePoint deadline = kNever;
};

using Output = std::variant<Transmit, SadOp, trace::Event, CommandDone, UpDown, WaitUntil>;

}  // namespace culvert
