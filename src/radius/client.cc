// Invariant: a slot (socket and identifier) belongs to at most one request, and a request that has
// one is found by what comes back on it; nothing here goes through all requests.
#include "radius/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

namespace culvert::radius {
namespace {

constexpr Duration kStatusInterval = std::chrono::seconds(10);  // RFC 3539, 3.4.1: at least 6 s

std::uint64_t bit(std::uint32_t server) { return std::uint64_t{1} << server; }

bool answers(Code answer, Code request) {
  const bool of_access = answer == Code::access_accept || answer == Code::access_reject ||
                         answer == Code::access_challenge;
  const bool of_accounting = answer == Code::accounting_response;
  if (request == Code::access_request) return of_access;
  // RFC 5997, 3: the port that is asked decides which of the two comes.
  if (request == Code::status_server) return answer == Code::access_accept || of_accounting;
  return of_accounting;
}

bool fits(const Request& request) {
  return request.attributes.size() <= kMaxRequestAttributes &&
         request.password.size() <= kMaxPasswordSize;
}

Failure::Kind kind_of(Distrust distrust) {
  return distrust == Distrust::missing_message_authenticator
             ? Failure::Kind::missing_message_authenticator
             : Failure::Kind::wrong_secret;
}

}  // namespace

Client::Client(Provider& provider, std::vector<Server> servers) : provider_(provider) {
  assert(servers.size() <= kMaxServers);
  states_.reserve(servers.size());
  for (Server& server : servers) states_.push_back({.server = std::move(server)});
}

RequestId Client::send(Request request, TimePoint now) {
  const auto handle = requests_.emplace();
  Pending& pending = *requests_.get(handle);
  pending.request = std::move(request);
  pending.began = now;
  const auto server = pending.request.server ? pending.request.server : choose(pending, now);
  if (!server || *server >= states_.size())
    finish(handle, Failure::Kind::no_server, now);
  else if (!fits(pending.request))
    finish(handle, Failure::Kind::unsendable, now);
  else
    assign(handle, *server, now);
  return id_of(handle);
}

void Client::cancel(RequestId id, TimePoint now) {
  const auto handle = handle_of(id);
  if (!requests_.get(handle)) return;
  release(handle, now);
  requests_.erase(handle);
}

bool Client::usable(std::uint32_t server, TimePoint now) const {
  const State& state = states_[server];
  if (state.alive) return true;
  return !state.server.status_server && !state.on_trial && now >= state.dead_until;
}

// The first that is usable; where none is, the first that was not asked yet.
std::optional<std::uint32_t> Client::choose(const Pending& pending, TimePoint now) const {
  std::optional<std::uint32_t> dead;
  for (std::uint32_t i = 0; i < states_.size(); ++i) {
    if (pending.tried & bit(i)) continue;
    if (usable(i, now)) return i;
    if (!dead) dead = i;
  }
  return dead;
}

void Client::assign(PendingHandle handle, std::uint32_t server, TimePoint now) {
  Pending& pending = *requests_.get(handle);
  State& state = states_[server];
  pending.server = server;
  pending.tried |= bit(server);
  pending.sent = now;
  pending.wait = state.server.timeout;
  pending.trial = !state.alive && !pending.probe && usable(server, now) && states_.size() > 1;
  pending.tries_left = pending.trial || pending.probe ? 0 : state.server.tries - 1;
  pending.lost = false;
  if (pending.trial) state.on_trial = true;
  take_slot(handle, now);
}

std::uint32_t Client::free_slot(State& state) {
  if (state.free.empty() && state.slots.size() < state.server.sockets * kIdentifiers) {
    const auto first = static_cast<std::uint32_t>(state.slots.size());
    state.slots.resize(first + kIdentifiers);
    for (std::uint32_t i = 0; i < kIdentifiers; ++i) state.free.push_back(first + i);
  }
  if (state.free.empty()) return kNoSlot;
  const std::uint32_t slot = state.free.front();
  state.free.pop_front();
  return slot;
}

void Client::take_slot(PendingHandle handle, TimePoint now) {
  Pending& pending = *requests_.get(handle);
  State& state = states_[pending.server];
  const std::uint32_t slot = free_slot(state);
  if (slot == kNoSlot) {
    if (state.waiting.size() >= limits::kMaxRadiusWaiting)
      return finish(handle, Failure::Kind::overloaded, now);
    state.waiting.push_back(handle);
    return arm(handle, now);
  }
  pending.slot = slot;
  state.slots[slot] = handle;
  auto packet = sign_request(provider_, state.server.secret.view(),
                             {.code = pending.request.code,
                              .identifier = static_cast<std::uint8_t>(slot % kIdentifiers),
                              .attributes = pending.request.attributes,
                              .password = pending.request.password.view()});
  if (!packet) return finish(handle, Failure::Kind::unsendable, now);
  pending.packet = std::move(*packet);
  pending.sent = now;
  pending.wait = state.server.timeout;
  transmit(pending);
  arm(handle, now);
}

void Client::transmit(Pending& pending) {
  outputs_.push_back(Transmit{pending.server, pending.slot / kIdentifiers, pending.packet.octets});
  pending.lost = false;
}

// RFC 5080, 2.2.1: up to a tenth more or less, so that many requests do not come at once again.
void Client::arm(PendingHandle handle, TimePoint now) {
  Pending& pending = *requests_.get(handle);
  std::array<std::uint8_t, 1> octet;
  provider_.random(octet);
  const Duration jitter = pending.wait / 10 * (octet[0] - 128) / 128;
  pending.deadline = now + pending.wait + jitter;
  pending.wait += pending.wait / 2;
  timers_.schedule(pending.deadline, {handle, 0});
}

// Gives its slot to the next that waits for one.
void Client::release(PendingHandle handle, TimePoint now) {
  Pending& pending = *requests_.get(handle);
  State& state = states_[pending.server];
  if (pending.trial) state.on_trial = pending.trial = false;
  if (pending.slot == kNoSlot) return;
  state.slots[pending.slot] = {};
  state.free.push_back(pending.slot);
  pending.slot = kNoSlot;
  while (!state.waiting.empty()) {
    const auto next = state.waiting.front();
    state.waiting.pop_front();
    const Pending* waiting = requests_.get(next);
    if (!waiting || waiting->slot != kNoSlot || &states_[waiting->server] != &state) continue;
    return take_slot(next, now);
  }
}

void Client::expire(PendingHandle handle, TimePoint now) {
  Pending* pending = requests_.get(handle);
  if (!pending || pending->deadline > now) return;
  const State& state = states_[pending->server];
  // Others have found out meanwhile that it is dead. A trial has to say so first.
  if (!state.alive && !pending->trial && move_on(handle, now)) return;
  if (pending->slot == kNoSlot || pending->tries_left == 0) return give_up(handle, now);
  --pending->tries_left;
  if (!state.server.stream || pending->lost) transmit(*pending);
  arm(handle, now);
}

// To a server that is usable, if there is one.
bool Client::move_on(PendingHandle handle, TimePoint now) {
  const Pending& pending = *requests_.get(handle);
  if (pending.request.server || pending.probe) return false;
  const auto next = choose(pending, now);
  if (!next || !usable(*next, now)) return false;
  release(handle, now);
  assign(handle, *next, now);
  return true;
}

// This server's time is over.
void Client::give_up(PendingHandle handle, TimePoint now) {
  Pending& pending = *requests_.get(handle);
  const std::uint32_t server = pending.server;
  State& state = states_[server];
  const bool waited = pending.slot != kNoSlot;
  const bool silent = !state.answered || *state.answered < pending.sent;
  if (pending.probe) return finish(handle, pending.seen, now);
  if (waited && silent) mark_dead(server, "it does not answer", now);
  release(handle, now);
  const auto next = pending.request.server ? std::nullopt : choose(pending, now);
  if (next) return assign(handle, *next, now);
  finish(handle, waited ? pending.seen : Failure::Kind::overloaded, now);
}

void Client::finish(PendingHandle handle, Failure::Kind kind, TimePoint now) {
  Pending& pending = *requests_.get(handle);
  Failure failure{kind, {}, now - pending.began};
  for (std::uint32_t i = 0; i < states_.size(); ++i)
    if (pending.tried & bit(i))
      failure.servers += fmt::format("{}{} ({})", failure.servers.empty() ? "" : ", ",
                                     server(i).name, server(i).endpoint.to_string());
  if (pending.probe)
    timers_.schedule(now + kStatusInterval, {{}, pending.server});
  else
    outputs_.push_back(Failed{id_of(handle), std::move(failure)});
  if (pending.server < states_.size()) release(handle, now);
  requests_.erase(handle);
}

void Client::mark_dead(std::uint32_t server, std::string_view why, TimePoint now) {
  State& state = states_[server];
  state.dead_until = now + state.server.dead_time;
  if (!state.alive) return;
  state.alive = false;
  outputs_.push_back(ServerDead{server, why});
  if (!state.server.status_server || state.probing) return;
  state.probing = true;
  timers_.schedule(now + kStatusInterval, {{}, server});
}

void Client::mark_alive(std::uint32_t server) {
  State& state = states_[server];
  if (state.alive) return;
  state.alive = true;
  outputs_.push_back(ServerAlive{server});
}

void Client::probe(std::uint32_t server, TimePoint now) {
  if (states_[server].alive) {
    states_[server].probing = false;
    return;
  }
  const auto handle = requests_.emplace();
  Pending& pending = *requests_.get(handle);
  pending.request = {.code = Code::status_server, .server = server};
  pending.began = now;
  pending.probe = true;
  assign(handle, server, now);
}

Client::PendingHandle Client::asked(std::uint32_t server, std::uint32_t socket,
                                    std::uint8_t identifier) const {
  const auto& slots = states_[server].slots;
  const std::size_t slot = std::size_t{socket} * kIdentifiers + identifier;
  return slot < slots.size() ? slots[slot] : PendingHandle{};
}

void Client::drop(std::uint32_t server, const Endpoint& remote, std::string_view why) {
  outputs_.push_back(Dropped{server, remote, why});
}

void Client::receive(std::uint32_t server, std::uint32_t socket, const Endpoint& remote,
                     ByteView octets, TimePoint now) {
  if (server >= states_.size()) return;
  State& state = states_[server];
  if (remote != state.server.endpoint)
    return drop(server, remote, "it does not come from the server that was asked");
  auto packet = Packet::decode(octets);
  const auto handle = octets.size() < 2 ? PendingHandle{} : asked(server, socket, octets[1]);
  Pending* pending = requests_.get(handle);
  if (!pending) return drop(server, remote, "nothing was asked that it could answer");
  if (!packet || !answers(packet->code(), pending->request.code)) {
    pending->seen = Failure::Kind::malformed;
    return drop(server, remote, "it is no answer to what was asked");
  }
  const auto distrust = check_response(provider_, state.server.secret.view(), *packet,
                                       pending->request.code, pending->packet.authenticator);
  if (!distrust || *distrust != Distrust::none) {
    const auto kind = distrust ? kind_of(*distrust) : Failure::Kind::unsendable;
    pending->seen = kind;
    return drop(server, remote,
                kind == Failure::Kind::missing_message_authenticator
                    ? "it has no Message-Authenticator"
                    : "its authenticator is wrong: the shared secrets differ, or it is forged");
  }
  state.answered = now;
  mark_alive(server);
  if (pending->probe)
    state.probing = false;
  else
    outputs_.push_back(
        Answered{id_of(handle), server, std::move(*packet), pending->packet.authenticator});
  release(handle, now);
  requests_.erase(handle);
}

void Client::refused(std::uint32_t server, std::uint32_t socket, TimePoint now) {
  if (server >= states_.size()) return;
  mark_dead(server,
            states_[server].server.stream ? "the connection to it fails" : "its port is closed",
            now);
  // Requests that cannot go elsewhere wait for the server to come back.
  for (const auto handle : outstanding_on(server, socket)) {
    requests_.get(handle)->lost = true;
    move_on(handle, now);
  }
}

void Client::lost(std::uint32_t server, std::uint32_t socket) {
  if (server >= states_.size()) return;
  for (const auto handle : outstanding_on(server, socket)) {
    Pending& pending = *requests_.get(handle);
    pending.lost = true;
    if (pending.tries_left == 0) continue;
    // RFC 6613, 2.6.1: over a new connection it may be sent again. The time it has stays the same.
    --pending.tries_left;
    transmit(pending);
  }
}

std::vector<Client::PendingHandle> Client::outstanding_on(std::uint32_t server,
                                                          std::uint32_t socket) const {
  std::vector<PendingHandle> found;
  const auto& slots = states_[server].slots;
  const std::size_t first = std::size_t{socket} * kIdentifiers;
  for (std::size_t i = first; i < std::min(first + kIdentifiers, slots.size()); ++i)
    if (slots[i]) found.push_back(slots[i]);
  return found;
}

std::optional<Output> Client::poll(TimePoint now) {
  while (outputs_.empty()) {
    const auto due = timers_.pop_due(now);
    if (!due) return std::nullopt;
    if (due->request)
      expire(due->request, now);
    else
      probe(due->server, now);
  }
  Output next = std::move(outputs_.front());
  outputs_.pop_front();
  return next;
}

}  // namespace culvert::radius
