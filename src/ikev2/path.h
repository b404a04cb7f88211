// Which addresses an IKE SA uses, and when it changes them. RFC 4555, 3.5 and 3.10; RFC 7296, 2.23.
//
// Only the initiator of the first IKE SA chooses (with MOBIKE); the other side follows what
// UPDATE_SA_ADDRESSES says, and chooses only when its own address is gone.
#pragma once

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// The IKE SA is at these endpoints from now on; its CHILD SAs are not told yet.
void move_ike(Host& host, IkeSa& sa, const Endpoint& local, const Endpoint& remote,
              std::string_view why);
// Tells the data plane where the CHILD SAs' packets go: where the IKE SA is.
void update_children(Host& host, IkeSa& sa);

// Without MOBIKE: a NAT may give the peer a new address or port at any time.
void follow_peer(Host& host, IkeSa& sa, const Datagram& datagram);
// With MOBIKE: a response has come over a path that was probed, so that path works.
void settle_on_path(Host& host, IkeSa& sa, const Datagram& datagram, TimePoint now);
// ESP comes from elsewhere: only the mapping of a peer behind a NAT may move so.
void follow_mapping(Host& host, IkeSa& sa, const Endpoint& remote);

// The machine's addresses or routes have changed.
void network_changed(Host& host, IkeSa& sa, TimePoint now);
// Asks for the paths there are, unless that is being asked already.
void seek_paths(Host& host, IkeSa& sa);
void paths_found(Host& host, IkeSa& sa, const std::vector<Path>& paths, TimePoint now);

// Our addresses beside the one in use that the peer may send to.
std::vector<IpAddress> additional_addresses(const Host& host, const IkeSa& sa);

}  // namespace culvert::ikev2
