// A file descriptor that closes itself, and eventfd(2) on top of it.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace culvert::esp {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      if (fd_ >= 0) close(fd_);
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

inline FileDescriptor make_event() {
  return FileDescriptor(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}
// An event's counter can't overflow by ones, and an empty one need not be cleared, so neither call
// has a failure to report.
inline void signal_event(const FileDescriptor& event) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(event.get(), &one, sizeof one);
}
inline void clear_event(const FileDescriptor& event) {
  std::uint64_t count;
  [[maybe_unused]] const ssize_t got = read(event.get(), &count, sizeof count);
}

}  // namespace culvert::esp
