// What a shard wants done, in the order in which it must be done.
#pragma once

#include <string>
#include <variant>

#include "ike/aaa.h"
#include "ike/action.h"
#include "ike/addresses.h"
#include "ike/evidence.h"
#include "ipsec/operations.h"
#include "shard/status.h"
#include "trace/event.h"

namespace culvert {

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

// An IKE SA was rekeyed (vici's ike-rekey); its CHILD SAs have moved to the successor.
struct IkeSaRekeyed {
  IkeSaStatus old, successor;
};
// A CHILD SA was rekeyed (vici's child-rekey): sa.children are the old one and its successor.
struct ChildSaRekeyed {
  IkeSaStatus sa;
};
// The endpoints of an IKE SA are about to become these (vici's ike-update).
struct EndpointsChanging {
  Endpoint local, remote;
  IkeSaStatus sa;
};
// What becomes of SAs that are up.
using SaNews = std::variant<IkeSaRekeyed, ChildSaRekeyed, EndpointsChanging>;

// Before a connection is initiated: a reachable remote address, and the local address that
// packets to it leave from. Host names are looked up anew each time. Answered by
// Shard::complete() within the resolver's deadline.
struct ResolvePeer {
  JobId job;
  ConnectionRef connection;
  std::uint32_t attempt = 0;  // since the connection was last up: the next address each time
};

struct PeerResolution {
  IpAddress local, remote;  // none when it failed
  std::string error;        // "no address for gw.example.org: Name or service not known"
};

// When a packet last used the pair, in either direction? Answered by Shard::last_use().
struct AskLastUse {
  SaPairId pair;
};

// Which addresses of this machine, that the connection allows, packets to these remote addresses
// can leave from. Answered by Shard::complete().
struct FindPaths {
  JobId job;
  ConnectionRef connection;
  std::vector<IpAddress> remotes;  // in order of preference
};

// What routing would take comes first, in the order of the remotes; then the other usable pairs.
using FoundPaths = std::vector<Path>;

// A subscriber's sequence number was used and must not be used again, over a restart either.
struct SequenceNumberUsed {
  std::string subscriber;
  std::uint64_t sqn = 0;
};

// Everything is done until this time or the next input; kNever: until the next input.
struct WaitUntil {
  TimePoint deadline = kNever;
};

using Output = std::variant<Transmit, SadOp, trace::Event, CommandDone, UpDown, SaNews, ResolvePeer,
                            AskLastUse, FindPaths, MakeSignature, FetchEvidence, LeaseAddresses,
                            ReleaseAddresses, AssignAddresses, AskAaa, SessionBegan, SessionUses,
                            SessionEnded, SequenceNumberUsed, Keepalive, WaitUntil>;

}  // namespace culvert
