// Timers and descriptors of the event loop.
// Invariant: a callback is never called for a deadline that was replaced.
#include "io/event_loop.h"

namespace culvert::io {

void Timer::set(TimePoint deadline) {
  if (deadline == *deadline_) return;
  *deadline_ = deadline;
  timer_.cancel();
  if (deadline == kNever) return;
  timer_.expires_at(EventLoop::at(deadline));
  timer_.async_wait(
      [this, deadline, current = std::weak_ptr(deadline_)](const asio::error_code& error) {
        // A wait that was over just before it was cancelled comes without an error.
        const auto set = current.lock();
        if (error || !set || *set != deadline) return;
        *set = kNever;
        f_();
      });
}

ReadableWatch::ReadableWatch(EventLoop& loop, int fd, std::function<void()> f)
    : descriptor_(loop.context(), fd), f_(std::make_shared<std::function<void()>>(std::move(f))) {
  wait();
}

ReadableWatch::~ReadableWatch() { descriptor_.release(); }

void ReadableWatch::wait() {
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                         [this, weak = std::weak_ptr(f_)](const asio::error_code& error) {
                           const auto f = weak.lock();
                           if (error || !f) return;
                           (*f)();
                           if (f.use_count() > 1) wait();
                         });
}

}  // namespace culvert::io
