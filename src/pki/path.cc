// Owns the search for a path: depth first, trusted CAs before others, within a budget of
// signatures. Invariant: a path is only returned when every certificate in it has passed every
// check.
#include "pki/path.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/limits.h"
#include "pki/asn1_time.h"
#include "pki/name_constraints.h"
#include "pki/policy_check.h"
#include "pki/revocation.h"

namespace culvert::pki {
namespace {

using Problem = PathProblem;
using Failure = std::optional<PathFailure>;

bool same(const Certificate& a, const Certificate& b) { return a.fingerprint == b.fingerprint; }

// False where both say which key it is, and it is another.
bool may_be_issuer(const Certificate& issuer, const Certificate& certificate) {
  return certificate.authority_key_id.empty() || issuer.subject_key_id.empty() ||
         certificate.authority_key_id == issuer.subject_key_id;
}

bool has_purpose(const Certificate& leaf, PathPurpose purpose) {
  if (!leaf.extended_key_usage || purpose == PathPurpose::any) return true;
  unsigned wanted = kAnyUsage;
  if (purpose == PathPurpose::ike)
    wanted |= kServerAuth | kClientAuth | kIkeIntermediate | kIpsecIke;
  if (purpose == PathPurpose::tls_server) wanted |= kServerAuth;
  if (purpose == PathPurpose::tls_client) wanted |= kClientAuth;
  return (*leaf.extended_key_usage & wanted) != 0;
}

class Search {
 public:
  Search(Provider& provider, const TrustStore& store, SignatureCache& signatures,
         RevocationCache& revocations, const PathOptions& options, const Evidence& evidence)
      : provider_(provider),
        store_(store),
        signatures_(signatures),
        revocations_(revocations),
        options_(options),
        evidence_(evidence) {}

  std::expected<Path, PathFailure> run(const CertificateRef& leaf,
                                       std::span<const CertificateRef> received) {
    for (const CertificateRef& certificate :
         received.first(std::min(received.size(), limits::kMaxReceivedCertificates)))
      received_.emplace(name_key(certificate->subject), certificate);
    if (auto failure = check_leaf(leaf)) return std::unexpected(std::move(*failure));
    chain_.push_back(leaf);
    if (extend()) return Path{std::move(chain_), std::move(needs_), signatures_verified_};
    return std::unexpected(std::move(*failure_));
  }

 private:
  // Of all that is found wrong, the first that is not just "untrusted" says most.
  void note(PathFailure failure) {
    const auto vague = [](const PathFailure& f) {
      return f.problem == Problem::untrusted || f.problem == Problem::self_signed;
    };
    if (!failure_ || (vague(*failure_) && !vague(failure))) failure_ = std::move(failure);
  }

  Failure check_time(const CertificateRef& certificate) const {
    if (options_.now < certificate->not_before)
      return PathFailure{Problem::not_yet_valid, certificate, to_string(certificate->not_before)};
    if (options_.now > certificate->not_after)
      return PathFailure{Problem::expired, certificate, to_string(certificate->not_after)};
    return std::nullopt;
  }

  // What holds for every certificate of a path.
  Failure check_each(const CertificateRef& certificate) const {
    if (auto failure = check_time(certificate)) return failure;
    if (!certificate->unknown_critical.empty())
      return PathFailure{Problem::unknown_critical_extension, certificate,
                         certificate->unknown_critical};
    if (!certificate->key) return PathFailure{Problem::unsupported_key, certificate, {}};
    if (certificate->key->is_weak() && !options_.allow_weak)
      return PathFailure{Problem::weak_key, certificate,
                         fmt::format("{} bits", certificate->key->bits())};
    return std::nullopt;
  }

  Failure check_leaf(const CertificateRef& leaf) const {
    if (auto failure = check_each(leaf)) return failure;
    // RFC 4945, 5.1.3.2: either bit lets a key sign AUTH.
    if (leaf->key_usage && (*leaf->key_usage & (kDigitalSignature | kNonRepudiation)) == 0)
      return PathFailure{Problem::wrong_key_usage, leaf, "digitalSignature"};
    if (!has_purpose(*leaf, options_.purpose))
      return PathFailure{Problem::wrong_extended_key_usage, leaf, {}};
    return std::nullopt;
  }

  Failure check_issuer(const CertificateRef& certificate, const CertificateRef& issuer) {
    if (!issuer->is_ca) return PathFailure{Problem::not_a_ca, issuer, {}};
    if (issuer->key_usage && (*issuer->key_usage & kKeyCertSign) == 0)
      return PathFailure{Problem::wrong_key_usage, issuer, "keyCertSign"};
    if (auto failure = check_each(issuer)) return failure;
    if (!certificate->scheme) return PathFailure{Problem::unsupported_signature, certificate, {}};
    if (certificate->scheme->hash == Hash::sha1 && !options_.allow_weak)
      return PathFailure{Problem::weak_hash, certificate, "SHA-1"};
    return check_signature(certificate, issuer);
  }

  Failure check_signature(const CertificateRef& certificate, const CertificateRef& issuer) {
    if (certificate->is_ca && signatures_.contains(certificate->fingerprint, *issuer->key))
      return std::nullopt;
    ++signatures_verified_;
    if (!provider_.verify(*issuer->key, *certificate->scheme, {certificate->tbs},
                          certificate->signature))
      return PathFailure{Problem::bad_signature, certificate, name_text(issuer->subject)};
    return std::nullopt;
  }

  std::vector<CertificateRef> candidates(const Certificate& certificate) const {
    std::vector<CertificateRef> found = store_.with_subject(certificate.issuer);
    const auto [begin, end] = received_.equal_range(name_key(certificate.issuer));
    for (auto at = begin; at != end; ++at) found.push_back(at->second);
    std::vector<CertificateRef> wanted;
    for (CertificateRef& candidate : found) {
      const auto is_it = [&candidate](const CertificateRef& other) {
        return same(*other, *candidate);
      };
      if (may_be_issuer(*candidate, certificate) && !std::ranges::any_of(chain_, is_it) &&
          !std::ranges::any_of(wanted, is_it))
        wanted.push_back(std::move(candidate));
    }
    return wanted;
  }

  // Goes on from the last certificate of the chain; true when that has led to a valid path.
  bool extend() {
    const CertificateRef certificate = chain_.back();
    if (store_.is_trusted(*certificate)) return complete();
    const auto issuers = candidates(*certificate);
    if (issuers.empty())
      note({certificate->is_self_issued() ? Problem::self_signed : Problem::untrusted, certificate,
            name_text(certificate->issuer)});
    for (const CertificateRef& issuer : issuers) {
      if (chain_.size() == limits::kMaxPathLength || tries_left_ == 0) {
        note({Problem::chain_too_long, chain_[0], {}});
        return false;
      }
      --tries_left_;
      if (auto failure = check_issuer(certificate, issuer)) {
        note(std::move(*failure));
        continue;
      }
      chain_.push_back(issuer);
      if (extend()) return true;
      chain_.pop_back();
    }
    return false;
  }

  // The checks that need the whole path.
  bool complete() {
    needs_.clear();
    Failure failure = check_path_lengths();
    if (!failure) failure = check_names();
    if (!failure) failure = check_policies(chain_, options_.policies);
    if (!failure) failure = check_revocations();
    if (failure) {
      note(std::move(*failure));
      return false;
    }
    // Only now, or else strangers could fill the cache.
    for (std::size_t i = 1; i + 1 < chain_.size(); ++i)
      signatures_.insert(chain_[i]->fingerprint, *chain_[i + 1]->key);
    return true;
  }

  // RFC 5280, 4.2.1.9: self-issued certificates do not count, nor does the leaf.
  Failure check_path_lengths() const {
    std::uint32_t below = 0;
    for (std::size_t i = 1; i < chain_.size(); ++i) {
      if (chain_[i]->path_length && below > *chain_[i]->path_length)
        return PathFailure{Problem::path_too_long, chain_[i],
                           fmt::format("{}", *chain_[i]->path_length)};
      if (!chain_[i]->is_self_issued()) ++below;
    }
    return std::nullopt;
  }

  Failure check_names() const {
    std::size_t budget = limits::kMaxNameComparisons;
    for (std::size_t i = 1; i < chain_.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (j != 0 && chain_[j]->is_self_issued()) continue;  // RFC 5280, 6.1.3 (b)
        const auto name = find_forbidden(chain_[i]->name_constraints, *chain_[j], budget);
        if (name)
          return PathFailure{
              Problem::name_constraint, chain_[j],
              fmt::format("{} does not allow {}", name_text(chain_[i]->subject), to_string(*name))};
      }
    }
    return std::nullopt;
  }

  Failure check_revocations() {
    if (options_.revocation == RevocationPolicy::off) return std::nullopt;
    for (std::size_t i = 0; i + 1 < chain_.size(); ++i)
      if (auto failure = check_revocation(chain_[i], chain_[i + 1])) return failure;
    return std::nullopt;
  }

  Failure check_revocation(const CertificateRef& certificate, const CertificateRef& issuer) {
    using Kind = RevocationStatus::Kind;
    take_evidence(provider_, revocations_, *issuer, evidence_, options_.now);
    const auto own = store_.crls_of(issuer->subject);
    take_evidence(provider_, revocations_, *issuer, {.crls = own}, options_.now);
    const RevocationStatus status = status_of(revocations_, *certificate, *issuer, options_.now);
    if (status.kind == Kind::good) return std::nullopt;
    if (status.kind == Kind::revoked)
      return PathFailure{Problem::revoked, certificate,
                         fmt::format("{} ({})", to_string(status.revocation.when),
                                     name_of(status.revocation.reason))};
    const bool can_ask = !certificate->crl_urls.empty() || !certificate->ocsp_urls.empty();
    if (can_ask && options_.may_fetch) {
      needs_.push_back({certificate, issuer, certificate->crl_urls, certificate->ocsp_urls});
      return std::nullopt;
    }
    const bool fails = options_.revocation == RevocationPolicy::strict ||
                       (options_.revocation == RevocationPolicy::ifuri && can_ask);
    if (fails) return PathFailure{Problem::revocation_unknown, certificate, status.why_unknown};
    return std::nullopt;
  }

  Provider& provider_;
  const TrustStore& store_;
  SignatureCache& signatures_;
  RevocationCache& revocations_;
  const PathOptions& options_;
  const Evidence& evidence_;
  std::unordered_multimap<std::string, CertificateRef> received_;  // by subject
  std::vector<CertificateRef> chain_;
  std::vector<RevocationNeed> needs_;
  std::optional<PathFailure> failure_;
  std::size_t signatures_verified_ = 0;
  std::size_t tries_left_ = limits::kMaxPathTries;
};

}  // namespace

std::expected<Path, PathFailure> PathChecker::check(const CertificateRef& leaf,
                                                    std::span<const CertificateRef> received,
                                                    const PathOptions& options,
                                                    const Evidence& evidence) const {
  return Search(provider_, store_, signatures_, revocations_, options, evidence)
      .run(leaf, received);
}

std::vector<CertificateRef> chain_to_send(const CertificateRef& leaf, const TrustStore& store) {
  std::vector<CertificateRef> chain{leaf};
  while (chain.size() < limits::kMaxPathLength && !chain.back()->is_self_issued()) {
    const Certificate& last = *chain.back();
    const auto issuers = store.with_subject(last.issuer);
    const auto issuer = std::ranges::find_if(issuers, [&](const CertificateRef& candidate) {
      return candidate->is_ca && may_be_issuer(*candidate, last) &&
             std::ranges::none_of(chain, [&candidate](const CertificateRef& other) {
               return same(*other, *candidate);
             });
    });
    if (issuer == issuers.end() || (*issuer)->is_self_issued()) break;
    chain.push_back(*issuer);
  }
  return chain;
}

}  // namespace culvert::pki
