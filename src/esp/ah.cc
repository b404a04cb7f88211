// Invariant: nothing outside `headers` is touched, and every option takes at least one octet, so
// the walks end.
#include "esp/ah.h"

#include <algorithm>

#include "net/ip.h"

namespace culvert::esp {
namespace {

constexpr std::uint8_t kEndOfOptions = 0, kNoOperation = 1, kLooseSourceRoute = 131,
                       kStrictSourceRoute = 137;
// RFC 4302, A1: security, extended and commercial security, router alert, multi-destination.
constexpr std::uint8_t kImmutableOptions[] = {130, 133, 134, 148, 149};
constexpr std::uint8_t kPad1 = 0, kMutableBit = 0x20;  // RFC 8200, 4.2

bool zero_v4_options(MutableBytes options) {
  while (!options.empty()) {
    const std::uint8_t type = options[0];
    if (type == kEndOfOptions) return true;
    if (type == kNoOperation) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) return false;
    const MutableBytes option = options.first(options[1]);
    const bool route = type == kLooseSourceRoute || type == kStrictSourceRoute;
    if (route && (option.size() < 3 || option[2] <= option.size())) return false;
    if (std::ranges::find(kImmutableOptions, type) == std::end(kImmutableOptions))
      std::ranges::fill(option, std::uint8_t{0});
    options = options.subspan(option.size());
  }
  return true;
}

bool zero_v6_options(MutableBytes options) {
  while (!options.empty()) {
    if (options[0] == kPad1) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2 || options.size() < options[1] + 2u) return false;
    const MutableBytes data = options.subspan(2, options[1]);
    if ((options[0] & kMutableBit) != 0) std::ranges::fill(data, std::uint8_t{0});
    options = options.subspan(2 + data.size());
  }
  return true;
}

bool zero_v6(MutableBytes headers) {
  headers[0] &= 0xf0;  // traffic class and flow label
  std::ranges::fill(headers.subspan(1, 3), std::uint8_t{0});
  headers[7] = 0;  // hop limit
  std::uint8_t next = headers[6];
  for (MutableBytes rest = headers.subspan(ip::kIpv6Header); !rest.empty();) {
    if (rest.size() < 8) return false;
    const std::size_t size = (rest[1] + 1u) * 8;
    if (rest.size() < size) return false;
    if (next == ip::kRouting) {
      if (rest[3] != 0) return false;  // segments left
    } else if (!zero_v6_options(rest.subspan(2, size - 2))) {
      return false;
    }
    next = rest[0];
    rest = rest.subspan(size);
  }
  return true;
}

}  // namespace

bool zero_mutable_fields(MutableBytes headers) {
  if (headers[0] >> 4 == 6) return zero_v6(headers);
  headers[1] = 0;                                              // DSCP and ECN
  std::ranges::fill(headers.subspan(6, 3), std::uint8_t{0});   // flags, fragment offset, TTL
  std::ranges::fill(headers.subspan(10, 2), std::uint8_t{0});  // checksum
  return zero_v4_options(headers.subspan(ip::kIpv4Header));
}

}  // namespace culvert::esp
