// Owns the reassembly of fragmented messages. Invariants: a fragment that does not verify changes
// nothing; an IKE SA reassembles one request and one response at a time; what all of them hold is
// bounded, before authentication as after it.
#include "ikev2/fragmentation.h"

#include <algorithm>

#include "base/limits.h"
#include "ikev2/channel.h"

namespace culvert::ikev2 {
namespace {

// IP and UDP headers, and the non-ESP marker of port 4500.
constexpr std::size_t kOverheadV4 = 20 + 8 + 4;
constexpr std::size_t kOverheadV6 = 40 + 8 + 4;

std::size_t message_size(const IpAddress& peer, std::size_t packet) {
  const std::size_t overhead = peer.is_v6() ? kOverheadV6 : kOverheadV4;
  return packet > overhead ? packet - overhead : 0;
}

std::unexpected<Error> refuse(Reason reason) {
  return culvert::fail(Fault::peer_misbehaved, reason);
}

// RFC 7383, 2.6: the checks before anything is verified.
Result<> check_position(const Reassembly* known, const wire::Header& header,
                        const wire::FragmentPosition& position) {
  if (position.total > limits::kMaxFragments) return refuse(Reason::too_large);
  if (!known) return {};
  if (known->exchange() != header.exchange) return refuse(Reason::bad_value);
  if (position.total < known->total()) return refuse(Reason::no_match);
  if (position.total == known->total() && known->has(position.number))
    return refuse(Reason::no_match);
  return {};
}

Reassembly* find_reassembly(const IkeSa& sa, bool response) {
  return sa.fragments[response ? 1 : 0].get();
}

void begin_reassembly(Host& host, IkeSa& sa, const wire::Header& header, std::uint16_t total,
                      TimePoint now) {
  FragmentPool& pool = host.fragment_pool();
  auto& slot = sa.fragments[header.response ? 1 : 0];
  slot.reset();
  slot = std::make_unique<Reassembly>(pool, header, total, now + limits::kReassemblyLifetime);
  pool.order.push_back({sa.self, header.response, slot->serial()});
}

// Whether the reassembly of this entry has not ended.
bool is_current(Host& host, const FragmentPool::Entry& entry) {
  const IkeSa* sa = host.find(entry.sa);
  const Reassembly* one = sa ? find_reassembly(*sa, entry.response) : nullptr;
  return one && one->serial() == entry.serial;
}

}  // namespace

Reassembly::Reassembly(FragmentPool& pool, const wire::Header& header, std::uint16_t total,
                       TimePoint expires)
    : pool_(pool),
      serial_(++pool.last_serial),
      message_id_(header.message_id),
      exchange_(header.exchange),
      total_(total),
      expires_(expires) {}

Reassembly::~Reassembly() { pool_.octets -= octets_; }

bool Reassembly::has(std::uint16_t number) const {
  return std::ranges::binary_search(chunks_, number, {}, &Chunk::number);
}

bool Reassembly::add(wire::Fragment&& fragment, std::size_t datagram_size) {
  plaintext_octets_ += fragment.plaintext.size();
  if (plaintext_octets_ > limits::kMaxMessageSize) return false;
  if (fragment.number == 1) first_type_ = fragment.inner;
  const std::size_t cost = fragment.plaintext.size() + kChunkOverhead;
  octets_ += cost;
  pool_.octets += cost;
  datagram_octets_ += datagram_size;
  largest_datagram_ = std::max(largest_datagram_, datagram_size);
  const auto at = std::ranges::lower_bound(chunks_, fragment.number, {}, &Chunk::number);
  chunks_.insert(at, Chunk{fragment.number, std::move(fragment.plaintext)});
  return true;
}

wire::Opened Reassembly::take() {
  wire::Opened whole{first_type_, {}};
  whole.plaintext.reserve(plaintext_octets_);
  for (const Chunk& chunk : chunks_)
    whole.plaintext.insert(whole.plaintext.end(), chunk.octets.begin(), chunk.octets.end());
  return whole;
}

Result<std::optional<Reassembled>> collect_fragment(Host& host, IkeSa& sa,
                                                    const wire::Header& header, ByteView datagram,
                                                    TimePoint now) {
  if (!sa.fragmentation) return refuse(Reason::refused);
  auto& slot = sa.fragments[header.response ? 1 : 0];
  const wire::FragmentPosition position = TRY(wire::peek_fragment(datagram));
  const bool known = slot && slot->message_id() == header.message_id;
  CHECK_OK(check_position(known ? slot.get() : nullptr, header, position));
  wire::Fragment fragment = TRY(wire::open_fragment(host.provider(), inbound_keys(sa), datagram));
  if (!known || position.total > slot->total())
    begin_reassembly(host, sa, header, position.total, now);
  const bool fits = slot->add(std::move(fragment), datagram.size());
  if (!fits) {
    slot.reset();
    return refuse(Reason::too_large);
  }
  if (!slot->is_complete()) {
    bound_fragments(host);
    return std::nullopt;
  }
  Reassembled whole{slot->take(), slot->total(),
                    static_cast<std::uint32_t>(slot->datagram_octets())};
  // RFC 7383, 2.5.1: what reached us tells what the path takes.
  sa.peer_fragment_size = static_cast<std::uint16_t>(slot->largest_datagram());
  slot.reset();
  return whole;
}

Result<bool> repeats_first_fragment(Host& host, const IkeSa& sa, ByteView datagram) {
  const wire::FragmentPosition position = TRY(wire::peek_fragment(datagram));
  if (position.number != 1) return false;
  CHECK_OK(wire::open_fragment(host.provider(), inbound_keys(sa), datagram));
  return true;
}

bool may_fragment(const IkeSa& sa) {
  return sa.fragmentation && sa.connection->fragmentation == Fragmentation::yes;
}

std::size_t largest_message(const Host& host, const IkeSa& sa) {
  std::size_t largest = message_size(sa.remote.address, host.options().fragment_size);
  const std::size_t least = message_size(sa.remote.address, limits::kSmallFragmentSize);
  if (sa.peer_fragment_size > 0)
    largest = std::min(largest, std::max<std::size_t>(sa.peer_fragment_size, least));
  return largest;
}

void drop_expired_fragments(IkeSa& sa, TimePoint now) {
  for (auto& slot : sa.fragments)
    if (slot && slot->expires() <= now) slot.reset();
}

void bound_fragments(Host& host) {
  FragmentPool& pool = host.fragment_pool();
  while (!pool.order.empty()) {
    const FragmentPool::Entry oldest = pool.order.front();
    const bool current = is_current(host, oldest);
    if (current && pool.octets <= limits::kMaxReassemblyOctets) return;
    pool.order.pop_front();
    if (current) host.find(oldest.sa)->fragments[oldest.response ? 1 : 0].reset();
  }
}

}  // namespace culvert::ikev2
