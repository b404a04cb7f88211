// The life of IKE SAs in a shard: numbers, indexes, timers, taking down, starting again.
#include <fmt/format.h>

#include <algorithm>

#include "ikev2/child.h"
#include "ikev2/dispatch.h"
#include "ikev2/tasks.h"
#include "shard/impl.h"

namespace culvert {
namespace {

// Six bits of an ESP SPI and eight of an IKE SPI name the shard.
constexpr unsigned kChildSpiShardShift = 26;
constexpr unsigned kIkeSpiShardShift = 56;
constexpr std::uint32_t kFirstChildSpi = 256;  // RFC 4303, 2.1: 1 to 255 are reserved

constexpr std::uint32_t kEventsPerSecond = 100;  // of each budget

constexpr Duration kSupersedeAfter = std::chrono::seconds(5);

// Which budget such an event has: what anybody on the network can cause at no cost, and what takes
// a key exchange and wrong credentials. The two are apart, so that noise doesn't hide the second.
enum class Budget : std::uint8_t { strangers, failures, none };

template <class... Bodies>
bool is_one_of(const trace::Body& body) {
  return (std::holds_alternative<Bodies>(body) || ...);
}

Budget budget_of(const trace::Body& body) {
  using namespace trace;
  if (is_one_of<MessageDropped, CookieDemanded, HalfOpenEvicted, SourceSlowed,
                NoConnectionForAddresses, NoCommonProposal, OtherMethodWanted, BadPublicValue>(
          body))
    return Budget::strangers;
  if (is_one_of<NoConnectionForIdentity, NoSecret, WrongSecret, WrongAuthMethod, MalformedMessage,
                AaaRejected, AaaFailed>(body))
    return Budget::failures;
  return Budget::none;
}

std::uint64_t identity_pair_key(const Identity& local, const Identity& remote) {
  const std::hash<std::string> hash;
  return hash(index_key(local)) * 31 + hash(index_key(remote));
}

}  // namespace

void Shard::Impl::emit(trace::Event&& event) {
  counters_.count(event);
  const Budget budget = budget_of(event.body);
  if (now_ - event_second_ >= std::chrono::seconds(1)) {
    event_second_ = now_;
    told_ = {};
  }
  if (budget != Budget::none && ++told_[static_cast<std::size_t>(budget)] > kEventsPerSecond)
    return;
  outputs_.push_back(std::move(event));
}

std::uint64_t Shard::Impl::new_ike_spi() {
  constexpr std::uint64_t kMask = (std::uint64_t{1} << kIkeSpiShardShift) - 1;
  for (;;) {
    std::uint8_t octets[8];
    provider_.random(octets);
    const std::uint64_t spi = (load_be<std::uint64_t>(octets) & kMask) |
                              (std::uint64_t{options_.index} << kIkeSpiShardShift);
    if (spi != 0 && !by_spi_.contains(spi)) return spi;
  }
}

std::uint32_t Shard::Impl::new_child_spi() {
  constexpr std::uint32_t kMask = (std::uint32_t{1} << kChildSpiShardShift) - 1;
  for (;;) {
    std::uint8_t octets[4];
    provider_.random(octets);
    const std::uint32_t random = load_be<std::uint32_t>(octets) & kMask;
    const std::uint32_t spi =
        random | (static_cast<std::uint32_t>(options_.index) << kChildSpiShardShift);
    if (random >= kFirstChildSpi && child_spis_.insert(spi).second) return spi;
  }
}

std::uint16_t Shard::Impl::new_cpi() {
  // RFC 3173, 3.3: those to be negotiated. There are few, so no more than half of them are given.
  constexpr std::uint32_t kFirst = 256, kEnd = 61'440;
  if (cpis_.size() >= (kEnd - kFirst) / 2) return 0;
  for (;;) {
    std::uint8_t octets[4];
    provider_.random(octets);
    const auto cpi =
        static_cast<std::uint16_t>(kFirst + load_be<std::uint32_t>(octets) % (kEnd - kFirst));
    if (cpis_.insert(cpi).second) return cpi;
  }
}

std::uint32_t Shard::Impl::reqid_for(const IkeSa& sa, const ikev2::ChildSa& child) {
  if (child.config->reqid) return child.config->reqid;
  const auto trap = traps_.find({sa.connection->name, child.config->name});
  const bool same = trap != traps_.end() && trap->second.local_ts == child.local_ts &&
                    trap->second.remote_ts == child.remote_ts;
  return same ? trap->second.reqid : ++last_reqid_;
}

IkeSa& Shard::Impl::create() {
  const SaHandle handle = sas_.emplace();
  IkeSa& sa = *sas_.get(handle);
  sa.self = handle;
  sa.unique_id = ++last_ike_id_;
  return sa;
}

IkeSa& Shard::Impl::create_successor(const IkeSa& old, ikev2::Role role, std::uint64_t spi_i,
                                     std::uint64_t spi_r) {
  IkeSa& sa = create();
  sa.role = role;
  sa.spi_i = spi_i;
  sa.spi_r = spi_r;
  sa.local = old.local;
  sa.remote = old.remote;
  sa.connection = old.connection;
  sa.local_id = old.local_id;
  sa.remote_id = old.remote_id;
  sa.eap_user = old.eap_user;
  sa.nat_local = old.nat_local;
  sa.nat_remote = old.nat_remote;
  sa.nat_fake = old.nat_fake;
  sa.udp_encap = old.udp_encap;
  sa.fragmentation = old.fragmentation;
  sa.meter = old.meter;
  sa.peer_fragment_size = old.peer_fragment_size;
  sa.reauth_at = old.reauth_at;
  sa.auth_expires = old.auth_expires;
  sa.replaces = old.replaces;
  sa.authenticated = old.authenticated;
  sa.superseded_at = old.superseded_at;
  sa.peer_nat_t = old.peer_nat_t;
  sa.first_initiator = old.first_initiator;
  sa.assigned = old.assigned;
  if (old.mobility) {
    sa.mobility = std::make_unique<ikev2::Mobility>(*old.mobility);
    sa.mobility->seen_as.clear();  // it covers the SPIs
    sa.mobility->asking = false;
  }
  sa.state = ikev2::Established{old.in<ikev2::Established>()->proof, {}, {}};
  by_spi_[sa.our_spi()] = sa.self;
  by_identity_.insert({identity_key(sa), sa.self});
  by_connection_.insert({key_of(sa.connection->name), sa.self});
  return sa;
}

void Shard::Impl::index_half_open(const IkeSa& sa) {
  half_open_.add({sa.spi_i, sa.first_remote}, sa.self);
}

bool Shard::Impl::unindex_half_open(const IkeSa& sa) {
  return half_open_.remove({sa.spi_i, sa.first_remote}, sa.self);
}

std::uint64_t Shard::Impl::identity_key(const IkeSa& sa) {
  return identity_pair_key(sa.local_id, sa.remote_id) ^ key_of(sa.eap_user);
}

// Where EAP says who it is, IKE's identity alone is anybody's claim.
bool Shard::Impl::is_same_peer(const IkeSa& one, const IkeSa& other) {
  return one.local_id == other.local_id && one.remote_id == other.remote_id &&
         one.eap_user == other.eap_user;
}

void Shard::Impl::authenticated(IkeSa& sa, bool initial_contact) {
  unindex_half_open(sa);
  const std::uint64_t key = identity_key(sa);
  const Unique unique = sa.connection->unique;
  const bool replace = unique == Unique::replace || (initial_contact && unique != Unique::never);
  if (unique != Unique::never || sa.connection->keep_up) {
    auto at = by_identity_.lower_bound({key, SaHandle{}});
    for (int seen = 0; at != by_identity_.end() && at->first == key; ++at, ++seen) {
      if (!replace && seen == kMostAlike) break;
      IkeSa* other = sas_.get(at->second);
      if (!other || sa.replaces == at->second) continue;
      if (!is_same_peer(*other, sa)) continue;
      if (crossed(sa, *other))
        settle_crossed(sa, *other);
      else if (replace)
        supersede(*other, initial_contact);
    }
  }
  by_identity_.insert({key, sa.self});
  by_connection_.insert({key_of(sa.connection->name), sa.self});
  if (const auto at = restarts_.find(sa.connection->name); at != restarts_.end())
    at->second.attempt = 0;
}

// The other end's `other` came up while `sa`, which we began or it began, was under way.
bool Shard::Impl::crossed(const IkeSa& sa, const IkeSa& other) const {
  return other.in<ikev2::Established>() && sa.is_initiator() != other.first_initiator &&
         other.authenticated >= sa.created && sa.connection->name == other.connection->name;
}

// RFC 7296 leaves it open. The SA with the lower SPIs ends, which both ends see alike, so that
// never both do; what the peer's INITIAL_CONTACT says was true only when it began. It is enough
// that one end sees that they crossed: the other may have had one up before it heard of the other
// one.
void Shard::Impl::settle_crossed(IkeSa& sa, IkeSa& other) {
  const bool lower = std::pair(sa.spi_i, sa.spi_r) < std::pair(other.spi_i, other.spi_r);
  IkeSa& ended = lower ? sa : other;
  const IkeSa& kept = lower ? other : sa;
  if (ended.superseded_at != kNever || kept.superseded_at != kNever) return;
  ikev2::emit(*this, ended,
              trace::InitiatedByBoth{fmt::format("{:016x}", kept.spi_i),
                                     fmt::format("{:016x}", ended.spi_i)});
  supersede(ended, false);
}

// A peer that has just started has no other SA (RFC 7296, 2.4). Any other peer must be told, and
// not before its new SA can have CHILD SAs: it may be authenticating anew.
void Shard::Impl::supersede(IkeSa& old, bool peer_has_none) {
  if (peer_has_none || !old.in<ikev2::Established>()) {
    ikev2::close(old, "restart of the peer");
  } else {
    old.superseded_at = std::min(old.superseded_at, now_ + kSupersedeAfter);
  }
  touched_.push_back(old.self);
}

bool Shard::Impl::is_first_contact(const IkeSa& sa) const {
  const std::uint64_t key = identity_key(sa);
  const auto at = by_identity_.lower_bound({key, SaHandle{}});
  return at == by_identity_.end() || at->first != key;
}

void Shard::Impl::disown_pair(SaPairId pair) {
  pair_owner_.erase(pair);
  auto [first, last] = child_close_waiters_.equal_range(pair);
  for (auto at = first; at != last; ++at) finished(at->second, true, {});
  child_close_waiters_.erase(first, last);
}

void Shard::Impl::settle(SaHandle handle, TimePoint now) {
  IkeSa* sa = sas_.get(handle);
  if (!sa) return;
  if (sa->closed()) return retire(handle, now);
  const TimePoint next = sa->next_deadline();
  if (next < sa->armed) {
    sa->armed = next;
    timers_.schedule(next, handle);
  }
}

void Shard::Impl::settle_touched(TimePoint now) {
  for (const SaHandle handle : std::exchange(touched_, {})) settle(handle, now);
}

void Shard::Impl::retire(SaHandle handle, TimePoint now) {
  IkeSa& sa = *sas_.get(handle);
  const std::string_view by = sa.in<ikev2::Closed>()->by;
  const bool was_established = sa.established != kNever;
  // Before the policies go, so that traps are in place when they have gone.
  if (sa.took_over && !sa.rekeyed) act_on_end(sa, now);
  const bool deleted = was_established && (by == "us" || by == "peer" || by == "replacement");
  ikev2::remove_children(*this, sa, deleted ? find_newer(sa) : nullptr, by, now);
  if (sa.session) close_session(sa, by);
  ikev2::withdraw_offer(*this, sa);
  if (sa.took_over && !sa.rekeyed) {
    up_down(sa, false, std::nullopt);
    ikev2::emit(*this, sa, trace::IkeDeleted{by});
  }
  give_back_addresses(sa);
  if (was_established) by_identity_.erase({identity_key(sa), handle});
  if (sa.connection) by_connection_.erase({key_of(sa.connection->name), handle});
  // What was begun here and came to nothing: wrong credentials, or never finished.
  if (unindex_half_open(sa)) failures_.failed(source_of(sa.first_remote.address), now);
  by_spi_.erase(sa.our_spi());
  const std::string why =
      sa.last_failure.empty() ? "the IKE SA was closed: " + std::string(by) : sa.last_failure;
  const bool unanswered =
      !was_established && sa.is_initiator() && by == "timeout" && !sas_.get(sa.replaces);
  if (unanswered) try_again(sa.connection, sa.waiters, now);
  for (const ikev2::Waiter& waiter : std::exchange(sa.waiters, {}))
    finished(waiter.command, false, why);
  for (const CommandId command : std::exchange(sa.close_waiters, {})) finished(command, true, {});
  if (IkeSa* old = sas_.get(sa.replaces); old && old->in<ikev2::Established>()) {
    // Reauthentication failed; the old SA goes on while it may.
    old->reauth_at = now + kReauthenticateAgain;
    touched_.push_back(sa.replaces);
  } else if (sa.connection && !sa.rekeyed) {
    schedule_restart(sa, was_established, now);
  }
  sas_.erase(handle);
}

void Shard::Impl::expire_timers(TimePoint now) {
  if (shutdown_deadline_ <= now) {
    shutdown_deadline_ = kNever;
    sas_.for_each([&](SaHandle handle, IkeSa& sa) {
      ikev2::close(sa, "shutdown");
      retire(handle, now);
    });
  }
  while (auto handle = timers_.pop_due(now)) {
    IkeSa* sa = sas_.get(*handle);
    if (!sa) continue;
    sa->armed = kNever;
    if (sa->next_deadline() <= now) ikev2::expire(*this, *sa, now);
    settle(*handle, now);
    settle_touched(now);
  }
}

}  // namespace culvert
