// What authenticates RADIUS packets, and what hides values in them: everything that needs the
// secret shared with a server.
// Against forged answers (CVE-2024-3596) a Message-Authenticator is sent first in every
// Access-Request, and demanded in every answer to one.
#pragma once

#include "base/secret.h"
#include "crypto/provider.h"
#include "radius/packet.h"

namespace culvert::radius {

inline constexpr std::size_t kMaxPasswordSize = 128;  // RFC 2865, 5.2

// Why a packet is not to be believed.
enum class Distrust : std::uint8_t {
  none,
  bad_authenticator,              // another secret, or not from the server
  missing_message_authenticator,  // where one is required
  bad_message_authenticator
};

// ---- requests of ours ----

// `attributes` as AttributeWriter wrote them. A password is hidden in a User-Password attribute.
struct RequestParts {
  Code code{};
  std::uint8_t identifier = 0;
  ByteView attributes;
  ByteView password = {};
  // Also in requests that need none: CoA-Request, Disconnect-Request (of tests).
  bool message_authenticator = false;
};
struct SignedRequest {
  Bytes octets;
  Authenticator authenticator{};
};
// Fails with too_large when the packet would be, and with whatever the provider does.
Result<SignedRequest> sign_request(Provider& provider, ByteView secret, const RequestParts& parts);

// The Message-Authenticator is demanded in answers to Access-Request, else checked where there.
Result<Distrust> check_response(Provider& provider, ByteView secret, const Packet& response,
                                Code request, const Authenticator& request_authenticator);

// ---- requests of a Dynamic Authorization Client (RFC 5176) ----

Result<Distrust> check_request(Provider& provider, ByteView secret, const Packet& request,
                               bool require_message_authenticator);
Result<Bytes> sign_response(Provider& provider, ByteView secret, Code code, const Packet& request,
                            ByteView attributes);

// ---- hidden values ----

// The key inside MS-MPPE-Send-Key or MS-MPPE-Recv-Key (RFC 2548, 2.4.2 and 2.4.3); fails with
// bad_length or, mostly because of another secret, bad_padding.
Result<SecretBytes> reveal_key(Provider& provider, ByteView secret,
                               const Authenticator& request_authenticator, ByteView value);
// User-Password (RFC 2865, 5.2). Fails with too_large above kMaxPasswordSize.
Result<Bytes> hide_password(Provider& provider, ByteView secret,
                            const Authenticator& request_authenticator, ByteView password);

}  // namespace culvert::radius
