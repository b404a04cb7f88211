// Invariant: a login stays with the service that it began with, and every question has an answer.
#include "daemon/aaa.h"

#include <fmt/format.h>

#include <unordered_map>

namespace culvert {
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

  Service(Aaa& aaa, const config::RadiusService& config, RadiusServers with)
      : nas(nas_of(config)),
        sockets(
            aaa.loop_, aaa.provider_, std::move(with.servers), std::move(with.tls),
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
    services_.emplace(
        one.name,
        std::make_shared<Service>(*this, one, handlers_.servers(one, RadiusPort::authentication)));
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
  if (auto event = event_of(client, output)) handlers_.emit(std::move(*event));
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
