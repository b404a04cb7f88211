// The NETLINK_XFRM sockets: one for requests, one that hears what the kernel tells.
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "esp/file_descriptor.h"
#include "xfrm/parse.h"

namespace culvert::xfrm {

class RequestSocket {
 public:
  // `protocol`: NETLINK_XFRM or NETLINK_ROUTE. The error is a sentence.
  static std::expected<RequestSocket, std::string> open(int protocol);

  // Sends all and returns one answer for each message. The kernel works while it takes the request,
  // so its answers are there when the call that sends returns. `on_answer` gets what is more than
  // yes or no: the message it belongs to, and the whole answer.
  using OnAnswer = std::function<void(std::size_t index, ByteView answer)>;
  std::vector<Ack> transact(Batch& batch, const OnAnswer& on_answer = {});

 private:
  explicit RequestSocket(esp::FileDescriptor fd) : fd_(std::move(fd)), buffer_(kBuffer) {}
  static constexpr std::size_t kBuffer = 65'536;
  void exchange(Batch& batch, std::size_t from, std::size_t to, const OnAnswer& on_answer,
                std::vector<Ack>& acks);
  // False: the message is none of ours, or not the last one for its request.
  bool take(ByteView message, const OnAnswer& on_answer, std::vector<Ack>& acks);

  esp::FileDescriptor fd_;
  Bytes buffer_;
  std::uint32_t first_ = 1;  // sequence number of the batch's first message
};

class EventSocket {
 public:
  static std::expected<EventSocket, std::string> open();
  int fd() const { return fd_.get(); }
  // What has come in, at most some hundreds. `overrun`: the kernel had to drop events.
  std::vector<Event> receive(bool& overrun);

 private:
  explicit EventSocket(esp::FileDescriptor fd) : fd_(std::move(fd)) {}
  esp::FileDescriptor fd_;
};

}  // namespace culvert::xfrm
