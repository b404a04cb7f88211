// What the Authentication Header (RFC 4302) says about the IP headers in front of it.
#pragma once

#include "base/bytes.h"

namespace culvert::esp {

inline constexpr std::size_t kAhHeader = 12;  // without the ICV

// Zeroes the fields, options and extension headers' options in `headers` (the IP header and what
// stands between it and AH) that may change on the way (RFC 4302, 3.3.3.1 and appendix A). False
// where the receiver's view can't be told: a source route not yet at its end, or options that run
// over theirs.
bool zero_mutable_fields(MutableBytes headers);

}  // namespace culvert::esp
