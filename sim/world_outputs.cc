// Owns what becomes of a shard's outputs, in their order.
#include <fmt/format.h>

#include <tuple>

#include "sim/world.h"

namespace culvert::sim {
namespace {

std::string_view name_of(const SadOp& operation) {
  static constexpr std::string_view kNames[] = {"InstallSa",     "UpdateSa",     "DeleteSa",
                                                "InstallPolicy", "UpdatePolicy", "DeletePolicy"};
  return kNames[operation.index()];
}

// Nothing for what any stranger may cause.
std::string effect_of(const Output& output) {
  if (const auto* event = std::get_if<trace::Event>(&output)) {
    const bool harmless = std::holds_alternative<trace::MessageDropped>(event->body) ||
                          std::holds_alternative<trace::PeerNotice>(event->body);
    return harmless ? std::string() : trace::sentence_of(*event);
  }
  if (std::holds_alternative<Transmit>(output)) return "a message";
  if (const auto* operation = std::get_if<SadOp>(&output)) return std::string(name_of(*operation));
  return "a change";
}

bool is_message_event(const trace::Event& event) {
  return std::holds_alternative<trace::MessageSent>(event.body) ||
         std::holds_alternative<trace::MessageReceived>(event.body);
}

bool labels_next_message(const trace::Event& event) {
  return std::holds_alternative<trace::MessageSent>(event.body) ||
         std::holds_alternative<trace::Retransmitted>(event.body) ||
         std::holds_alternative<trace::ResponseRepeated>(event.body);
}

}  // namespace

std::size_t World::pump(Host& host, std::vector<std::string>* effects) {
  constexpr std::size_t kRunaway = 20'000;
  for (std::size_t count = 0;; ++count) {
    Output output = host.shard->poll(host.clock.local(now_));
    if (const auto* wait = std::get_if<WaitUntil>(&output)) {
      arm(host, wait->deadline);
      return count;
    }
    if (effects)
      if (std::string effect = effect_of(output); !effect.empty()) effects->push_back(effect);
    handle(host, std::move(output));
    if (count > kRunaway) return count;
  }
}

void World::handle(Host& host, Output&& output) {
  std::visit([&](auto& one) { perform(host, std::move(one)); }, output);
}

void World::perform(Host& host, Transmit&& message) {
  if (sabotage_.reuse_message_id) {
    // The Message ID stands in octets 20 to 23 of the header.
    const auto header = wire::peek_header(message.payload);
    if (header && !header->response && header->message_id > 1)
      store_be(message.payload.data() + 20, header->message_id - 1);
  }
  checkers_.transmitted(host.life, message.payload, [&](std::uint32_t spi) {
    return host.plane.has_inbound(spi) || host.refused_spis.contains(spi);
  });
  trace(host.index, message.remote.port, ByteView(message.payload));
  note(Step::Kind::sent, host, peer_at(host, message.remote),
       std::exchange(host.next_label, "unprotected notification"));
  send_frame(host, {message.local, message.remote, std::move(message.payload), true});
  if (host.held_back) apply(host, *std::exchange(host.held_back, std::nullopt));
}

void World::send_frame(Host& host, Frame&& frame) {
  if (host.busy_until <= now_) return schedule(network_.carry(host.index, std::move(frame), now_));
  at(host.busy_until, [this, index = host.index, frame = std::move(frame)]() mutable {
    schedule(network_.carry(index, std::move(frame), now_));
  });
}

void World::perform(Host& host, SadOp&& operation) {
  trace(host.index, operation.index());
  if (host.setup.plane_delay > Duration::zero())
    host.busy_until = std::max(now_, host.busy_until) + host.setup.plane_delay;
  auto* install = std::get_if<InstallSa>(&operation);
  if (install && refuse_installs > 0 && random_.per_mille(refuse_installs)) {
    if (install->direction == Direction::in) host.refused_spis.insert(install->spi);
    host.refused_installs.emplace(install->pair, install->direction);
    return refuse(host, {install->pair, {}, "the plane has no room"});
  }
  if (install && sabotage_.announce_first && install->direction == Direction::in) {
    host.held_back = std::move(operation);
    return;
  }
  apply(host, std::move(operation));
}

void World::refuse(Host& host, SadRefusal&& refusal) {
  answer(host, [this, refusal = std::move(refusal)](Host& one) mutable {
    one.shard->refused(std::move(refusal), one.clock.local(now_));
  });
}

void World::apply(Host& host, SadOp&& operation) {
  const std::string_view name = name_of(operation);
  if (const auto* removal = std::get_if<DeleteSa>(&operation))
    if (host.refused_installs.erase({removal->pair, removal->direction}) > 0) return;
  if (const auto* update = std::get_if<UpdateSa>(&operation)) {
    if (host.refused_installs.contains({update->pair, Direction::in}) ||
        host.refused_installs.contains({update->pair, Direction::out})) {
      std::ignore = host.plane.apply(std::move(operation));  // what there is of the pair moves
      return;
    }
    if (host.plane.is_used_up(update->pair))
      return refuse(host, {update->pair, {}, "the kernel no longer has an SA that moved"});
  }
  if (auto done = host.plane.apply(std::move(operation)); !done)
    checkers_.operation_failed(done.error(), name);
}

void World::perform(Host& host, trace::Event&& event) {
  if (!is_message_event(event)) trace(host.index, event.body.index());
  if (!record_ladder_) return;
  if (labels_next_message(event)) {
    host.next_label = trace::sentence_of(event);
    return;
  }
  note(Step::Kind::told, host, host.index, trace::text_of(event));
}

void World::perform(Host& host, CommandDone&& done) {
  trace(host.index, done.id.value, static_cast<std::uint64_t>(done.success));
  host.pending_commands.erase(done.id);
  checkers_.command_done(done.id);
}

void World::perform(Host& host, UpDown&& change) {
  trace(host.index, static_cast<std::uint64_t>(change.up), change.sa.children.size());
  if (!(sabotage_.lose_downs && change.child && !change.up))
    host.up_downs.changed(change, checkers_);
  if (!change.child) return;
  const ChildSaStatus& child = change.sa.children.at(*change.child);
  if (change.up)
    host.up[child.reqid] = {child.local_ts, child.remote_ts};
  else
    host.up.erase(child.reqid);
}

void World::perform(Host& host, SaNews&& news) { host.up_downs.changed(news); }

// A host name is the name of a host here; an address pattern is its first address.
void World::perform(Host& host, ResolvePeer&& question) {
  PeerResolution answer;
  if (random_.per_mille(resolve_failures) || question.connection->remote_addrs.empty()) {
    answer.error = "no address";
  } else {
    const AddressPattern& remote = question.connection->remote_addrs.front();
    answer.local = host.setup.address;
    if (remote.kind == AddressPattern::Kind::range) answer.remote = remote.first;
    for (const Host& other : hosts_)
      if (remote.kind == AddressPattern::Kind::host_name && other.setup.name == remote.host_name)
        answer.remote = network_.outside_address(other.index);
  }
  later(host, resolve_delay, [this, job = question.job, answer](Host& asking) {
    asking.shard->complete(job, PeerResolution(answer), asking.clock.local(now_));
  });
}

void World::perform(Host& host, AskLastUse&& question) {
  const TimePoint used = host.plane.last_use(question.pair);
  answer(host, [this, pair = question.pair, used](Host& one) {
    one.shard->last_use(pair, used, one.clock.local(now_));
  });
}

// A host has one address, and a route to everybody of its family.
void World::perform(Host& host, FindPaths&& question) {
  FoundPaths paths;
  for (const IpAddress& remote : question.remotes)
    if (remote.family() == host.setup.address.family())
      paths.push_back({host.setup.address, remote});
  later(host, 1ms, [this, job = question.job, paths](Host& asking) {
    asking.shard->complete(job, FoundPaths(paths), asking.clock.local(now_));
  });
}

// The signer is another process, which takes its time.
void World::perform(Host& host, MakeSignature&& wanted) {
  MadeSignature made{{}, "there is no such private key"};
  for (const pki::CertificateRef& own : host.certificates)
    if (own->key->key_id() == wanted.key)
      made = {toy_signature(own->spki, wanted.scheme, {wanted.octets}), {}};
  later(host, random_.between(0ms, signing_delay), [this, job = wanted.job, made](Host& one) {
    one.shard->complete(job, MadeSignature(made), one.clock.local(now_));
  });
}

void World::perform(Host& host, LeaseAddresses&& wanted) {
  after(1ms, [this, index = host.index, life = host.life, job = wanted.job,
              request = std::move(wanted.request)] {
    if (hosts_[index].life != life) return;
    input(index, [this, job, request](Host& asking) {
      asking.shard->complete(job, asking.leases.lease(request), asking.clock.local(now_));
    });
  });
}

void World::perform(Host& host, ReleaseAddresses&& given) {
  for (const IpAddress& address : given.addresses) host.leases.release(address);
}

void World::perform(Host& host, FetchEvidence&& wanted) {
  FetchedEvidence nothing{std::vector<Fetched>(wanted.requests.size())};
  host.shard->complete(wanted.job, std::move(nothing), host.clock.local(now_));
}

// Nor are there AAA servers.
void World::perform(Host& host, AskAaa&& question) {
  host.shard->complete(question.job,
                       AaaAnswer{{}, radius::EapRelay::Broken{"no RADIUS server is configured"}},
                       host.clock.local(now_));
}

void World::perform(Host& host, Keepalive&& due) {
  send_frame(host, {due.local, due.remote, Bytes{kKeepalive}, true});
}

// ---- the ladder ----

std::size_t World::peer_at(const Host& host, const Endpoint& outside) const {
  return network_.host_at(outside.address).value_or(host.index);
}

void World::note(Step::Kind kind, const Host& host, std::size_t peer, std::string text) {
  if (record_ladder_) steps_.push_back({kind, now_, host.index, peer, std::move(text)});
}

}  // namespace culvert::sim
