// links: policy
// What is parsed prints as text that parses to an equal identity, and so does what a peer may send.
#include <algorithm>
#include <cstdlib>

#include "policy/identity.h"

namespace {

void check(const culvert::Identity& identity) {
  const std::string text = to_string(identity);
  if (std::ranges::any_of(text, [](unsigned char c) { return c < ' ' || c == 0x7f; })) std::abort();
  if (identity.data.empty() && !identity.is_any()) return;  // no text stands for nothing
  const auto again = culvert::parse_identity(text);
  const bool address = identity.type == culvert::wire::IdType::ipv4_addr ||
                       identity.type == culvert::wire::IdType::ipv6_addr;
  if (!again) {
    if (!address) std::abort();  // of another size than its type has
    return;
  }
  if (index_key(*again) != index_key(identity)) std::abort();
  const bool name = identity.type == culvert::wire::IdType::der_asn1_dn;
  if (!name && *again != identity) std::abort();
  if (!matches(identity, identity) && std::ranges::find(identity.data, 0) == identity.data.end())
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert;
  if (size == 0 || size > 2'000) return 0;
  if (const auto identity = parse_identity(as_text({data, size}))) check(*identity);
  check({wire::IdType{data[0]}, Bytes(data + 1, data + size)});
  return 0;
}
