// links: control
// Any octets as a stream, a packet and a message: no crash, bounded memory, and what decodes
// encodes back to the same octets.
#include <cstdlib>

#include "base/limits.h"
#include "control/vici_message.h"

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
