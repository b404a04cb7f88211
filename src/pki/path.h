// Certification paths: from a certificate over those received and those known to a trusted CA, and
// every check on the way (RFC 5280, 6). Pure: what has to be fetched is returned as a need, and the
// caller asks again when it has come.
#pragma once

#include <expected>
#include <span>

#include "pki/trust_store.h"

namespace culvert::pki {

enum class PathPurpose : std::uint8_t {
  any,
  ike,  // no extendedKeyUsage, or one that names IKE, TLS or any usage (RFC 4945, 5.1.3.12)
  tls_server,
  tls_client
};

// As strongSwan's `revocation`.
enum class RevocationPolicy : std::uint8_t {
  off,
  relaxed,  // only what is known to be revoked fails
  ifuri,    // fails as well when nothing is known, but the certificate says where to ask
  strict    // fails unless every certificate is known to be good
};

struct PathOptions {
  std::chrono::sys_seconds now;
  PathPurpose purpose = PathPurpose::ike;
  RevocationPolicy revocation = RevocationPolicy::relaxed;
  // True: unknown states become `needs`. False: what could not be fetched counts as unknown.
  bool may_fetch = false;
  std::vector<std::string> policies;  // one of these OIDs must be valid for the path; empty: any
  bool allow_weak = false;            // RSA below kWeakRsaBits, and SHA-1
};

// Revocation data that has just come: fetched, or from CERT payloads (RFC 4806). Not trusted yet.
struct Evidence {
  std::span<const CrlRef> crls;
  std::span<const OcspResponseRef> ocsp;
  ByteView nonce;  // of our OCSP requests
};

struct RevocationNeed {
  CertificateRef certificate, issuer;
  std::vector<std::string> crl_urls, ocsp_urls;
};

struct Path {
  std::vector<CertificateRef> certificates;  // leaf first, trusted CA last
  // Not empty: fetch one of each, and check again. The path must not be relied on before.
  std::vector<RevocationNeed> needs;
  std::size_t signatures_verified = 0;  // of certificates; those remembered cost nothing
};

enum class PathProblem : std::uint8_t {
  untrusted,  // no way to a trusted CA
  self_signed,
  expired,
  not_yet_valid,
  bad_signature,
  unsupported_signature,
  unsupported_key,
  weak_key,
  weak_hash,
  not_a_ca,
  path_too_long,   // a CA's pathLenConstraint
  chain_too_long,  // limits::kMaxPathLength or kMaxPathTries
  wrong_extended_key_usage,
  wrong_key_usage,
  name_constraint,
  policy,
  unknown_critical_extension,
  revoked,
  revocation_unknown
};

struct PathFailure {
  PathProblem problem = PathProblem::untrusted;
  CertificateRef certificate;  // which is to blame
  std::string detail;          // the issuer, the time, the name, the reason: as the problem needs
};
std::string_view name_of(PathProblem problem);  // "untrusted"; for counters and fields
// One sentence for the operator: which certificate, what is wrong with it, what to change.
std::string to_sentence(const PathFailure& failure);

class PathChecker {
 public:
  // All are used by one thread at a time and outlive the checker. `revocations` takes up evidence
  // that verifies.
  PathChecker(Provider& provider, const TrustStore& store, SignatureCache& signatures,
              RevocationCache& revocations)
      : provider_(provider), store_(store), signatures_(signatures), revocations_(revocations) {}

  // `received`: what came with the leaf, in any order.
  std::expected<Path, PathFailure> check(const CertificateRef& leaf,
                                         std::span<const CertificateRef> received,
                                         const PathOptions& options,
                                         const Evidence& evidence = {}) const;

 private:
  Provider& provider_;
  const TrustStore& store_;
  SignatureCache& signatures_;
  RevocationCache& revocations_;
};

// What to send with our own certificate: the path over `store` to a CA, without the CA itself where
// it is self-signed. No times or revocations are looked at. Only the leaf where nothing is found.
std::vector<CertificateRef> chain_to_send(const CertificateRef& leaf, const TrustStore& store);

}  // namespace culvert::pki
