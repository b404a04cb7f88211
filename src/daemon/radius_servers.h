// The servers of a configured AAA service, as a radius::Client wants them, and what it says of
// them.
#pragma once

#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/radius.h"
#include "daemon/signer.h"
#include "io/radius_sockets.h"
#include "trace/event.h"

namespace culvert {

enum class RadiusPort : std::uint8_t { authentication, accounting };
struct RadiusServers {
  std::vector<radius::Server> servers;
  std::map<std::uint32_t, io::RadsecTls> tls;  // by the index of the server
};

// With RADIUS over TLS (RFC 6614), who we are to the servers, and which of them are believed. The
// error is a sentence. The provider and the signer outlive what is made.
std::expected<RadiusServers, std::string> servers_of(const config::RadiusService& service,
                                                     RadiusPort port, Provider& provider,
                                                     Signer& signer);
radius::Nas nas_of(const config::RadiusService& service);
// Of what tells about servers; nothing for the rest.
std::optional<trace::Event> event_of(const radius::Client& client, const radius::Output& output);

}  // namespace culvert
