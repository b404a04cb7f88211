// links: control
// Any octets as a stream, a packet, a message and a connection to load: no crash, bounded memory,
// what decodes encodes back to the same octets, and what is refused is refused in printable words.
#include <cstdlib>

#include "base/limits.h"
#include "control/vici_load.h"
#include "control/vici_message.h"
#include "control/vici_values.h"

namespace {

using namespace culvert;
using namespace culvert::vici;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_packet(ByteView segment) {
  const auto packet = decode_packet(segment);
  if (!packet) {
    require(packet.error().offset <= segment.size());
    return;
  }
  const auto again = encode_segment(*packet);
  if (segment.size() > limits::kMaxViciMessage) return;
  require(again.has_value());
  require(equal(ByteView(*again).subspan(4), segment));
  if (const auto loaded = load_connections(packet->message); !loaded)
    require(!loaded.error().empty() && is_printable(loaded.error()));
  if (const auto secret = load_shared(packet->message); !secret)
    require(!secret.error().empty() && is_printable(secret.error()));
}

void check_stream(ByteView octets) {
  SegmentReader reader;
  const std::size_t step = octets.empty() ? 1 : octets[0] % 32 + 1;
  while (!octets.empty()) {
    const auto part = std::min(step, octets.size());
    reader.feed(octets.first(part));
    octets = octets.subspan(part);
    while (true) {
      const auto segment = reader.next();
      if (!segment) return;
      if (!*segment) break;
      check_packet(**segment);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  check_packet(input);
  check_stream(input);
  return 0;
}
