// Walks a chain of payloads by their generic headers (RFC 7296, 3.2), bodies unread.
#pragma once

#include "base/bytes.h"
#include "wire/registry.h"

namespace culvert::wire {

struct ChainLink {
  PayloadType type = PayloadType::none;
  PayloadType next = PayloadType::none;  // for SK and SKF: the first type inside
  bool critical = false;
  Reader body{{}};
};

constexpr bool is_encrypted(PayloadType type) {
  return type == PayloadType::sk || type == PayloadType::skf;
}

class Chain {
 public:
  Chain(PayloadType first, ByteView chain, std::size_t base_offset)
      : next_(first), reader_(chain, base_offset) {}

  bool at_end() const { return next_ == PayloadType::none; }
  // Where the next payload starts, for errors.
  const Reader& reader() const { return reader_; }

  // The next payload; not at the end. After SK or SKF the chain is at its end.
  // Errors: truncated, bad_length.
  Result<ChainLink> next() {
    const Reader start = reader_;
    ChainLink link;
    link.type = next_;
    link.next = PayloadType{TRY(reader_.u8())};
    link.critical = TRY(reader_.u8()) & kCriticalFlag;
    const std::uint16_t length = TRY(reader_.u16());
    if (length < 4) return start.bad(Reason::bad_length);
    link.body = TRY(reader_.nested(length - 4));
    next_ = is_encrypted(link.type) ? PayloadType::none : link.next;
    return link;
  }

  static constexpr std::uint8_t kCriticalFlag = 0x80;

 private:
  PayloadType next_;
  Reader reader_;
};

}  // namespace culvert::wire
