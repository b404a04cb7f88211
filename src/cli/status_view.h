// `culvert status`: what the daemon says of connections and SAs, as two tables.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/vici_message.h"

namespace culvert::cli {

struct StatusInput {
  std::vector<vici::Message> connections;         // list-conn events
  std::vector<vici::Message> sas;                 // list-sa events
  std::map<std::string, vici::Message> failures;  // answers of `why`, by connection
  vici::Message daemon;                           // answer of culvert-status
};

std::string status_text(const StatusInput& input, bool colours);
// The same, complete, as one message: sections connections, sas (by connection and unique id),
// failures, daemon.
vici::Message status_message(const StatusInput& input);
// Names of connections that have no IKE SA.
std::vector<std::string> idle_connections(const StatusInput& input);

}  // namespace culvert::cli
