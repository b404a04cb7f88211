// links: policy
// What is parsed prints as text that parses to the same proposal.
#include <cstdlib>

#include "policy/proposal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert;
  if (size == 0) return 0;
  constexpr wire::ProtocolId kProtocols[] = {wire::ProtocolId::ike, wire::ProtocolId::ah,
                                             wire::ProtocolId::esp};
  const auto protocol = kProtocols[data[0] % 3];
  const auto proposal = parse_proposal(as_text({data + 1, size - 1}), protocol);
  if (!proposal) return 0;
  const auto again = parse_proposal(to_string(*proposal), protocol);
  if (!again || *again != *proposal) std::abort();
  // What we offer, we accept.
  if (!select_proposal({*proposal}, to_wire({*proposal}, {}, false), {})) std::abort();
  return 0;
}
