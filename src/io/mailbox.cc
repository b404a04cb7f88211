// Invariant: a drain is under way whenever letters wait, and only one.
#include "io/mailbox.h"

namespace culvert::io {

void Mailbox::push(const Datagram& datagram) {
  const std::lock_guard lock(mutex_);
  const std::size_t cost = sizeof(Letter) + datagram.payload.size();
  if (waiting_.letters.size() * sizeof(Letter) + waiting_.octets.size() + cost > kMaxOctets) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  waiting_.letters.push_back(
      {datagram.local, datagram.remote, waiting_.octets.size(), datagram.payload.size()});
  append(waiting_.octets, datagram.payload);
  if (waiting_.letters.size() == 1) loop_.post([this] { drain(); });
}

void Mailbox::drain() {
  Batch batch;
  {
    const std::lock_guard lock(mutex_);
    std::swap(batch, waiting_);
  }
  for (const auto& letter : batch.letters)
    deliver_(
        {letter.local, letter.remote, ByteView(batch.octets).subspan(letter.begin, letter.size)});
}

}  // namespace culvert::io
