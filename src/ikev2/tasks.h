// The queue of an established IKE SA: what we want of the peer, one request at a time.
#pragma once

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// The CHILD SA is being deleted, or its delete waits.
bool is_ending(const IkeSa& sa, const ChildSa& child);
// A CHILD SA of that name is up, for the given traffic where some is given.
bool covers(const IkeSa& sa, std::string_view name, const ScopeRef& scope);
// Adds a child to bring up, unless it is already queued, in flight or installed.
void queue_child(IkeSa& sa, ChildConfigRef config, ScopeRef scope = nullptr);
void queue_task(IkeSa& sa, Task&& task);
// Deleting the IKE SA goes before everything that waits.
// `by`: as in Closed, once the peer has acknowledged it.
void queue_ike_delete(IkeSa& sa, std::string_view by = "us");
// Our delete of the IKE SA waits or is out: nothing new may be asked of it.
bool is_closing(const IkeSa& sa);
// Why, as in Closed; empty when it is not closing.
std::string_view closing_by(const IkeSa& sa);
// Sends the next request when none is in flight.
void run_next_task(Host& host, IkeSa& sa, TimePoint now);
// strongSwan's names of what is queued and in flight, for list-sas.
std::vector<std::string> queued_task_names(const IkeSa& sa);
std::vector<std::string> active_task_names(const IkeSa& sa);

}  // namespace culvert::ikev2
