// What the shard and the AAA services have to say to each other.
#include "daemon/daemon.h"

namespace culvert {

Aaa::Handlers Daemon::aaa_handlers() {
  return {[this](JobId job, AaaAnswer&& answer) {
            shard_->complete(job, std::move(answer), now());
            drain();
          },
          [this](trace::Event&& event) {
            own_events_.count(event);
            carry_out(std::move(event));
          },
          [this](const config::RadiusService& service, RadiusPort port) {
            return radius_servers(service, port);
          }};
}

AaaSessions::Handlers Daemon::session_handlers() {
  return {[this](SaPairId pair) { return counters(pair); },
          [this](Command&& command) { execute(std::move(command), {}); },
          [this](trace::Event&& event) {
            own_events_.count(event);
            carry_out(std::move(event));
          },
          [this](const config::RadiusService& service, RadiusPort port) {
            return radius_servers(service, port);
          }};
}

// A service whose servers cannot be spoken to has none.
RadiusServers Daemon::radius_servers(const config::RadiusService& service, RadiusPort port) {
  auto servers = servers_of(service, port, *provider_, signer_);
  if (servers) return std::move(*servers);
  log_.write(trace::Level::error, servers.error());
  return {};
}

void Daemon::configure_aaa(const std::vector<config::RadiusService>& services) {
  aaa_.configure(services);
  aaa_sessions_.configure(services);
}

void Daemon::carry_out(AskAaa&& output) { aaa_.ask(std::move(output)); }
void Daemon::carry_out(SessionBegan&& output) { aaa_sessions_.begin(output); }
void Daemon::carry_out(SessionUses&& output) { aaa_sessions_.use(output); }
void Daemon::carry_out(SessionEnded&& output) { aaa_sessions_.end(output); }

}  // namespace culvert
