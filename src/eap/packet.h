// EAP packets (RFC 3748, 4) and method types, expanded ones included (5.7).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace culvert::eap {

enum class Code : std::uint8_t { request = 1, response = 2, success = 3, failure = 4 };

// A method. Types of vendor 0 are the same method however they are encoded (RFC 3748, 5.7), so
// that two Types are equal exactly when they mean the same.
struct Type {
  std::uint32_t vendor = 0;  // SMI enterprise number, 24 bits
  std::uint32_t number = 0;
  constexpr auto operator<=>(const Type&) const = default;
};

inline constexpr Type kIdentity{0, 1};
inline constexpr Type kNotification{0, 2};
inline constexpr Type kNak{0, 3};  // also the Expanded Nak
inline constexpr Type kMd5{0, 4};
inline constexpr Type kGtc{0, 6};
inline constexpr Type kTls{0, 13};
inline constexpr Type kSim{0, 18};
inline constexpr Type kTtls{0, 21};
inline constexpr Type kAka{0, 23};
inline constexpr Type kPeap{0, 25};
inline constexpr Type kMschapv2{0, 26};
inline constexpr Type kAkaPrime{0, 50};
inline constexpr Type kExpanded{0, 254};  // as a number on the wire only

// "EAP-MSCHAPv2"; "EAP type 99" or "EAP type 311:7" where the number is not known here.
std::string to_string(Type type);
// What strongSwan and our configuration call it: "mschapv2", "tls", "aka-prime", a number, or
// "number-vendor"; nullopt for anything else.
std::optional<Type> parse_type(std::string_view text);

// What a method does for those who use it (RFC 3748, 7.2.1).
struct Properties {
  bool mutual = false;
  bool makes_msk = false;
  bool resists_guessing = false;  // who watches or plays the other side cannot try out passwords
  // RFC 5998, 4: only such a method may stand in for the responder's own authentication.
  bool safe_alone() const { return mutual && makes_msk && resists_guessing; }
};
Properties properties_of(Type type);

struct Packet {
  Code code = Code::request;
  std::uint8_t identifier = 0;
  bool expanded = false;  // the type was, or is to be, encoded as an expanded one
  Type type;              // of requests and responses
  ByteView data;          // type-data of requests and responses
  ByteView whole;         // all of the packet, for methods that authenticate it
};

inline constexpr std::size_t kHeaderSize = 4;

// Octets after the packet's length are padding (RFC 3748, 4). Views into `octets`. Fails where the
// packet is to be discarded: truncated, an unknown code, a request or response without a type, a
// success or failure with data.
Result<Packet> decode(ByteView octets);

// `code`, `identifier`, `expanded` and `type` of `head`, and the type-data; vendor types are
// expanded in any case. The data has at most kMaxTypeData octets.
inline constexpr std::size_t kMaxTypeData = 0xffff - 12;
Bytes encode(const Packet& head, ByteView data = {});

// Type-data of a Nak (RFC 3748, 5.3) with the types that the peer would rather use. An Expanded Nak
// answers an expanded request, and only there expanded types can be named.
Bytes nak_data(bool expanded, const std::vector<Type>& wanted);
// The types in a Nak of either kind. An empty list: the peer accepts none. Fails when malformed.
// `expanded_wanted` of a legacy Nak says that the peer would take a request with an expanded type.
struct Nak {
  std::vector<Type> wanted;
  bool expanded_wanted = false;
};
Result<Nak> decode_nak(const Packet& response);

// "EAP-TLS, EAP-MD5", or "none".
std::string list_of(const std::vector<Type>& types);
// Text for messages: what does not print, and quotes and backslashes, as \xNN; cut where too long.
std::string printable(std::string_view octets);

}  // namespace culvert::eap
