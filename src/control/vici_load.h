// What a vici client loads, turned into policy: strongSwan's option names, value forms and
// defaults. Nothing is ever ignored: an option is understood, or has its default value, or the
// whole connection is refused with a sentence that names it.
#pragma once

#include <string>
#include <vector>

#include "control/vici_message.h"
#include "eap/user_store.h"
#include "policy/connection.h"

namespace culvert::vici {

// The connections of a load-conn request, one per section. The error is for `errmsg`.
std::expected<std::vector<ConnectionConfig>, std::string> load_connections(const Message& request);

// The users of a load-shared request of type EAP or NTLM: its owners.
std::expected<std::vector<eap::User>, std::string> load_users(const Message& request);

// The secret of a load-shared request of type IKE. `data` is taken as it is: swanctl has already
// decoded the "0x" and "0s" forms of its configuration. `id` is empty when the client gave none.
std::expected<SharedSecret, std::string> load_shared(const Message& request);

}  // namespace culvert::vici
