// The control thread's event loop: one asio::io_context and the clock that the shard is told.
#pragma once

#include <asio.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "base/time.h"

namespace culvert::io {

class EventLoop {
 public:
  asio::io_context& context() { return context_; }
  // The steady clock's own origin, which the data plane's workers use too.
  TimePoint now() const {
    return TimePoint(std::chrono::duration_cast<Duration>(Clock::now().time_since_epoch()));
  }

  void run() { context_.run(); }
  void stop() { context_.stop(); }
  // Runs `f` on the loop's thread; callable from any thread.
  void post(std::function<void()> f) { asio::post(context_, std::move(f)); }

 private:
  friend class Timer;
  using Clock = std::chrono::steady_clock;
  static Clock::time_point at(TimePoint when) {
    return Clock::time_point(std::chrono::duration_cast<Clock::duration>(when.time_since_epoch()));
  }

  asio::io_context context_{1};
};

// One deadline at a time; setting it anew forgets the one before.
class Timer {
 public:
  // The loop outlives the timer. `f` is called on its thread.
  Timer(EventLoop& loop, std::function<void()> f) : timer_(loop.context()), f_(std::move(f)) {}

  // kNever: no deadline.
  void set(TimePoint deadline);

 private:
  asio::steady_timer timer_;
  std::function<void()> f_;
  // Shared with the wait under way, which may be over and queued when this dies.
  std::shared_ptr<TimePoint> deadline_ = std::make_shared<TimePoint>(kNever);
};

// Calls `f` on the loop's thread whenever a descriptor that somebody else owns is readable.
class ReadableWatch {
 public:
  ReadableWatch(EventLoop& loop, int fd, std::function<void()> f);
  ~ReadableWatch();
  ReadableWatch(const ReadableWatch&) = delete;
  ReadableWatch& operator=(const ReadableWatch&) = delete;

 private:
  void wait();
  asio::posix::stream_descriptor descriptor_;
  std::shared_ptr<std::function<void()>> f_;  // gone: a wait that is over must not touch this
};

}  // namespace culvert::io
