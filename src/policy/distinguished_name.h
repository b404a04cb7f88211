// X.501 distinguished names (RFC 5280, 4.1.2.4) between DER and text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace culvert {

// One attribute of a name. `joined`: belongs to the same RDN as the one before ("CN=x+UID=7").
struct NameAttribute {
  Bytes oid;  // contents octets
  std::uint8_t tag = 0;
  Bytes value;
  bool joined = false;
  bool is_text() const;
  bool is_wildcard() const { return is_text() && as_text(value) == "*"; }
};

// nullopt when `der` is not exactly one well-formed Name.
std::optional<std::vector<NameAttribute>> decode_name(ByteView der);
// "C=CH, O=strongSwan, CN=moon" or "/C=CH/O=strongSwan/CN=moon". A backslash takes the next
// character literally; "+" joins attributes of one RDN.
std::optional<Bytes> encode_name(std::string_view text);
// The text of a name, for names of known attributes and printable text only.
std::optional<std::string> name_to_string(ByteView der);
// A form that is equal for values that RFC 5280, 7.1 calls equal: string types don't matter, nor
// case, nor the amount of white space.
std::string canonical_value(const NameAttribute& attribute);

}  // namespace culvert
