#include "pki/trust_store.h"

#include <algorithm>

#include "base/limits.h"

namespace culvert::pki {

void TrustStore::index(const CertificateRef& certificate) {
  by_subject_.emplace(name_key(certificate->subject), certificate);
  const std::string subject_key_id(as_text(certificate->subject_key_id));
  if (!subject_key_id.empty()) by_key_id_.emplace(subject_key_id, certificate);
  if (!certificate->key) return;
  const std::string key_id(as_text(certificate->key->key_id()));
  if (key_id != subject_key_id) by_key_id_.emplace(key_id, certificate);
}

void TrustStore::add_ca(CertificateRef certificate) {
  if (certificate->key) ca_by_spki_hash_[certificate->key->spki_hash()] = certificate;
  Known& known = known_[certificate->fingerprint];
  if (!known.certificate) {
    index(certificate);
    known.certificate = std::move(certificate);
  }
  known.trusted = true;
}

void TrustStore::add_certificate(CertificateRef certificate) {
  Known& known = known_[certificate->fingerprint];
  if (known.certificate) return;
  index(certificate);
  known.certificate = std::move(certificate);
}

void TrustStore::add_crl(CrlRef crl) {
  std::string key = name_key(crl->issuer);
  crls_.emplace(std::move(key), std::move(crl));
}

void TrustStore::clear() { *this = TrustStore(); }

bool TrustStore::is_trusted(const Certificate& certificate) const {
  const auto at = known_.find(certificate.fingerprint);
  return at != known_.end() && at->second.trusted;
}

std::vector<CertificateRef> TrustStore::with_subject(ByteView name) const {
  std::vector<CertificateRef> found;
  const auto [begin, end] = by_subject_.equal_range(name_key(name));
  for (auto at = begin; at != end; ++at) found.push_back(at->second);
  std::ranges::partition(
      found, [this](const CertificateRef& certificate) { return is_trusted(*certificate); });
  return found;
}

CertificateRef TrustStore::ca_with_spki_hash(const KeyId& hash) const {
  const auto at = ca_by_spki_hash_.find(hash);
  return at == ca_by_spki_hash_.end() ? nullptr : at->second;
}

std::vector<CertificateRef> TrustStore::with_key_id(ByteView id) const {
  std::vector<CertificateRef> found;
  const auto [begin, end] = by_key_id_.equal_range(std::string(as_text(id)));
  for (auto at = begin; at != end; ++at) found.push_back(at->second);
  return found;
}

std::vector<CrlRef> TrustStore::crls_of(ByteView issuer) const {
  std::vector<CrlRef> found;
  const auto [begin, end] = crls_.equal_range(name_key(issuer));
  for (auto at = begin; at != end; ++at) found.push_back(at->second);
  return found;
}

std::vector<CertificateRef> TrustStore::authorities() const {
  std::vector<CertificateRef> found;
  for (const auto& [fingerprint, known] : known_)
    if (known.trusted) found.push_back(known.certificate);
  return found;
}

std::vector<CertificateRef> TrustStore::certificates() const {
  std::vector<CertificateRef> found;
  for (const auto& [fingerprint, known] : known_)
    if (!known.trusted) found.push_back(known.certificate);
  return found;
}

Bytes TrustStore::authority_hashes() const {
  Bytes hashes;
  for (const auto& [hash, certificate] : ca_by_spki_hash_) append(hashes, hash);
  return hashes;
}

bool SignatureCache::contains(const Fingerprint& signed_object, const PublicKey& signer) const {
  return verified_.contains({signed_object, signer.spki_hash()});
}

void SignatureCache::insert(const Fingerprint& signed_object, const PublicKey& signer) {
  if (verified_.size() >= limits::kMaxVerifiedSignatures) verified_.clear();
  verified_.insert({signed_object, signer.spki_hash()});
}

void RevocationCache::add(const PublicKey& issuer, CrlRef crl) {
  auto& lists = crls_[issuer.spki_hash()];
  const auto same_scope = std::ranges::find_if(lists, [&crl](const CrlRef& other) {
    return other->urls == crl->urls && other->only_ca == crl->only_ca &&
           other->only_user == crl->only_user;
  });
  if (same_scope == lists.end()) {
    if (lists.size() < limits::kMaxCrlScopes) lists.push_back(std::move(crl));
  } else if (crl->is_newer_than(**same_scope)) {
    *same_scope = std::move(crl);
  }
}

void RevocationCache::add(const PublicKey& issuer, const OcspAnswer& answer) {
  Key key{issuer.spki_hash(), to_bytes(answer.serial)};
  const auto at = statuses_.find(key);
  if (at != statuses_.end() && at->second.this_update > answer.this_update) return;
  if (at != statuses_.end()) {
    const auto [begin, end] = by_expiry_.equal_range(at->second.expires);
    const auto old =
        std::find_if(begin, end, [&key](const auto& row) { return row.second == key; });
    if (old != end) by_expiry_.erase(old);
  } else if (statuses_.size() >= limits::kMaxOcspStatuses) {
    statuses_.erase(by_expiry_.begin()->second);
    by_expiry_.erase(by_expiry_.begin());
  }
  const Status status{answer.status, answer.revocation, answer.this_update, expiry(answer)};
  statuses_.insert_or_assign(key, status);
  by_expiry_.emplace(status.expires, std::move(key));
}

bool RevocationCache::contains(const PublicKey& issuer, const Crl& crl) const {
  const auto at = crls_.find(issuer.spki_hash());
  return at != crls_.end() && std::ranges::any_of(at->second, [&crl](const CrlRef& known) {
           return known->fingerprint == crl.fingerprint;
         });
}

CrlRef RevocationCache::find_crl(const PublicKey& issuer, const Certificate& certificate) const {
  const auto at = crls_.find(issuer.spki_hash());
  if (at == crls_.end()) return nullptr;
  CrlRef newest;
  for (const CrlRef& crl : at->second)
    if (crl->covers(certificate) && (!newest || crl->is_newer_than(*newest))) newest = crl;
  return newest;
}

const RevocationCache::Status* RevocationCache::find_status(const PublicKey& issuer,
                                                            ByteView serial) const {
  const auto at = statuses_.find({issuer.spki_hash(), to_bytes(serial)});
  return at == statuses_.end() ? nullptr : &at->second;
}

void RevocationCache::clear() { *this = RevocationCache(); }

}  // namespace culvert::pki
