// Invariant: what a pair of SAs has carried is counted once, for the session that had it then.
#include "daemon/aaa_sessions.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/radius_servers.h"

namespace culvert {
namespace {

std::chrono::sys_seconds wall() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

radius::Usage operator+(const radius::Usage& a, const radius::Usage& b) {
  return {a.octets_in + b.octets_in, a.octets_out + b.octets_out, a.packets_in + b.packets_in,
          a.packets_out + b.packets_out};
}

}  // namespace

struct AaaSessions::Service {
  Service(AaaSessions& sessions, const config::RadiusService& config)
      : nas(nas_of(config)),
        sockets(sessions.open_sockets(*this, config)),
        accounting(sockets->client(), nas),
        timer(sessions.loop_, [this, &sessions] { sessions.settle(*this); }) {}

  radius::Nas nas;
  std::string name;
  bool accounts = false;  // new sessions
  std::chrono::seconds interim{};
  std::unique_ptr<io::RadiusSockets> sockets;
  radius::Accounting accounting;
  io::Timer timer;
  std::optional<config::DynamicAuthorization> dynamic;
  std::unique_ptr<radius::DynamicAuthorization> authorizer;
  std::unique_ptr<io::RadiusListener> listener;
};
