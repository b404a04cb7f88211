// Owns time: the queue of events, the hosts' lives and the inputs they get. What becomes of a
// host's outputs stands in world_outputs.cc.
#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/credentials.h"

namespace culvert::sim {
namespace {

constexpr std::uint16_t kIkePort = 500, kNatTPort = 4500;

bool wants_trap(const ChildConfig& child) {
  return child.start_action == StartAction::trap ||
         child.start_action == StartAction::trap_and_start;
}

// Whether a message that nobody sent may have more effect than being dropped: strangers may start
// an exchange, and are told of a version that we don't speak.
bool open_to_strangers(ByteView message) {
  const auto header = wire::peek_header(message);
  return header && (header->exchange == wire::ExchangeType::ike_sa_init || header->major != 2);
}

}  // namespace

World::World(std::uint64_t seed, Sabotage sabotage, bool record_ladder)
    : random_(seed), network_(random_.next()), sabotage_(sabotage), record_ladder_(record_ladder) {}

std::size_t World::add_host(HostSetup&& setup) {
  network_.add_host(setup.address, setup.nat);
  hosts_.emplace_back(std::move(setup), hosts_.size());
  hosts_.back().setup.options.verbose_messages = record_ladder_;
  return hosts_.size() - 1;
}

void World::at(TimePoint when, std::function<void()> action) {
  queue_.push({std::max(when, now_), next_sequence_++, std::move(action)});
}

void World::run_until(TimePoint end) {
  while (!queue_.empty() && queue_.top().when <= end) {
    auto action = std::move(const_cast<Entry&>(queue_.top()).action);
    now_ = queue_.top().when;
    queue_.pop();
    checkers_.set_now(now_);
    action();
  }
  now_ = end;
  checkers_.set_now(now_);
}

// ---- life and death ----

void World::boot(std::size_t index) {
  Host& host = hosts_[index];
  if (host.alive()) return;
  host.life = ++last_life_;
  host.provider = std::make_unique<ToyProvider>(random_.next(), sabotage_.crypto);
  host.provider->on_seal = [this](const ToyProvider::Sealed& sealed) { checkers_.sealed(sealed); };
  host.shard = std::make_unique<Shard>(host.setup.options, *host.provider);
  host.plane = Plane(sabotage_.plane, host.setup.plane);
  host.up_downs = {};
  host.busy_until = now_;
  host.wake_at = kNever;
  command(index, NetworkChanged{{host.setup.address}});
  command(index, SetDate{kFirstDay + now_.time_since_epoch()});
  for (const pki::CertificateRef& one : host.authorities)
    command(index, LoadCertificate{one, true});
  for (const pki::CertificateRef& one : host.certificates) {
    command(index, LoadCertificate{one, false});
    command(index, LoadKey{one->key});
  }
  for (const StoredUser& one : host.users)
    command(index, LoadUser{{one.name, eap::ClearPassword{SecretBytes(as_bytes(one.password))}}});
  for (const StoredSecret& stored : host.secrets)
    command(index, LoadSecret{{stored.id, SecretBytes(ByteView(stored.secret)), stored.owners}});
  for (const auto& [name, connection] : host.connections)
    command(index, LoadConnection{as_loaded(connection)});
}

void World::crash(std::size_t index) {
  Host& host = hosts_[index];
  for (const auto& [id, open] : host.pending_commands) checkers_.forget_command(id);
  host.pending_commands.clear();
  host.shard.reset();
  host.provider.reset();
  host.plane = Plane(sabotage_.plane);
  host.leases = LeaseBook();
  host.held_back.reset();
  host.refused_spis.clear();
  host.refused_installs.clear();
  host.trapped.clear();
  host.up.clear();
  note(Step::Kind::told, host, index, "the daemon is gone");
}

void World::roam(std::size_t index, const IpAddress& address, std::optional<Nat> nat) {
  Host& host = hosts_[index];
  if (!host.home) host.home = host.setup.address;
  if (address == *host.home) host.home.reset();
  host.setup.address = address;
  network_.move(index, address, std::move(nat));
  command(index, NetworkChanged{{address}});
}

// ---- commands ----

CommandId World::next_command(std::size_t index) {
  Host& host = hosts_[index];
  const CommandId id{++last_command_};
  if (!host.alive()) return id;
  host.pending_commands[id] = true;
  checkers_.command_given(id);
  return id;
}

void World::load(std::size_t index, const ConnectionRef& connection) {
  hosts_[index].connections[connection->name] = connection;
  command(index, LoadConnection{as_loaded(connection)});
}

ConnectionRef World::as_loaded(const ConnectionRef& connection) const {
  if (!sabotage_.ignore_actions) return connection;
  auto other = std::make_shared<ConnectionConfig>(*connection);
  for (ChildConfig& child : other->children) {
    child.dpd_action = DpdAction::clear;
    child.close_action = CloseAction::none;
    child.inactivity = {};
  }
  return other;
}

void World::give(std::size_t index, const std::shared_ptr<Command>& command) {
  input(index, [this, command](Host& host) {
    note_intent(host, *command);
    host.shard->command(std::move(*command), host.clock.local(now_));
  });
}

// What the operator wants protected from now on, whatever the shard makes of it.
void World::note_intent(Host& host, const Command& command) {
  if (const auto* load = std::get_if<LoadConnection>(&command)) {
    const ConnectionConfig& connection = *load->connection;
    std::erase_if(host.trapped, [&](const auto& name) { return name.first == connection.name; });
    for (const ChildConfig& child : connection.children) {
      host.allowed.push_back({resolve(child.local, host.setup.address), {}});
      for (const AddressPattern& remote : connection.remote_addrs)
        for (const TrafficSelector& selector : resolve(child.remote, remote.first))
          host.allowed.back().remote.push_back(selector);
      if (wants_trap(child)) host.trapped.emplace(connection.name, child.name);
    }
  } else if (const auto* unload = std::get_if<UnloadConnection>(&command)) {
    std::erase_if(host.trapped, [&](const auto& name) { return name.first == unload->name; });
  } else if (const auto* install = std::get_if<InstallTrap>(&command)) {
    if (host.shard->connections().find(install->connection))
      host.trapped.emplace(install->connection, install->child);
  } else if (const auto* remove = std::get_if<UninstallTrap>(&command)) {
    host.trapped.erase({remove->connection, remove->child});
  } else if (std::holds_alternative<Shutdown>(command)) {
    host.trapped.clear();
  }
}

// ---- inputs ----

void World::input(std::size_t index, Input action) {
  Host& host = hosts_[index];
  if (!host.alive()) return;
  if (now_ < host.busy_until)
    return at(host.busy_until,
              [this, index, life = host.life, action = std::move(action)]() mutable {
                if (hosts_[index].life == life) input(index, std::move(action));
              });
  pump(host);  // what is due goes first, so that the outputs that follow are this input's
  action(host);
  checkers_.outputs_of_one_input(pump(host));
}

void World::arm(Host& host, TimePoint local_deadline) {
  const TimePoint when = host.clock.world(local_deadline);
  if (when == kNever || (host.wake_at > now_ && host.wake_at <= when)) return;
  host.wake_at = when;
  at(when, [this, index = host.index, life = host.life] {
    if (hosts_[index].life == life) input(index, [](Host&) {});
  });
}

void World::schedule(std::vector<Network::Arrival>&& arrivals) {
  for (Network::Arrival& arrival : arrivals)
    after(arrival.delay, [this, host = arrival.host, frame = std::move(arrival.frame)]() mutable {
      arrive(host, std::move(frame));
    });
}

void World::flood(std::size_t count) { schedule(network_.flood(count)); }

void World::arrive(std::size_t index, Frame&& frame) {
  if (!network_.translate_inbound(index, frame, now_)) return;
  // RFC 3948, 2.3: the receiver ignores it; a NAT on the way does not.
  if (const auto* octets = std::get_if<Bytes>(&frame.body); octets && *octets == Bytes{kKeepalive})
    return;
  input(index, [this, frame = std::move(frame)](Host& host) {
    if (std::holds_alternative<EspPacket>(frame.body)) return receive_esp(host, frame);
    if (frame.to.port == kIkePort || frame.to.port == kNatTPort) receive_message(host, frame);
  });
}

void World::receive_message(Host& host, const Frame& frame) {
  const Bytes& message = std::get<Bytes>(frame.body);
  checkers_.response_arrived(host.life, message);
  note(Step::Kind::arrived, host, peer_at(host, frame.from), "");
  host.shard->receive({frame.to, frame.from, message}, host.clock.local(now_));
  if (!frame.authentic && !open_to_strangers(message)) {
    std::vector<std::string> effects;
    pump(host, &effects);
    for (const std::string& effect : effects) checkers_.forgery_had_effect(effect);
  }
  const std::size_t most = host.setup.options.max_half_open + 64 * host.connections.size() + 64;
  checkers_.shard_size(host.shard->statistics(), most);
}

void World::receive_esp(Host& host, const Frame& frame) {
  const auto inner = host.plane.receive(std::get<EspPacket>(frame.body), frame.from, frame.to,
                                        host.clock.local(now_));
  if (inner) {
    const bool allowed = std::ranges::any_of(host.allowed, [&](const Host::Flow& flow) {
      return covers(flow.remote, flow.local, *inner);
    });
    checkers_.delivered(host.life, *inner, allowed);
    delivered_.insert(inner->id);
    trace(inner->id);
  }
  pass_notices(host);
}

// The kernel's come late, and may be lost where there are many: then the SAD is looked at.
void World::pass_notices(Host& host) {
  auto notices = host.plane.take_notices();
  if (notices.empty()) return;
  if (host.setup.plane == PlaneKind::kernel && lose_notices > 0 && random_.per_mille(lose_notices))
    return later(host, 1s, [this](Host& one) { tell(one, one.plane.audit()); });
  answer(host, [this, notices = std::move(notices)](Host& one) mutable {
    tell(one, std::move(notices));
  });
}

void World::tell(Host& host, std::vector<SadNotice>&& notices) {
  for (const SadNotice& notice : notices) host.shard->notice(notice, host.clock.local(now_));
}

void World::later(Host& host, Duration delay, Input action) {
  after(delay, [this, index = host.index, life = host.life, action = std::move(action)]() mutable {
    if (hosts_[index].life == life) input(index, std::move(action));
  });
}

void World::answer(Host& host, Input action) {
  if (host.setup.plane == PlaneKind::userspace) return action(host);
  later(host, random_.between(0ms, kernel_delay), std::move(action));
}

// ---- inner packets ----

bool World::is_covered(const Host& host, const InnerPacket& packet) const {
  for (const auto& [connection, child] : host.trapped) {
    const auto at = host.connections.find(connection);
    const ChildConfig* config = at == host.connections.end() ? nullptr : at->second->child(child);
    if (!config) continue;
    const IpAddress remote =
        at->second->remote_addrs.empty() ? IpAddress{} : at->second->remote_addrs[0].first;
    if (covers(resolve(config->local, host.setup.address), resolve(config->remote, remote), packet))
      return true;
  }
  return std::ranges::any_of(host.up, [&](const auto& entry) {
    return covers(entry.second.local, entry.second.remote, packet);
  });
}

void World::send_inner(std::size_t index, const InnerPacket& packet) {
  input(index, [this, packet](Host& host) {
    finish_sending(host, host.plane.send(packet, host.clock.local(now_)), packet);
  });
}

void World::send_rogue(std::size_t index, const InnerPacket& packet) {
  input(index, [this, packet](Host& host) {
    for (const auto& [key, sa] : host.plane.sas())
      if (key.second == Direction::out)
        return finish_sending(
            host, host.plane.send_through(key.first, packet, host.clock.local(now_)), packet);
  });
}

void World::finish_sending(Host& host, Plane::Sending&& sending, const InnerPacket& packet) {
  if (sending.fate == Plane::Fate::clear) checkers_.left_in_clear(packet, is_covered(host, packet));
  if (sending.fate == Plane::Fate::sent)
    send_frame(host, {sending.from, sending.to, std::move(sending.packet), true});
  pass_notices(host);
}

}  // namespace culvert::sim
