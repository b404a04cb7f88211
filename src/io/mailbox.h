// IKE datagrams on their way from worker threads to the control thread.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "io/event_loop.h"
#include "net/datagram.h"

namespace culvert::io {

// Bounded: a flood fills the box, not the memory. What does not fit is counted and lost, as a full
// socket buffer would lose it. Requests that begin an IKE SA have a short queue of their own,
// behind the messages of those that exist: an honest stranger repeats its request, and an answer
// that comes after that is of no use.
class Mailbox {
 public:
  static constexpr std::size_t kMaxOctets = 16 * 1'024 * 1'024;
  static constexpr std::size_t kMaxStrangers = 512;  // first requests that wait

  // `deliver` is called on the loop's thread, and must not throw. The loop outlives the box.
  Mailbox(EventLoop& loop, std::function<void(const Datagram&)> deliver)
      : loop_(loop), deliver_(std::move(deliver)) {}

  // From any thread: copies the datagram and returns.
  void push(const Datagram& datagram);
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  struct Letter {
    Endpoint local, remote;
    std::size_t begin = 0, size = 0;  // within Batch::octets
  };
  struct Batch {
    std::vector<Letter> letters;
    Bytes octets;

    void add(const Datagram& datagram);
    std::size_t size() const { return letters.size() * sizeof(Letter) + octets.size(); }
  };
  void drain();
  void deliver(const Batch& batch) const;

  EventLoop& loop_;
  std::function<void(const Datagram&)> deliver_;
  std::mutex mutex_;
  Batch known_, strangers_;
  bool draining_ = false;
  std::atomic<std::uint64_t> dropped_ = 0;
};

}  // namespace culvert::io
