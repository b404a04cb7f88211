// Every bound that a peer, a file or a client could push against, in one place.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace culvert::limits {

// wire/
inline constexpr std::size_t kMaxMessageSize = 65'535;  // one UDP datagram
inline constexpr std::size_t kMaxPayloads = 128;        // per message, nested ones not counted
inline constexpr std::size_t kMaxProposals = 64;        // per SA payload
inline constexpr std::size_t kMaxTransforms = 255;      // per proposal (the count is one octet)
inline constexpr std::size_t kMaxSelectors = 255;       // per TS payload (the count is one octet)
inline constexpr std::size_t kMaxSpisPerDelete = 1'024;
inline constexpr std::size_t kMaxConfigurationAttributes = 1'024;  // per CP payload
inline constexpr std::size_t kMaxCookieSize = 64;                  // RFC 7296, 2.6
inline constexpr std::size_t kMinNonceSize = 16;                   // RFC 7296, 2.10
inline constexpr std::size_t kMaxNonceSize = 256;
inline constexpr std::size_t kMaxIdentitySize = 2'048;

// crypto/: TLS sessions
inline constexpr std::size_t kMaxTlsHandshake = 128 * 1'024;    // octets received
inline constexpr std::size_t kMaxTlsCertificates = 64 * 1'024;  // octets of the peer's chain
inline constexpr std::size_t kMaxTlsUnread = 256 * 1'024;       // octets of application data

// crypto/ and pki/
inline constexpr std::size_t kMaxPemSize = 64 * 1'024 * 1'024;  // of a file
inline constexpr std::size_t kMaxPemBlocks = 16'384;            // in one file
inline constexpr std::size_t kMaxCertificateSize = 64 * 1'024;
inline constexpr std::size_t kMaxExtensions = 64;       // of a certificate
inline constexpr std::size_t kMaxGeneralNames = 1'024;  // in one extension
inline constexpr std::size_t kMaxUrls = 16;             // of one kind in a certificate
inline constexpr std::size_t kMaxPathLength = 16;       // certificates, leaf and root included
inline constexpr std::size_t kMaxPathTries =
    64;  // issuers tried, each a signature to verify, for one path
inline constexpr std::size_t kMaxReceivedCertificates = 64;    // looked at for one path
inline constexpr std::size_t kMaxNameComparisons = 262'144;    // with name constraints, per path
inline constexpr std::size_t kMaxVerifiedSignatures = 16'384;  // remembered, of CA certificates
inline constexpr std::size_t kMaxCrlSize = 64 * 1'024 * 1'024;
inline constexpr std::size_t kMaxOcspSize = 256 * 1'024;
inline constexpr std::size_t kMaxOcspAnswers = 256;  // in one response
inline constexpr std::size_t kMaxCrlScopes = 64;  // lists of one CA for parts of its certificates
inline constexpr std::size_t kMaxOcspStatuses = 65'536;  // remembered

// ikev2/ and shard/
inline constexpr std::size_t kMaxHalfOpen = 100'000;       // responder, per shard
inline constexpr std::size_t kCookieThreshold = 64;        // half-open before cookies are asked for
inline constexpr std::size_t kMaxHalfOpenPerAddress = 32;  // before cookies, per source
inline constexpr std::size_t kCookieShare = 16;            // times that, with cookies
// A source with so many failed attempts in the last seconds may begin only so many a second.
inline constexpr std::uint32_t kMaxFailures = 64;
inline constexpr std::uint32_t kFailingSourcePerSecond = 16;
inline constexpr std::size_t kMaxFailingSources = 65'536;
// CREATE_CHILD_SA requests of an authenticated peer; rekeying the IKE SA counts as many.
inline constexpr std::uint32_t kChildRequestsPerSecond = 64;
inline constexpr std::uint32_t kChildRequestBurst = 1'024;
inline constexpr std::uint32_t kIkeRekeyCost = 64;
// How often one IKE_SA_INIT request is answered: its sender may have lied about the address.
inline constexpr std::uint8_t kMaxFirstResponses = 16;
inline constexpr Duration kHalfOpenLifetime = std::chrono::seconds(30);
inline constexpr std::size_t kMaxChildrenPerIkeSa = 256;
inline constexpr std::size_t kMaxCookieRetries = 4;  // COOKIE and INVALID_KE rounds, initiator
inline constexpr std::size_t kMaxAdditionalAddresses = 16;  // MOBIKE: announced by either side
inline constexpr std::size_t kMaxAssignedAddresses = 8;     // asked for, or taken from a peer
inline constexpr std::size_t kMaxAssignedDomains = 64;
inline constexpr std::size_t kMaxPathsProbed = 8;  // per retransmission
inline constexpr std::size_t kMaxEventsQueued = 65'536;
inline constexpr std::size_t kMaxFragments = 512;                       // of one message: RFC 7383
inline constexpr std::size_t kMaxReassemblyOctets = 8 * 1'024 * 1'024;  // of all IKE SAs, per shard
inline constexpr Duration kReassemblyLifetime = std::chrono::seconds(30);
inline constexpr std::size_t kFragmentSize = 1'280;     // IP packet, as strongSwan's fragment_size
inline constexpr std::size_t kSmallFragmentSize = 576;  // what every path takes: RFC 7383, 2.5.1

// eap/
inline constexpr std::size_t kMaxEapRounds = 128;  // of one conversation, local or over RADIUS
inline constexpr std::size_t kMaxEapTlsMessage = 64 * 1'024;  // octets: RFC 5216, 2.1.5
inline constexpr std::size_t kEapTlsFragment = 1'024;         // octets of one packet of ours
inline constexpr std::size_t kMaxAvps = 64;                   // in one EAP-TTLS message
inline constexpr std::size_t kMaxEapIdentity = 1'024;
inline constexpr std::uint32_t kMaxPasswordIterations = 20'000;  // PBKDF2; some ten milliseconds
inline constexpr std::size_t kMaxPassword = 1'024;

// radius/
inline constexpr std::size_t kMaxRadiusPacket = 4'096;         // RFC 2865, 3
inline constexpr std::size_t kMaxRadiusAttribute = 253;        // octets of a value: RFC 2865, 5
inline constexpr std::size_t kMaxRadiusWaiting = 65'536;       // requests without an identifier
inline constexpr std::size_t kMaxAuthorizationItems = 32;      // of one kind in an Access-Accept
inline constexpr std::size_t kMaxAccountingRecords = 131'072;  // kept for a server to come back
// RFC 5176, 6.3: an identifier does not come again within the window.
inline constexpr std::size_t kMaxDynamicReplies = 4'096;  // remembered, of all clients

// control/
inline constexpr std::size_t kMaxViciMessage = 512 * 1'024;  // as strongSwan's
inline constexpr std::size_t kMaxViciClients = 256;
inline constexpr std::size_t kMaxViciBacklog = 4 * 1'024 * 1'024;  // octets queued for one reader
inline constexpr std::size_t kMaxViciDepth = 16;

// config/
inline constexpr std::size_t kMaxConfigSize = 64 * 1'024 * 1'024;
inline constexpr std::size_t kMaxSecretFileSize = 64 * 1'024;

}  // namespace culvert::limits
