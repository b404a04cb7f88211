// The process that holds the private keys. It never sees the network: all that it has is one end of
// a socket pair, over which it loads keys and signs.
#pragma once

#include <unistd.h>

#include <expected>
#include <string>
#include <utility>

namespace culvert::signer {

// A descriptor that is closed when it dies.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

// Forks it; before this process has threads or secrets. It ends when the returned end of the pair
// is closed, or this process is gone.
std::expected<Socket, std::string> start_process();

// What it does until the other end is closed: answers requests, one at a time, in their order.
void serve(int fd);

}  // namespace culvert::signer
