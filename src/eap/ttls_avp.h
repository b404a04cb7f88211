// The attributes inside EAP-TTLS (RFC 5281, 10): Diameter's format, padded to four octets.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"

namespace culvert::eap {

struct AvpCode {
  std::uint32_t vendor = 0;  // 0: none
  std::uint32_t code = 0;
  constexpr bool operator==(const AvpCode&) const = default;
};

inline constexpr AvpCode kUserNameAvp{0, 1};
inline constexpr AvpCode kUserPasswordAvp{0, 2};
inline constexpr AvpCode kReplyMessageAvp{0, 18};
inline constexpr AvpCode kEapMessageAvp{0, 79};
inline constexpr AvpCode kMsChapErrorAvp{311, 2};  // RFC 2548
inline constexpr AvpCode kMsChapChallengeAvp{311, 11};
inline constexpr AvpCode kMsChap2ResponseAvp{311, 25};
inline constexpr AvpCode kMsChap2SuccessAvp{311, 26};

struct Avp {
  AvpCode code;
  bool mandatory = true;
  ByteView data;
};

inline constexpr std::size_t kMaxAvpOverhead = 12 + 3;  // header and padding

// Views into `octets`. Fails with truncated, bad_length or (more than limits::kMaxAvps) too_large.
// The padding of the last one may be missing, as some leave it out.
Result<std::vector<Avp>> decode_avps(ByteView octets);
// Appends one with its padding; the data has fewer than 2^24 octets.
void encode_avp(Bytes& to, const Avp& avp);

// The first with this code; nullptr: none.
const Avp* find(const std::vector<Avp>& avps, AvpCode code);

}  // namespace culvert::eap
