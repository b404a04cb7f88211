// Invariant: a drain is under way whenever letters wait, and only one.
#include "io/mailbox.h"

#include <algorithm>
#include <utility>

namespace culvert::io {
namespace {

// RFC 7296, 3.1: the responder's SPI, zero in the first message alone.
bool begins_an_ike_sa(ByteView message) {
  constexpr std::size_t kSpi = 8;
  return message.size() < 2 * kSpi ||
         std::ranges::all_of(message.subspan(kSpi, kSpi), [](auto octet) { return octet == 0; });
}

}  // namespace

void Mailbox::Batch::add(const Datagram& datagram) {
  letters.push_back({datagram.local, datagram.remote, octets.size(), datagram.payload.size()});
  append(octets, datagram.payload);
}

void Mailbox::push(const Datagram& datagram) {
  const std::lock_guard lock(mutex_);
  const bool stranger = begins_an_ike_sa(datagram.payload);
  const std::size_t cost = sizeof(Letter) + datagram.payload.size();
  if ((stranger && strangers_.letters.size() >= kMaxStrangers) ||
      known_.size() + strangers_.size() + cost > kMaxOctets) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  (stranger ? strangers_ : known_).add(datagram);
  if (!std::exchange(draining_, true)) loop_.post([this] { drain(); });
}

void Mailbox::drain() {
  Batch known, strangers;
  {
    const std::lock_guard lock(mutex_);
    std::swap(known, known_);
    std::swap(strangers, strangers_);
    draining_ = false;
  }
  deliver(known);
  deliver(strangers);
}

void Mailbox::deliver(const Batch& batch) const {
  for (const auto& letter : batch.letters)
    deliver_(
        {letter.local, letter.remote, ByteView(batch.octets).subspan(letter.begin, letter.size)});
}

}  // namespace culvert::io
