#include "ike/credentials.h"

namespace culvert {

void Credentials::add_key(PublicKeyRef key) {
  const KeyId id = key->key_id();
  keys_.insert_or_assign(id, std::move(key));
}

PublicKeyRef Credentials::key(const KeyId& key) const {
  const auto at = keys_.find(key);
  return at == keys_.end() ? nullptr : at->second;
}

pki::CertificateRef Credentials::parse(ByteView der) {
  auto [at, added] = parsed_.try_emplace(to_bytes(der));
  if (added)
    if (auto parsed = pki::parse_certificate(provider_, der)) at->second = std::move(*parsed);
  return at->second;
}

PublicKeyRef Credentials::parse_key(ByteView spki) {
  auto [at, added] = parsed_keys_.try_emplace(to_bytes(spki));
  if (added)
    if (auto parsed = provider_.load_public_key(spki)) at->second = std::move(*parsed);
  return at->second;
}

std::expected<pki::Path, pki::PathFailure> Credentials::check(
    const pki::CertificateRef& leaf, std::span<const pki::CertificateRef> received,
    const pki::PathOptions& options, const pki::Evidence& evidence) {
  const pki::PathChecker checker(provider_, store_, signatures_, revocations_);
  return checker.check(leaf, received, options, evidence);
}

void Credentials::clear() {
  store_.clear();
  revocations_.clear();
  tls_contexts_.clear();
  keys_.clear();
  parsed_.clear();
  parsed_keys_.clear();
}

}  // namespace culvert
