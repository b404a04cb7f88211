// Events about logins and sessions that AAA servers decide.
#pragma once

#include <string>

#include "net/address.h"
#include "trace/info.h"

namespace culvert::trace {

struct AaaAccepted {
  static constexpr Info kInfo{"aaa_accepted", Level::info, Group::ike,
                              "RADIUS authenticated {user} by {method}"};
  std::string user, method;
  CULVERT_FIELDS(CULVERT_FIELD(user), CULVERT_FIELD(method))
};
struct AaaRejected {
  static constexpr Info kInfo{"aaa_rejected", Level::error, Group::ike,
                              "RADIUS rejected {user}: {why}", true};
  std::string user, why;
  CULVERT_FIELDS(CULVERT_FIELD(user), CULVERT_FIELD(why))
};
struct AaaFailed {
  static constexpr Info kInfo{"aaa_failed", Level::error, Group::ike,
                              "{user} could not log in: {why}", true};
  std::string user, why;  // radius::Failure::to_string(), or another sentence
  CULVERT_FIELDS(CULVERT_FIELD(user), CULVERT_FIELD(why))
};
struct NotInGroup {
  static constexpr Info kInfo{"not_in_group", Level::error, Group::cfg,
                              "{user} belongs to the groups: {groups}; the connection is for: "
                              "{wanted}. Put the user into one of them, or change `groups`",
                              true};
  std::string user, groups, wanted;
  CULVERT_FIELDS(CULVERT_FIELD(user), CULVERT_FIELD(groups), CULVERT_FIELD(wanted))
};
struct AaaSessionOver {
  static constexpr Info kInfo{"aaa_session_over", Level::info, Group::ike,
                              "the session of {user} has lasted as long as RADIUS allows"};
  std::string user;
  CULVERT_FIELDS(CULVERT_FIELD(user))
};
struct AaaSessionChanged {
  static constexpr Info kInfo{"aaa_session_changed", Level::info, Group::ike,
                              "RADIUS has changed the session of {user}"};
  std::string user;
  CULVERT_FIELDS(CULVERT_FIELD(user))
};
struct AaaDisconnected {
  static constexpr Info kInfo{"aaa_disconnected", Level::info, Group::ike,
                              "RADIUS client {remote} ends the session of {user}"};
  Endpoint remote;
  std::string user;
  CULVERT_FIELDS(CULVERT_FIELD(remote), CULVERT_FIELD(user))
};
struct AaaRequestIgnored {
  static constexpr Info kInfo{"aaa_request_ignored", Level::warning, Group::net,
                              "a request of {remote} for dynamic authorization is ignored: {why}"};
  Endpoint remote;
  std::string_view why;
  CULVERT_FIELDS(CULVERT_FIELD(remote), CULVERT_FIELD(why))
};
struct AaaNotListening {
  static constexpr Info kInfo{"aaa_not_listening", Level::error, Group::net, "{why}"};
  std::string why;
  CULVERT_FIELDS(CULVERT_FIELD(why))
};
struct AccountingNotTaken {
  static constexpr Info kInfo{"accounting_not_taken", Level::error, Group::net,
                              "no accounting record of {session} is acknowledged: {why}"};
  std::string session, why;
  CULVERT_FIELDS(CULVERT_FIELD(session), CULVERT_FIELD(why))
};
struct AaaServerDead {
  static constexpr Info kInfo{"aaa_server_dead", Level::warning, Group::net,
                              "RADIUS server {server} is left out for now: {why}"};
  std::string server, why;
  CULVERT_FIELDS(CULVERT_FIELD(server), CULVERT_FIELD(why))
};
struct AaaServerAlive {
  static constexpr Info kInfo{"aaa_server_alive", Level::info, Group::net,
                              "RADIUS server {server} answers again"};
  std::string server;
  CULVERT_FIELDS(CULVERT_FIELD(server))
};
struct AaaAnswerDropped {
  static constexpr Info kInfo{"aaa_answer_dropped", Level::warning, Group::net,
                              "a datagram of {remote} to our RADIUS port is dropped: {why}"};
  Endpoint remote;
  std::string_view why;
  CULVERT_FIELDS(CULVERT_FIELD(remote), CULVERT_FIELD(why))
};

}  // namespace culvert::trace
