// How EAP-TLS, EAP-TTLS and PEAP carry TLS: flags, a length, and fragments that are acknowledged
// one by one (RFC 5216, 2.1.5 and 3; RFC 5281, 9.2). Invariant: while fragments of ours are under
// way, nothing but acknowledgements is taken.
#pragma once

#include "base/bytes.h"

namespace culvert::eap {

class TlsFragments {
 public:
  // `size`: octets of type-data in one packet of ours.
  explicit TlsFragments(std::size_t size) : size_(size) {}

  struct Received {
    enum class Kind : std::uint8_t {
      message,          // complete; an empty one acknowledges what we sent last
      fragment,         // answer with acknowledgement()
      acknowledgement,  // answer with next()
      out_of_turn,      // changes nothing
    };
    Kind kind = Kind::message;
    bool start = false;
    Bytes message;
  };
  // Fails with truncated, bad_length or too_large (limits::kMaxEapTlsMessage).
  Result<Received> take(ByteView type_data);

  // Begins to send a message, which may be empty.
  void put(Bytes message);
  // The type-data of its next fragment.
  Bytes next();
  bool more() const { return sent_ < outgoing_.size(); }

  static Bytes start();
  static Bytes acknowledgement();

 private:
  std::size_t size_;
  Bytes outgoing_;
  std::size_t sent_ = 0;
  Bytes incoming_;
  std::uint32_t announced_ = 0;  // octets of the message that comes in; 0: not said
};

}  // namespace culvert::eap
