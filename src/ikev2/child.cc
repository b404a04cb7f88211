// Owns the installation of CHILD SAs. Invariant: an inbound SA is in the data plane before the
// message that tells the peer of it leaves (RFC 7296, 2.8), and every SPI that was allocated is
// either installed or released.
#include "ikev2/child.h"

#include "ikev2/aaa_session.h"

#include <algorithm>

#include "ikev2/tasks.h"
#include "ipsec/spi.h"

namespace culvert::ikev2 {
namespace {

// Successors by rekeying keep the lineage's own marks and numbers.
std::uint32_t number_of(std::uint32_t configured, const ChildSa& child, Direction direction) {
  if (configured == kUnique) return child.lineage;
  if (configured == kUniquePerDirection)
    return 2 * child.lineage + (direction == Direction::out ? 1 : 0);
  return configured;
}
void install_direction(Host& host, const IkeSa& sa, const ChildSa& child, Direction direction,
                       ChildKeys& keys, bool we_initiate) {
  const bool initiator_keys = (direction == Direction::out) == we_initiate;
  InstallSa install;
  install.pair = child.pair;
  install.direction = direction;
  install.protocol = child.protocol;
  install.mode = child.mode;
  install.spi = direction == Direction::in ? child.spi_in : child.spi_out;
  install.cipher = child.suite.cipher;
  install.esn = child.suite.esn == Esn::yes;
  install.keys.encryption = std::move(initiator_keys ? keys.encryption_i : keys.encryption_r);
  install.keys.integrity = std::move(initiator_keys ? keys.integrity_i : keys.integrity_r);
  install.local = sa.local;
  install.remote = sa.remote;
  install.udp_encap = sa.udp_encap && child.protocol == IpsecProtocol::esp;
  install.replay_window = child.config->replay_window;
  install.local_ts = child.local_ts;
  install.remote_ts = child.remote_ts;
  install.lifetime = child.config->lifetime;
  install.reqid = child.reqid;
  install.cpi = direction == Direction::in ? child.cpi_in : child.cpi_out;
  install.tfc_padding = child.peer_takes_tfc ? child.config->tfc_padding : 0;
  install.copy_df = child.config->copy_df;
  install.copy_ecn = child.config->copy_ecn;
  install.copy_dscp = child.config->copy_dscp;
  if (direction == Direction::out || child.config->mark_in_sa)
    install.mark = mark_of(child, direction);
  install.set_mark =
      direction == Direction::in ? child.config->set_mark_in : child.config->set_mark_out;
  install.if_id = if_id_of(sa, child, direction);
  host.apply(std::move(install));
}

// SAs win over the trap of the same child, which has the default priority.
constexpr std::uint32_t kSaPriority = 1'000;

// An SA that waits for the peer is behind its elder, and carries all when that one goes.
void install_policy(Host& host, const IkeSa& sa, const ChildSa& child) {
  if (!child.config->policies) return;
  InstallPolicy policy;
  policy.policy = child.policy;
  policy.pair = child.pair;
  policy.local_ts = child.local_ts;
  policy.remote_ts = child.remote_ts;
  policy.mode = child.mode;
  policy.priority = (child.config->priority ? child.config->priority : kSaPriority) +
                    (child.send_at != kNever ? 1 : 0);
  policy.local = sa.local;
  policy.remote = sa.remote;
  policy.protocol = child.protocol;
  policy.reqid = child.reqid;
  policy.ipcomp = child.cpi_out != 0;
  policy.mark_in = mark_of(child, Direction::in);
  policy.mark_out = mark_of(child, Direction::out);
  policy.if_id_in = if_id_of(sa, child, Direction::in);
  policy.if_id_out = if_id_of(sa, child, Direction::out);
  policy.interface = child.config->interface;
  host.apply(std::move(policy));
}

// A peer that authenticates anew installs its SAs when it has our answer. Until then it receives on
// those of the IKE SA before.
constexpr Duration kAnswerUnderWay = std::chrono::seconds(1);

void send_on(Host& host, const IkeSa& sa, ChildSa& child) {
  child.send_at = kNever;
  if (!child.policy || !child.is_live()) return;
  const PolicyId behind = std::exchange(child.policy, host.new_policy_id());
  install_policy(host, sa, child);
  host.apply(DeletePolicy{behind});
}

void set_lifetime(Host& host, const IkeSa& sa, ChildSa& child, TimePoint now) {
  const Lifetime& life = child.config->lifetime;
  schedule_rekey(host, child);
  if (life.life_time > Duration::zero()) child.expires_at = now + life.life_time;
  const Duration inactivity = inactivity_of(sa, child);
  if (inactivity > Duration::zero()) child.idle_at = now + inactivity;
}

// The lineage's SA that holds the policy, or nullptr.
ChildSa* policy_holder(IkeSa& sa, std::uint32_t lineage) {
  for (ChildSa& child : sa.children)
    if (child.lineage == lineage && child.policy) return &child;
  return nullptr;
}

// Derives keys and puts both SAs into the data plane; nullptr with everything given back.
ChildSa* install_pair(Host& host, IkeSa& sa, const ChildAgreement& agreement,
                      const ChildNonces& nonces, const ChildSa* old, TimePoint now) {
  if (sa.offered.spi == agreement.spi_in) {
    // The peer may have left out IPComp.
    if (sa.offered.cpi && !agreement.cpi_in) host.release_cpi(sa.offered.cpi);
    sa.offered = {};
  }
  auto keys = derive_child_keys(
      host.provider(), {sa.suite.prf, agreement.suite.cipher, sa.keys.sk_d(), nonces.initiator,
                        nonces.responder, nonces.shared_secret});
  if (!keys) {
    release(host, agreement);
    emit(host, sa, trace::InternalError{"child keys", keys.error().reason});
    return nullptr;
  }
  ChildSa child;
  child.config = agreement.config;
  child.pair = host.new_pair_id();
  child.unique_id = host.new_child_id();
  child.lineage = old ? old->lineage : child.unique_id;
  child.spi_in = agreement.spi_in;
  child.spi_out = agreement.spi_out;
  child.cpi_in = agreement.cpi_in;
  child.cpi_out = agreement.cpi_out;
  child.peer_takes_tfc = agreement.peer_takes_tfc;
  child.suite = agreement.suite;
  child.scope = agreement.scope;
  child.mode = agreement.mode;
  child.protocol = protocol_of(*agreement.config) == wire::ProtocolId::ah ? IpsecProtocol::ah
                                                                          : IpsecProtocol::esp;
  child.local_ts = agreement.local_ts;
  child.remote_ts = agreement.remote_ts;
  child.reqid = old ? old->reqid : host.reqid_for(sa, child);
  child.installed = now;
  set_lifetime(host, sa, child, now);
  host.own_pair(child.pair, sa);
  install_direction(host, sa, child, Direction::in, *keys, nonces.we_initiate);
  install_direction(host, sa, child, Direction::out, *keys, nonces.we_initiate);
  sa.children.push_back(std::move(child));
  return &sa.children.back();
}

void forget(Host& host, IkeSa& sa, ChildSa& child) {
  host.apply(DeleteSa{child.pair, Direction::in});
  host.release_child_spi(child.spi_in);
  if (child.cpi_in) host.release_cpi(child.cpi_in);
  host.disown_pair(child.pair);
  sa.children.erase(sa.children.begin() + (&child - sa.children.data()));
}

// How long packets that were sent before the switch may take. strongSwan's userspace ESP goes on
// sending on a replaced SA until it removes it, five seconds later.
constexpr Duration kLinger = std::chrono::seconds(15);

// Who carries the lineage's traffic when `child` goes; nullptr: nobody is left. Not just any of the
// lineage: the peer may have lost the losing SA of a collision without a word.
const ChildSa* next_of_lineage(IkeSa& sa, const ChildSa& child) {
  const ChildSa* next = sa.child_by_pair(child.successor);
  while (next && !next->is_live()) next = sa.child_by_pair(next->successor);
  if (next) return next;
  const auto other = std::ranges::find_if(sa.children, [&](const ChildSa& one) {
    return one.lineage == child.lineage && one.pair != child.pair && one.is_live();
  });
  return other == sa.children.end() ? nullptr : &*other;
}

// The successor goes before its predecessor: the peer never had it, as after a collision whose end
// it did not hear. Then the predecessor, which the peer still has, is the one.
const ChildSa* revive_predecessor(Host& host, IkeSa& sa, const ChildSa& successor) {
  const auto at = std::ranges::find_if(sa.children, [&](const ChildSa& one) {
    return one.lineage == successor.lineage && one.pair != successor.pair &&
           one.state == ChildState::rekeyed;
  });
  if (at == sa.children.end()) return nullptr;
  at->state = ChildState::installed;
  at->successor = {};
  schedule_rekey(host, *at);
  return &*at;
}

// Nothing carries the lineage's traffic any more; others of it may still be on their way out.
void tell_down(Host& host, IkeSa& sa, const ChildSa& child) {
  if (child.told_down) return;
  for (ChildSa& one : sa.children)
    if (one.lineage == child.lineage) one.told_down = true;
  host.up_down(sa, false, static_cast<std::size_t>(&child - sa.children.data()));
}

// Takes it out of the outbound direction; false when no other SA of the lineage goes on.
bool stop_sending(Host& host, IkeSa& sa, ChildSa& child, std::string_view by) {
  const ChildSa* next = next_of_lineage(sa, child);
  if (!next && child.is_live()) next = revive_predecessor(host, sa, child);
  const bool succeeded = next != nullptr;
  if (child.policy && succeeded) switch_policy(host, sa, next->pair);
  if (!succeeded) tell_down(host, sa, child);
  if (child.policy) host.apply(DeletePolicy{std::exchange(child.policy, {})});
  host.apply(DeleteSa{child.pair, Direction::out});
  emit(host, sa, trace::ChildDeleted{spi_text(child.spi_in), spi_text(child.spi_out), by},
       child.config.get());
  return succeeded;
}

void linger(ChildSa& child, TimePoint now) {
  child.state = ChildState::lingering;
  child.send_at = kNever;
  child.expires_at = now + kLinger;
}

}  // namespace

Mark mark_of(const ChildSa& child, Direction direction) {
  const Mark& configured =
      direction == Direction::in ? child.config->mark_in : child.config->mark_out;
  return {number_of(configured.value, child, direction), configured.mask};
}

std::uint32_t if_id_of(const IkeSa& sa, const ChildSa& child, Direction direction) {
  const bool in = direction == Direction::in;
  const std::uint32_t own = in ? child.config->if_id_in : child.config->if_id_out;
  const std::uint32_t shared = in ? sa.connection->if_id_in : sa.connection->if_id_out;
  return number_of(own ? own : shared, child, direction);
}

void schedule_rekey(Host& host, ChildSa& child) {
  const Lifetime& life = child.config->lifetime;
  if (life.rekey_time > Duration::zero())
    child.rekey_at =
        child.installed + life.rekey_time - jitter(host, std::min(life.rand_time, life.rekey_time));
}

Duration jitter(Host& host, Duration most) {
  if (most <= Duration::zero()) return Duration::zero();
  std::uint8_t octets[8];
  host.provider().random(octets);
  return Duration(static_cast<Duration::rep>(load_be<std::uint64_t>(octets) %
                                             static_cast<std::uint64_t>(most.count())));
}

bool install_child(Host& host, IkeSa& sa, const PeerAuthenticated&, const ChildAgreement& agreement,
                   const ChildNonces& nonces, TimePoint now) {
  ChildSa* child = install_pair(host, sa, agreement, nonces, nullptr, now);
  if (!child) return false;
  if (!nonces.we_initiate && host.has_elder(sa, *child)) child->send_at = now + kAnswerUnderWay;
  if (child->config->policies) {
    child->policy = host.new_policy_id();
    install_policy(host, sa, *child);
  }
  emit(host, sa,
       trace::ChildEstablished{to_string(child->local_ts), to_string(child->remote_ts),
                               to_string(child->suite, protocol_of(*child->config)),
                               spi_text(child->spi_in), spi_text(child->spi_out)},
       child->config.get());
  host.up_down(sa, true, sa.children.size() - 1);
  finish_waiters(host, sa, agreement.config->name, true);
  return true;
}

SaPairId install_successor(Host& host, IkeSa& sa, const PeerAuthenticated&, SaPairId old,
                           const ChildAgreement& agreement, const ChildNonces& nonces,
                           TimePoint now) {
  const ChildSa* child = install_pair(host, sa, agreement, nonces, sa.child_by_pair(old), now);
  if (!child) return {};
  ChildSa* before = sa.child_by_pair(old);
  emit(host, sa,
       trace::ChildRekeyed{before ? spi_text(before->spi_in) : std::string(),
                           before ? spi_text(before->spi_out) : std::string(),
                           spi_text(child->spi_in), spi_text(child->spi_out)},
       child->config.get());
  if (before) {
    before->successor = child->pair;
    if (before->is_live()) before->state = ChildState::rekeyed;
  }
  const auto index = static_cast<std::size_t>(child - sa.children.data());
  // The answer to our request may come when the peer has deleted all that there was.
  if (!before || before->told_down)
    host.up_down(sa, true, index);
  else
    host.child_rekeyed(sa, static_cast<std::size_t>(before - sa.children.data()), index);
  return child->pair;
}

void switch_policy(Host& host, IkeSa& sa, SaPairId pair) {
  ChildSa* to = sa.child_by_pair(pair);
  if (!to || !to->is_live() || to->policy || !to->config->policies) return;
  for (ChildSa& child : sa.children)
    if (child.lineage == to->lineage) child.send_at = kNever;
  ChildSa* from = policy_holder(sa, to->lineage);
  if (from && from->local_ts == to->local_ts && from->remote_ts == to->remote_ts) {
    to->policy = std::exchange(from->policy, {});
    return host.apply(UpdatePolicy{to->policy, pair});
  }
  to->policy = host.new_policy_id();
  install_policy(host, sa, *to);
  if (from) host.apply(DeletePolicy{std::exchange(from->policy, {})});
}

void remove_child(Host& host, IkeSa& sa, SaPairId pair, std::string_view by, TimePoint now) {
  ChildSa* child = sa.child_by_pair(pair);
  if (!child) return;
  if (child->state != ChildState::lingering && stop_sending(host, sa, *child, by))
    return linger(*child, now);
  forget(host, sa, *child);
}

void remove_children(Host& host, IkeSa& sa, IkeSa* heir, std::string_view by, TimePoint now) {
  // The oldest first, so that the last of a lineage is the one that goes down.
  while (!sa.children.empty()) {
    ChildSa& child = sa.children.front();
    if (child.state != ChildState::lingering) {
      stop_sending(host, sa, child, by);
      linger(child, now);
    }
    if (!heir) {
      forget(host, sa, child);
      continue;
    }
    host.own_pair(child.pair, *heir);
    heir->children.push_back(std::move(child));
    sa.children.erase(sa.children.begin());
  }
  if (heir) host.touched(*heir);
}

void reschedule_child(Host& host, const IkeSa& sa, ChildSa& child, TimePoint now) {
  const Lifetime& life = child.config->lifetime;
  child.rekey_at = child.expires_at = child.idle_at = kNever;
  set_lifetime(host, sa, child, child.installed);
  // What the new settings would have ended long ago is replaced first.
  if (child.rekey_at < now) child.rekey_at = now;
  if (child.expires_at < now) child.expires_at = now + (life.life_time - life.rekey_time);
}

void expire_children(Host& host, IkeSa& sa, TimePoint now) {
  for (ChildSa& child : sa.children)
    if (child.send_at <= now) send_on(host, sa, child);
  std::vector<SaPairId> due;
  for (const ChildSa& child : sa.children)
    if (child.expires_at <= now ||
        (child.is_live() && std::min(child.rekey_at, child.idle_at) <= now))
      due.push_back(child.pair);
  for (const SaPairId pair : due) {
    ChildSa& child = *sa.child_by_pair(pair);
    if (child.state == ChildState::lingering) {
      forget(host, sa, child);
    } else if (child.expires_at <= now) {
      child.expires_at = child.rekey_at = kNever;
      queue_task(sa, DeleteChild{pair});
      if (sa.connection->keep_up) queue_task(sa, CreateChild{child.config, Ke::none, child.scope});
    } else if (child.idle_at <= now) {
      child.idle_at = kNever;  // until the answer is here
      host.ask_last_use(pair);
    } else {
      child.rekey_at = kNever;
      queue_task(sa, RekeyChild{pair, Ke::none, std::exchange(child.rehearse, false)});
    }
  }
}

void finish_waiters(Host& host, IkeSa& sa, std::string_view child, bool success) {
  const std::string explanation = success ? std::string() : sa.last_failure;
  if (!success) host.child_missing(sa);
  std::erase_if(sa.waiters, [&](const Waiter& waiter) {
    if (waiter.child != child) return false;
    host.finished(waiter.command, success, explanation);
    return true;
  });
}

}  // namespace culvert::ikev2
