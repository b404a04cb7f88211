// Logins that an AAA server decides: what is asked of it on behalf of a peer, what it answers, and
// what becomes of the sessions that it has granted.
#pragma once

#include <memory>
#include <string>

#include "ike/action.h"
#include "radius/accounting.h"
#include "radius/eap_relay.h"

namespace culvert {

// One conversation with AAA servers, as whoever speaks to them keeps it. It goes along with each
// question and comes back with the answer, so that it ends when nobody goes on with it.
struct AaaLogin {
  virtual ~AaaLogin() = default;
};

// What does the AAA service say to this packet of the peer's? Answered by Shard::complete() within
// the time that the service's servers have.
struct AskAaa {
  JobId job;
  std::string service;  // as it is configured; empty: the one without a name
  radius::Port port;    // whose login
  Bytes eap;            // a response; the first of a login says who it is (RFC 3579, 2.1)
  std::unique_ptr<AaaLogin> login;  // none: it begins
};
struct AaaAnswer {
  std::unique_ptr<AaaLogin> login;
  radius::EapRelay::Outcome outcome;  // Broken: no server has decided, for the reason given
};

// A session that an AAA service has granted; the same through all rekeys of its IKE SA.
using SessionId = StrongId<struct SessionTag, std::uint64_t>;
using AuthorizationRef = std::shared_ptr<const radius::Authorization>;

struct SessionBegan {
  SessionId id;
  std::string service;
  radius::Port port;
  std::string user_name;  // where the server has not said otherwise
  AuthorizationRef granted;
  std::vector<IpAddress> addresses;  // that the client was given
};
// The pair's traffic is the session's, from its installation on.
struct SessionUses {
  SessionId id;
  SaPairId pair;
};
// Its pairs have been deleted.
struct SessionEnded {
  SessionId id;
  radius::TerminateCause cause{};
};

}  // namespace culvert
