// Invariant: what a pair of SAs has carried is counted once, for the session that had it then.
#include "daemon/aaa_sessions.h"

#include <fmt/format.h>

#include <algorithm>

#include "eap/packet.h"

namespace culvert {
namespace {

using radius::ErrorCause;
using radius::Usage;

std::chrono::sys_seconds wall() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// In: from the client.
Usage usage_of(const SaPairCounters& counters) {
  return {counters.in.bytes, counters.out.bytes, counters.in.packets, counters.out.packets};
}

void add(Usage& to, const Usage& usage) {
  to.octets_in += usage.octets_in;
  to.octets_out += usage.octets_out;
  to.packets_in += usage.packets_in;
  to.packets_out += usage.packets_out;
}

}  // namespace

struct AaaSessions::Service {
  Service(AaaSessions& sessions, const config::RadiusService& config)
      : sockets(sessions.open_sockets(*this, config)),
        accounting(sockets->client(), nas_of(config)),
        timer(sessions.loop_, [this, &sessions] { sessions.settle(*this); }) {}

  std::string name;
  bool accounts = false;  // sessions that begin
  std::chrono::seconds interim{};
  std::unique_ptr<io::RadiusSockets> sockets;
  radius::Accounting accounting;
  io::Timer timer;
  std::optional<config::DynamicAuthorization> dynamic;
  std::unique_ptr<radius::DynamicAuthorization> authorizer;
  std::unique_ptr<io::RadiusListener> listener;
};

// Counters of one direction count until its SA is deleted.
struct AaaSessions::Entry {
  struct Pair {
    Usage before;  // that another session had
    bool in = true, out = true;
  };
  radius::Session session;
  Service* service = nullptr;
  std::optional<radius::Accounting::SessionHandle> handle;
  Usage past;  // of pairs that are gone
  std::unordered_map<SaPairId, Pair> pairs;
};

AaaSessions::AaaSessions(io::EventLoop& loop, Provider& provider, Handlers handlers)
    : loop_(loop),
      provider_(provider),
      handlers_(std::move(handlers)),
      epoch_(fmt::format("{:08x}", wall().time_since_epoch().count())) {}

AaaSessions::~AaaSessions() = default;

// ---- configuration ----

std::unique_ptr<io::RadiusSockets> AaaSessions::open_sockets(Service& service,
                                                             const config::RadiusService& config) {
  RadiusServers with = handlers_.servers(config, RadiusPort::accounting);
  return std::make_unique<io::RadiusSockets>(
      loop_, provider_, std::move(with.servers), std::move(with.tls),
      [this, &service](radius::Output&& output) { on_output(service, std::move(output)); });
}

void AaaSessions::configure(const std::vector<config::RadiusService>& services) {
  for (auto& [name, service] : services_) {
    const bool stays =
        std::ranges::find(services, name, &config::RadiusService::name) != services.end();
    if (stays) continue;
    service->accounts = false;
    service->listener.reset();
    service->dynamic.reset();
  }
  for (const config::RadiusService& config : services) adopt(config);
}

void AaaSessions::adopt(const config::RadiusService& config) {
  auto& service = services_[config.name];
  if (!service) {
    service = std::make_unique<Service>(*this, config);
  } else {
    auto sockets = open_sockets(*service, config);
    service->accounting.use(sockets->client(), nas_of(config), loop_.now());
    service->sockets = std::move(sockets);
  }
  service->name = config.name;
  service->interim = config.interim;
  if (config.accounting && !std::exchange(service->accounts, config.accounting))
    service->accounting.on(wall(), loop_.now());
  service->accounts = config.accounting;
  listen(*service, config);
  settle(*service);
}

void AaaSessions::listen(Service& service, const config::RadiusService& config) {
  service.listener.reset();
  service.dynamic = config.dynamic;
  if (!config.dynamic) return;
  std::vector<radius::DynamicAuthorization::Peer> peers;
  for (const IpAddress& client : config.dynamic->clients)
    peers.push_back({client, config.secret.clone()});
  service.authorizer = std::make_unique<radius::DynamicAuthorization>(
      provider_, nas_of(config), std::move(peers), radius::DynamicAuthorization::Options{});
  service.listener = std::make_unique<io::RadiusListener>(
      loop_, *service.authorizer,
      [this, &service](radius::DynamicAuthorization::Command&& command) {
        take(service, std::move(command));
      },
      [this](const Endpoint& remote, std::string_view why) {
        handlers_.emit({{}, trace::AaaRequestIgnored{remote, why}});
      });
  if (auto opened = service.listener->open(config.dynamic->listen); !opened) {
    service.listener.reset();
    handlers_.emit({{}, trace::AaaNotListening{std::move(opened.error())}});
  }
}

AaaSessions::Service* AaaSessions::find(const std::string& name) {
  if (const auto found = services_.find(name); found != services_.end()) return found->second.get();
  return name.empty() && services_.size() == 1 ? services_.begin()->second.get() : nullptr;
}

// ---- sessions ----

void AaaSessions::begin(const SessionBegan& began) {
  Service* service = find(began.service);
  if (!service) return;
  const radius::Authorization& granted = *began.granted;
  Entry& entry = sessions_[began.id];
  entry.service = service;
  entry.session = {.id = fmt::format("{}-{}", epoch_, began.id.value),
                   .user_name = granted.user_name.empty() ? began.user_name : granted.user_name,
                   .port = began.port,
                   .addresses = began.addresses,
                   .classes = granted.classes,
                   .interim = granted.interim_interval.value_or(service->interim)};
  by_acct_id_.emplace(entry.session.id, began.id);
  by_user_.emplace(entry.session.user_name, began.id);
  if (!service->accounts) return;
  entry.handle = service->accounting.start(entry.session, wall(), loop_.now());
  settle(*service);
}

std::optional<Usage> AaaSessions::usage_of(SaPairId pair, const Entry& entry) const {
  const auto found = entry.pairs.find(pair);
  const auto counters = handlers_.counters(pair);
  if (found == entry.pairs.end() || !counters) return std::nullopt;
  const Entry::Pair& state = found->second;
  const Usage now = culvert::usage_of(*counters);
  Usage usage;
  if (state.in) {
    usage.octets_in = now.octets_in - state.before.octets_in;
    usage.packets_in = now.packets_in - state.before.packets_in;
  }
  if (state.out) {
    usage.octets_out = now.octets_out - state.before.octets_out;
    usage.packets_out = now.packets_out - state.before.packets_out;
  }
  return usage;
}

radius::Usage AaaSessions::usage_of(const Entry& entry) const {
  Usage usage = entry.past;
  for (const auto& [pair, state] : entry.pairs)
    if (const auto more = usage_of(pair, entry)) add(usage, *more);
  return usage;
}

// After a login anew, the last packets of the old session's pair arrive in the new one.
void AaaSessions::use(const SessionUses& use) {
  const auto entry = sessions_.find(use.id);
  if (entry == sessions_.end()) return;
  Entry::Pair state;
  const auto [owner, is_new] = by_pair_.emplace(use.pair, use.id);
  if (!is_new) {
    if (owner->second == use.id) return;
    Entry& former = sessions_.at(owner->second);
    if (const auto usage = usage_of(use.pair, former)) add(former.past, *usage);
    state = former.pairs.at(use.pair);
    if (const auto counters = handlers_.counters(use.pair))
      state.before = culvert::usage_of(*counters);
    former.pairs.erase(use.pair);
    owner->second = use.id;
  }
  entry->second.pairs.emplace(use.pair, state);
}

void AaaSessions::deleting(const DeleteSa& operation) {
  const auto owner = by_pair_.find(operation.pair);
  if (owner == by_pair_.end()) return;
  Entry& entry = sessions_.at(owner->second);
  Entry::Pair& pair = entry.pairs.at(operation.pair);
  const bool is_in = operation.direction == Direction::in;
  Entry::Pair only{pair.before, pair.in && is_in, pair.out && !is_in};
  std::swap(pair, only);
  if (const auto usage = usage_of(operation.pair, entry)) add(entry.past, *usage);
  pair = {only.before, only.in && !is_in, only.out && is_in};
  if (pair.in || pair.out) return;
  entry.pairs.erase(operation.pair);
  by_pair_.erase(owner);
}

void AaaSessions::end(const SessionEnded& ended) {
  const auto found = sessions_.find(ended.id);
  if (found == sessions_.end()) return;
  const Entry& entry = found->second;
  if (entry.handle) {
    entry.service->accounting.stop(*entry.handle, usage_of(entry), ended.cause, wall(),
                                   loop_.now());
    settle(*entry.service);
  }
  for (const auto& [pair, state] : entry.pairs) by_pair_.erase(pair);
  by_acct_id_.erase(entry.session.id);
  auto [first, last] = by_user_.equal_range(entry.session.user_name);
  by_user_.erase(
      std::find_if(first, last, [&](const auto& one) { return one.second == ended.id; }));
  sessions_.erase(found);
}

void AaaSessions::stop() {
  for (auto& [name, service] : services_) {
    service->listener.reset();
    if (service->accounts) service->accounting.off(wall(), loop_.now());
    settle(*service);
  }
}

bool AaaSessions::idle() const {
  return std::ranges::all_of(
      services_, [](const auto& one) { return one.second->accounting.unacknowledged() == 0; });
}

// ---- servers ----

void AaaSessions::on_output(Service& service, radius::Output&& output) {
  if (const auto* answered = std::get_if<radius::Answered>(&output))
    service.accounting.take(*answered, loop_.now());
  if (const auto* failed = std::get_if<radius::Failed>(&output))
    service.accounting.take(*failed, loop_.now());
  if (auto event = event_of(service.sockets->client(), output)) handlers_.emit(std::move(*event));
  settle(service);
}

// Carries out what the accounting wants.
void AaaSessions::settle(Service& service) {
  while (const auto output = service.accounting.poll(loop_.now())) {
    if (const auto* refused = std::get_if<radius::Accounting::NotTaken>(&*output)) {
      handlers_.emit(
          {{},
           trace::AccountingNotTaken{
               refused->session_id.empty() ? "this machine" : "session " + refused->session_id,
               refused->failure.to_string()}});
      continue;
    }
    const auto handle = std::get<radius::Accounting::UsageWanted>(*output).session;
    const radius::Session* session = service.accounting.find(handle);
    const auto id = session ? by_acct_id_.find(session->id) : by_acct_id_.end();
    if (id != by_acct_id_.end())
      service.accounting.interim(handle, usage_of(sessions_.at(id->second)), wall(), loop_.now());
  }
  service.sockets->run();
  service.timer.set(service.accounting.next_timer());
}

// ---- dynamic authorization ----

// By what is indexed, where the request says it.
std::vector<SessionId> AaaSessions::select(const Service& service,
                                           const radius::Selection& selection) const {
  std::vector<SessionId> found;
  const auto consider = [&](SessionId id) {
    const Entry& entry = sessions_.at(id);
    if (entry.service == &service && selection.matches(entry.session)) found.push_back(id);
  };
  if (selection.session_id) {
    if (const auto at = by_acct_id_.find(*selection.session_id); at != by_acct_id_.end())
      consider(at->second);
  } else if (selection.user_name) {
    const auto [first, last] = by_user_.equal_range(*selection.user_name);
    for (auto at = first; at != last; ++at) consider(at->second);
  } else {
    for (const auto& [id, entry] : sessions_) consider(id);
  }
  return found;
}

void AaaSessions::take(Service& service, radius::DynamicAuthorization::Command&& command) {
  const auto changes = std::make_shared<const radius::Authorization>(std::move(command.changes));
  const auto selected = select(service, command.selection);
  for (const SessionId id : selected) {
    const auto at = sessions_.find(id);
    if (at == sessions_.end()) continue;  // it has ended with one before it
    const Entry& entry = at->second;
    if (command.disconnect) {
      handlers_.emit(
          {{entry.session.port.connection,
            {},
            entry.session.port.number,
            0,
            entry.session.port.local,
            entry.session.port.remote},
           trace::AaaDisconnected{command.remote, eap::printable(entry.session.user_name)}});
      handlers_.command(EndSession{id, radius::TerminateCause::admin_reset});
      continue;
    }
    if (changes->interim_interval && entry.handle)
      service.accounting.set_interim(*entry.handle, *changes->interim_interval, loop_.now());
    handlers_.command(ChangeSession{id, changes});
  }
  settle(service);
  service.listener->answer(
      command.id, selected.empty() ? ErrorCause::session_context_not_found : ErrorCause::none);
}

}  // namespace culvert
