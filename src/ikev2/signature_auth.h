// AUTH with private keys: RFC 7296, 2.15; RFC 7427; the older methods of RFC 7296, 3.8 and RFC
// 4754; raw public keys (RFC 7670); and the CERT and CERTREQ payloads that go with it (RFC
// 7296, 3.6 and 3.7).
#pragma once

#include <expected>

#include "ikev2/channel.h"

namespace culvert::ikev2 {

// ---- what we can prove ----

// The configured certificate whose key we have; without any, one that says who we are; nullptr:
// none.
pki::CertificateRef own_certificate(Host& host, const IkeSa& sa);
// Decides what our AUTH is signed with, and which certificates go with it: exchange.plan.
std::expected<void, trace::Body> plan_signature(Host& host, const IkeSa& sa,
                                                AuthExchange& exchange);
// What the signature covers.
std::expected<Bytes, trace::Body> octets_to_sign(Host& host, const IkeSa& sa,
                                                 const AuthExchange& exchange);
wire::Auth to_auth(const SignaturePlan& plan, ByteView signature);
// CERT payloads, when the peer wants them.
void add_certificates(const IkeSa& sa, const AuthExchange& exchange, Payloads& payloads);

// ---- what the peer proves ----

// CRLs and OCSP responses that came in CERT payloads: RFC 7296, 3.6; RFC 4806.
void collect_evidence(Host& host, std::span<const wire::Payload> payloads, AuthExchange& exchange);
// The certificate that the peer has, its path to a CA that we trust, the identity that it claims
// and its signature. exchange.wanted is not empty afterwards when that depends on what is to be
// fetched first.
std::expected<void, trace::Body> verify_signature(
    Host& host, const IkeSa& sa, AuthExchange& exchange, const wire::Identification& id_payload,
    const wire::Auth& auth, std::span<const wire::Payload> payloads, TimePoint now);

// ---- what both sides say that they take ----

// N(SIGNATURE_HASH_ALGORITHMS): RFC 7427, 4.
void add_signature_hashes(Payloads& payloads);
// As a set of bits, 1 << number; zero: the peer has said nothing.
std::uint16_t signature_hashes(std::span<const wire::Payload> payloads);
// CERTREQ with the CAs that may vouch for such a peer, when we have any.
void add_certificate_request(Host& host, const AuthConfig& peer, Payloads& payloads);
// Whether the peer asks for what we have: certificates, or a raw public key.
bool has_certificate_request(const IkeSa& sa, std::span<const wire::Payload> payloads);

}  // namespace culvert::ikev2
