// Netlink requests that leave in one send, each answered by the kernel.
#pragma once

#include <functional>
#include <vector>

#include "base/bytes.h"

struct nlmsghdr;

namespace culvert::xfrm {

// Invariant: whole, aligned messages; octets are zeroised when it dies, because some are keys.
class Batch {
 public:
  // No message of ours is larger.
  static constexpr std::size_t kMaxMessage = 4'096;

  explicit Batch(std::size_t messages_with_keys = 0);
  ~Batch();
  Batch(Batch&&) = default;
  Batch& operator=(Batch&&) = delete;

  // Appends a request (NLM_F_REQUEST and NLM_F_ACK are set); `fill` adds body and attributes.
  void add(std::uint16_t type, std::uint16_t flags, const std::function<void(nlmsghdr*)>& fill);

  std::size_t size() const { return offsets_.size(); }
  bool empty() const { return offsets_.empty(); }
  // Message `index` as it will be sent.
  ByteView message(std::size_t index) const;
  nlmsghdr* header(std::size_t index);
  // Messages from..to-1, in one piece.
  ByteView range(std::size_t from, std::size_t to) const;

 private:
  std::size_t end_of(std::size_t index) const;
  Bytes octets_;
  std::vector<std::size_t> offsets_;
};

}  // namespace culvert::xfrm
