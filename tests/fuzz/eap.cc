// links: eap
// What decodes, Naks included, encodes to a packet that decodes to the same.
#include <cstdlib>

#include "eap/packet.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert;
  using namespace culvert::eap;
  const auto packet = decode({data, size});
  if (!packet) return 0;
  const Bytes octets = encode(*packet, packet->data);
  const auto again = decode(octets);
  if (!again || again->type != packet->type || !equal(again->data, packet->data)) std::abort();
  if (packet->type != kNak) return 0;
  const auto nak = decode_nak(*packet);
  if (!nak || nak->wanted.size() > 200) return 0;
  const Bytes nak_octets = encode(*packet, nak_data(packet->expanded, nak->wanted));
  const auto nak_again = decode_nak(*decode(nak_octets));
  if (!nak_again || nak_again->wanted != nak->wanted) std::abort();
  return 0;
}
