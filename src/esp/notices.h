// Notices on their way from workers to the control thread, and the descriptor that announces them.
#pragma once

#include <mutex>
#include <vector>

#include "base/strong_id.h"
#include "esp/file_descriptor.h"
#include "ipsec/operations.h"

namespace culvert::esp {

class NoticeQueue {
 public:
  // A peer must not fill memory by traffic alone; what does not fit is lost, and rate limits make
  // that unlikely.
  static constexpr std::size_t kMaxQueued = 65'536;

  explicit NoticeQueue(FileDescriptor event) : event_(std::move(event)) {}

  void push(const SadNotice& notice) {
    const std::lock_guard lock(mutex_);
    if (notices_.size() >= kMaxQueued) return;
    notices_.push_back(notice);
    if (notices_.size() == 1) signal_event(event_);
  }
  std::vector<SadNotice> take() {
    const std::lock_guard lock(mutex_);
    clear_event(event_);
    return std::exchange(notices_, {});
  }
  int fd() const { return event_.get(); }

 private:
  FileDescriptor event_;
  std::mutex mutex_;
  std::vector<SadNotice> notices_;
};

}  // namespace culvert::esp
