// The EAP payload: RFC 7296, 3.16. The message inside is read by eap/.
#pragma once

#include "base/bytes.h"

namespace culvert::wire {

struct Eap {
  Bytes data;  // one EAP message: code, identifier, length, …
  bool operator==(const Eap&) const = default;

  // Fails with bad_length unless the EAP message's own length fills the payload.
  static Result<Eap> decode(Reader& reader);
  void encode(Writer& writer) const;
  std::size_t encoded_size() const { return data.size(); }
};

}  // namespace culvert::wire
