// One daemon per state directory.
#pragma once

#include <expected>
#include <string>

namespace culvert {

// Makes the directory if need be and locks it until this dies. The lock goes with the process,
// however that ends.
class StateLock {
 public:
  static std::expected<StateLock, std::string> acquire(const std::string& directory);
  StateLock(StateLock&& other) noexcept;
  StateLock& operator=(StateLock&&) = delete;
  ~StateLock();

 private:
  explicit StateLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace culvert
