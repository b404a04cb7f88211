#include "eap/tls_fragments.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"

namespace culvert::eap {
namespace {

constexpr std::uint8_t kLengthIncluded = 0x80;
constexpr std::uint8_t kMoreFragments = 0x40;
constexpr std::uint8_t kStart = 0x20;
constexpr std::size_t kLongHeader = 5;  // flags and length
// The low bits are the version of EAP-TTLS and PEAP: 0 is the one spoken here, and servers that
// know a higher one come down to what the peer says.

}  // namespace

Bytes TlsFragments::start() { return {kStart}; }
Bytes TlsFragments::acknowledgement() { return {0}; }

Result<TlsFragments::Received> TlsFragments::take(ByteView type_data) {
  Reader in(type_data);
  // Some send acknowledgements without the flags.
  const std::uint8_t flags = in.empty() ? 0 : TRY(in.u8());
  const std::uint32_t length = (flags & kLengthIncluded) != 0 ? TRY(in.u32()) : 0;
  const bool last = (flags & kMoreFragments) == 0;
  const std::size_t at = in.offset();
  const ByteView data = in.rest();
  if (more()) {
    const bool acknowledges = last && data.empty();
    return Received{.kind = acknowledges ? Received::Kind::acknowledgement
                                         : Received::Kind::out_of_turn};
  }
  const auto bad = [&](Reason reason) {
    return fail(Fault::peer_misbehaved, reason, 0, static_cast<std::uint32_t>(at));
  };
  if (std::max<std::size_t>(length, incoming_.size() + data.size()) > limits::kMaxEapTlsMessage)
    return bad(Reason::too_large);
  if (incoming_.empty()) announced_ = length;
  if (length != 0 && length != announced_) return bad(Reason::bad_length);
  if (!last && data.empty()) return bad(Reason::bad_length);  // or else it would never end
  append(incoming_, data);
  if (announced_ != 0 && incoming_.size() > announced_) return bad(Reason::bad_length);
  if (!last) return Received{.kind = Received::Kind::fragment};
  if (announced_ != 0 && incoming_.size() < announced_) return bad(Reason::truncated);
  return Received{.kind = Received::Kind::message,
                  .start = (flags & kStart) != 0,
                  .message = std::exchange(incoming_, {})};
}

void TlsFragments::put(Bytes message) {
  outgoing_ = std::move(message);
  sent_ = 0;
}

Bytes TlsFragments::next() {
  const std::size_t left = outgoing_.size() - sent_;
  const bool whole = sent_ == 0 && left + 1 <= size_;
  const bool first = sent_ == 0 && !whole;
  const std::size_t count = std::min(left, size_ - (first ? kLongHeader : 1));
  Bytes type_data;
  Writer out(type_data);
  const std::uint8_t more = count < left ? kMoreFragments : 0;
  out.u8(static_cast<std::uint8_t>((first ? kLengthIncluded : 0) | more));
  if (first) out.u32(static_cast<std::uint32_t>(outgoing_.size()));
  out.bytes(ByteView(outgoing_).subspan(sent_, count));
  sent_ += count;
  return type_data;
}

}  // namespace culvert::eap
