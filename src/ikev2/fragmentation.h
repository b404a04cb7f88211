// IKE fragmentation, RFC 7383: what of a fragmented message has come so far.
//
//   HDR, SKF(next, 1, n){...}  -->
//   HDR, SKF(none, 2, n){...}  -->   ... the n-th to come completes the message
//
// Messages that go out in fragments are kept as one string of octets: each IKE message says its
// own length.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "base/slab.h"
#include "base/time.h"
#include "wire/header.h"
#include "wire/v2/protected.h"

namespace culvert::ikev2 {

class Host;
struct IkeSa;

// What the reassemblies of all IKE SAs of a shard hold, and in which order they were begun. When
// they hold too much, the oldest gives way: the fragments of an honest peer come in one burst.
struct FragmentPool {
  struct Entry {
    Handle<IkeSa> sa;
    bool response;
    std::uint64_t serial;
  };
  std::size_t octets = 0;
  std::uint64_t last_serial = 0;
  std::deque<Entry> order;  // some have ended meanwhile
};

// The verified fragments of one message.
class Reassembly {
 public:
  // The pool outlives it.
  Reassembly(FragmentPool& pool, const wire::Header& header, std::uint16_t total,
             TimePoint expires);
  ~Reassembly();
  Reassembly(const Reassembly&) = delete;
  Reassembly& operator=(const Reassembly&) = delete;

  std::uint32_t message_id() const { return message_id_; }
  wire::ExchangeType exchange() const { return exchange_; }
  bool has(std::uint16_t number) const;
  // False when the message grows too large. Precondition: it has no fragment of this number, and
  // the total is this one's.
  bool add(wire::Fragment&& fragment, std::size_t datagram_size);
  bool is_complete() const { return chunks_.size() == total_; }
  wire::Opened take();

  std::uint16_t total() const { return total_; }
  std::uint64_t serial() const { return serial_; }
  TimePoint expires() const { return expires_; }
  std::size_t datagram_octets() const { return datagram_octets_; }
  std::size_t largest_datagram() const { return largest_datagram_; }

 private:
  struct Chunk {
    std::uint16_t number;
    Bytes octets;
  };
  // What a chunk costs besides its octets.
  static constexpr std::size_t kChunkOverhead = sizeof(Chunk) + 16;

  FragmentPool& pool_;
  std::uint64_t serial_;
  std::uint32_t message_id_;
  wire::ExchangeType exchange_;
  wire::PayloadType first_type_ = wire::PayloadType::none;
  std::uint16_t total_;
  TimePoint expires_;
  std::vector<Chunk> chunks_;  // by number
  std::size_t octets_ = 0;     // of the pool
  std::size_t plaintext_octets_ = 0;
  std::size_t datagram_octets_ = 0, largest_datagram_ = 0;
};

// A whole message out of its fragments.
struct Reassembled {
  wire::Opened content;
  std::uint16_t fragments = 0;
  std::uint32_t octets = 0;  // of all datagrams
};

// Takes a datagram whose first payload is SKF, for a message that fits the window. Nothing while
// fragments are missing. Errors are silence to the peer, and change nothing: RFC 7383, 2.6.
Result<std::optional<Reassembled>> collect_fragment(Host& host, IkeSa& sa,
                                                    const wire::Header& header, ByteView datagram,
                                                    TimePoint now);
// Whether a repeated fragment of a request that has been answered asks for the answer again.
// RFC 7383, 2.6.1.
Result<bool> repeats_first_fragment(Host& host, const IkeSa& sa, ByteView datagram);

// The peer of this SA takes fragments, and the configuration wants them sent.
bool may_fragment(const IkeSa& sa);
// Octets of an IKE message that may go out in one datagram.
std::size_t largest_message(const Host& host, const IkeSa& sa);
void drop_expired_fragments(IkeSa& sa, TimePoint now);
// Ends reassemblies, the oldest first, until the pool is within its bound.
void bound_fragments(Host& host);

// Each message of a string of them.
template <class Take>
void for_each_message(ByteView messages, Take&& take) {
  while (messages.size() >= wire::kHeaderSize) {
    const std::size_t size = load_be<std::uint32_t>(messages.data() + wire::kHeaderSize - 4);
    if (size < wire::kHeaderSize || size > messages.size()) return;
    take(messages.first(size));
    messages = messages.subspan(size);
  }
}

}  // namespace culvert::ikev2
