// Sessions that AAA services have granted: their accounting, with the traffic of all CHILD SAs that
// they have had, and what servers ask for in the middle of them (RFC 5176).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/radius.h"
#include "daemon/radius_servers.h"
#include "ike/aaa.h"
#include "io/radius_sockets.h"
#include "shard/command.h"
#include "trace/event.h"

namespace culvert {

class AaaSessions {
 public:
  struct Handlers {
    std::function<std::optional<SaPairCounters>(SaPairId)> counters;
    std::function<void(Command&&)> command;
    std::function<void(trace::Event&&)> emit;
    std::function<RadiusServers(const config::RadiusService&, RadiusPort)> servers;
  };

  // The loop and the provider outlive this. The handlers are called on the loop's thread.
  AaaSessions(io::EventLoop& loop, Provider& provider, Handlers handlers);
  ~AaaSessions();

  // Sessions of a service that has gone or does no accounting any more are accounted to their end.
  void configure(const std::vector<config::RadiusService>& services);

  void begin(const SessionBegan& session);
  void use(const SessionUses& use);
  // Before the data plane forgets its counters.
  void deleting(const DeleteSa& operation);
  void end(const SessionEnded& session);

  // This machine stops serving.
  void stop();
  // Every record is acknowledged.
  bool idle() const;

 private:
  struct Service;
  struct Entry;
  using Entries = std::unordered_map<SessionId, Entry>;

  std::unique_ptr<io::RadiusSockets> open_sockets(Service& service,
                                                  const config::RadiusService& config);
  void adopt(const config::RadiusService& config);
  void listen(Service& service, const config::RadiusService& config);
  Service* find(const std::string& name);
  void on_output(Service& service, radius::Output&& output);
  void settle(Service& service);
  void take(Service& service, radius::DynamicAuthorization::Command&& command);
  std::vector<SessionId> select(const Service& service, const radius::Selection& selection) const;
  radius::Usage usage_of(const Entry& entry) const;
  // What the pair has carried for its session so far.
  std::optional<radius::Usage> usage_of(SaPairId pair, const Entry& entry) const;

  io::EventLoop& loop_;
  Provider& provider_;
  Handlers handlers_;
  std::string epoch_;  // tells our session ids from those before a restart
  std::map<std::string, std::unique_ptr<Service>> services_;
  Entries sessions_;
  std::unordered_map<std::string, SessionId> by_acct_id_;
  std::unordered_multimap<std::string, SessionId> by_user_;
  std::unordered_map<SaPairId, SessionId> by_pair_;
};

}  // namespace culvert
