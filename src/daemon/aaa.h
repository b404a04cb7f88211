// The AAA services of [radius]: logins that shards ask about go to their servers, and the answers
// back. A service that the configuration changes goes on for the logins that it has begun.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "config/radius.h"
#include "daemon/radius_servers.h"
#include "ike/aaa.h"
#include "io/radius_sockets.h"
#include "trace/event.h"

namespace culvert {

class Aaa {
 public:
  struct Handlers {
    std::function<void(JobId, AaaAnswer&&)> answer;
    std::function<void(trace::Event&&)> emit;
    std::function<RadiusServers(const config::RadiusService&, RadiusPort)> servers;
  };

  // The loop and the provider outlive this. The handlers are called on the loop's thread; `answer`
  // also from within ask().
  Aaa(io::EventLoop& loop, Provider& provider, Handlers handlers);
  ~Aaa();

  void configure(const std::vector<config::RadiusService>& services);
  void ask(AskAaa&& question);

 private:
  struct Service;
  using ServiceRef = std::shared_ptr<Service>;
  struct Login;

  ServiceRef find(const std::string& name) const;
  void on_output(Service& service, radius::Output&& output);
  void finish(Service& service, radius::RequestId id, const radius::Answered* answered,
              std::string why);
  void fail(JobId job, std::string why);

  io::EventLoop& loop_;
  Provider& provider_;
  Handlers handlers_;
  std::map<std::string, ServiceRef> services_;  // in force, by name
  std::set<ServiceRef> busy_;                   // whose servers are asked something
};

}  // namespace culvert
