// Identities of peers (RFC 7296, 3.5) and patterns over them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/address.h"
#include "wire/v2/identification.h"

namespace culvert {

// A value of an ID payload. Compare with matches(); FQDN and RFC822 compare without case.
struct Identity {
  wire::IdType type = wire::IdType::null;  // null doubles as "any" in policy (%any)
  Bytes data;
  bool is_any() const { return type == wire::IdType::null && data.empty(); }
  bool operator==(const Identity&) const = default;
};

// Text as strongSwan reads it: "192.0.2.1", "2001:db8::1", "moon.example.org", "user@example.org",
// "@#6b6579" (KEY_ID in hex), "keyid:text", "fqdn:…", "email:…", "ipv4:…", "ipv6:…", "@fqdn",
// "@@user@domain", "%any". Text that contains "=" is a distinguished name ("C=CH, CN=moon"),
// encoded as ASN.1 DN. "*" and "?" in FQDN and RFC822 make a pattern ("*.example.org"). nullopt:
// malformed.
std::optional<Identity> parse_identity(std::string_view text);
std::string to_string(const Identity& identity);
Identity identity_of(const IpAddress& address);
Identity identity_of(const wire::Identification& payload);
wire::Identification to_wire(const Identity& identity);

// True for patterns: %any and anything with wildcards.
bool is_pattern(const Identity& identity);
// How well `pattern` fits `identity`: 0 not at all, higher is more specific; an exact match is the
// highest (kExactMatch).
inline constexpr int kAnyMatch = 1;        // of %any
inline constexpr int kExactMatch = 4'096;  // above any count of characters
int match(const Identity& pattern, const Identity& identity);
inline bool matches(const Identity& pattern, const Identity& identity) {
  return match(pattern, identity) > 0;
}
// Equal for identities that match exactly; for hash tables.
std::string index_key(const Identity& identity);

}  // namespace culvert
