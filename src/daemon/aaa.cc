// Invariant: a login stays with the service that it began with, and every question has an answer.
#include "daemon/aaa.h"

#include <fmt/format.h>

#include <unordered_map>

namespace culvert {
namespace {

std::vector<radius::Server> servers_of(const config::RadiusService& service) {
  std::vector<radius::Server> servers;
  for (const config::RadiusServer& one : service.servers)
    servers.push_back({.name = service.table(),
                       .endpoint = one.authentication,
                       .secret = service.secret.clone(),
                       .timeout = service.timeout,
                       .tries = service.tries,
                       .dead_time = service.dead_time});
  return servers;
}

std::string name_of(const radius::Server& server) {
  return fmt::format("{} of {}", server.endpoint.to_string(), server.name);
}

}  // namespace

struct Aaa::Login final : AaaLogin {
  Login(ServiceRef with, const radius::Nas& nas, const radius::Port& port)
      : service(std::move(with)), relay(nas, port) {}
  ServiceRef service;
  radius::EapRelay relay;
};

struct Aaa::Service {
  struct Waiting {
    JobId job;
    std::unique_ptr<Login> login;
  };

  Service(Aaa& aaa, const config::RadiusService& config)
      : nas{config.nas_identifier, {}},
        sockets(
            aaa.loop_, aaa.provider_, servers_of(config), {},
            [this, &aaa](radius::Output&& output) { aaa.on_output(*this, std::move(output)); }) {}

  radius::Nas nas;
  std::unordered_map<radius::RequestId, Waiting> waiting;
  io::RadiusSockets sockets;
};

Aaa::Aaa(io::EventLoop& loop, Provider& provider, Handlers handlers)
    : loop_(loop), provider_(provider), handlers_(std::move(handlers)) {}

// Services own the logins that own them, for as long as they are asked.
Aaa::~Aaa() {
  for (const ServiceRef& service : busy_) service->waiting.clear();
}

void Aaa::configure(const std::vector<config::RadiusService>& services) {
  services_.clear();
  for (const config::RadiusService& one : services)
    services_.emplace(one.name, std::make_shared<Service>(*this, one));
}

Aaa::ServiceRef Aaa::find(const std::string& name) const {
  if (const auto found = services_.find(name); found != services_.end()) return found->second;
  return name.empty() && services_.size() == 1 ? services_.begin()->second : nullptr;
}

void Aaa::ask(AskAaa&& question) {
  std::unique_ptr<Login> login(static_cast<Login*>(question.login.release()));
  if (!login) {
    const ServiceRef service = find(question.service);
    if (!service)
      return fail(question.job,
                  question.service.empty() && !services_.empty()
                      ? "several RADIUS services are configured, and the connection names none"
                      : fmt::format("there is no [radius{}{}]; add it, with 'servers' and 'secret'",
                                    question.service.empty() ? "" : ".", question.service));
    login = std::make_unique<Login>(service, service->nas, question.port);
  }
  auto request = login->relay.request(question.eap);
  if (!request)
    return fail(question.job, request.error().reason == Reason::exhausted
                                  ? "the conversation does not end"
                                  : "its EAP packet or its name does not fit into RADIUS");
  const ServiceRef service = login->service;
  busy_.insert(service);
  const auto id = service->sockets.send(std::move(*request));
  service->waiting.emplace(id, Service::Waiting{question.job, std::move(login)});
}

void Aaa::fail(JobId job, std::string why) {
  handlers_.answer(job, {nullptr, radius::EapRelay::Broken{std::move(why)}});
}

void Aaa::on_output(Service& service, radius::Output&& output) {
  const radius::Client& client = service.sockets.client();
  if (const auto* answered = std::get_if<radius::Answered>(&output))
    return finish(service, answered->id, answered, {});
  if (const auto* failed = std::get_if<radius::Failed>(&output))
    return finish(service, failed->id, nullptr, failed->failure.to_string());
  if (const auto* dead = std::get_if<radius::ServerDead>(&output))
    handlers_.emit(
        {{}, trace::AaaServerDead{name_of(client.server(dead->server)), std::string(dead->why)}});
  if (const auto* alive = std::get_if<radius::ServerAlive>(&output))
    handlers_.emit({{}, trace::AaaServerAlive{name_of(client.server(alive->server))}});
  if (const auto* dropped = std::get_if<radius::Dropped>(&output))
    handlers_.emit({{}, trace::AaaAnswerDropped{dropped->remote, dropped->why}});
}

void Aaa::finish(Service& service, radius::RequestId id, const radius::Answered* answered,
                 std::string why) {
  const auto found = service.waiting.find(id);
  if (found == service.waiting.end()) return;
  Service::Waiting done = std::move(found->second);
  service.waiting.erase(found);
  // Not from within its own call.
  if (service.waiting.empty())
    loop_.post([this, idle = done.login->service] {
      if (idle->waiting.empty()) busy_.erase(idle);
    });
  if (!answered) return fail(done.job, std::move(why));
  const radius::Server& server = service.sockets.client().server(answered->server);
  auto outcome = done.login->relay.take(provider_, server, *answered);
  handlers_.answer(done.job, {std::move(done.login), std::move(outcome)});
}

}  // namespace culvert
