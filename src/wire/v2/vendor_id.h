// The Vendor ID payload: RFC 7296, 3.12.
#pragma once

#include "base/bytes.h"

namespace culvert::wire {

struct VendorId {
  Bytes data;
  bool operator==(const VendorId&) const = default;

  static Result<VendorId> decode(Reader& reader);
  void encode(Writer& writer) const;
  std::size_t encoded_size() const { return data.size(); }
};

}  // namespace culvert::wire
