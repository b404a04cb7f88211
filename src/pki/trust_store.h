// The certificates and CRLs that the operator gave us, and what was found out about them.
#pragma once

#include <map>
#include <set>
#include <span>
#include <unordered_map>

#include "pki/ocsp.h"

namespace culvert::pki {

class TrustStore {
 public:
  // CA certificates are the ends of paths. Adding one twice changes nothing.
  void add_ca(CertificateRef certificate);
  // Known, not trusted: our own, peers', intermediate ones.
  void add_certificate(CertificateRef certificate);
  // Signatures and times are looked at when it is used.
  void add_crl(CrlRef crl);
  void clear();

  bool is_trusted(const Certificate& certificate) const;
  // Those with this subject (RFC 5280, 7.1); trusted ones first.
  std::vector<CertificateRef> with_subject(ByteView name) const;
  // For what a peer's CERTREQ asks: the CA with this SHA-1 of its SubjectPublicKeyInfo.
  CertificateRef ca_with_spki_hash(const KeyId& hash) const;
  // By subjectKeyIdentifier, or the key's SHA-1.
  std::vector<CertificateRef> with_key_id(ByteView id) const;
  std::vector<CrlRef> crls_of(ByteView issuer) const;
  // In the order of their fingerprints.
  std::vector<CertificateRef> authorities() const;
  std::vector<CertificateRef> certificates() const;
  // What our CERTREQ carries: the hashes of all CAs, one after the other (RFC 7296, 3.7).
  Bytes authority_hashes() const;

 private:
  struct Known {
    CertificateRef certificate;
    bool trusted = false;
  };
  using Index = std::unordered_multimap<std::string, CertificateRef>;
  void index(const CertificateRef& certificate);

  std::map<Fingerprint, Known> known_;
  Index by_subject_, by_key_id_;
  std::map<KeyId, CertificateRef> ca_by_spki_hash_;
  std::unordered_multimap<std::string, CrlRef> crls_;  // by issuer
};

// Signatures of CA certificates that were verified, so that a login costs one verification, the
// leaf's. Bounded: starts anew when full.
class SignatureCache {
 public:
  bool contains(const Fingerprint& signed_object, const PublicKey& signer) const;
  void insert(const Fingerprint& signed_object, const PublicKey& signer);

 private:
  using Entry = std::pair<Fingerprint, KeyId>;
  std::set<Entry> verified_;
};

// Revocation data that was verified, for the CA with a key. Bounded: what expires first goes first.
class RevocationCache {
 public:
  // Replaces an older list of the same scope.
  void add(const PublicKey& issuer, CrlRef crl);
  void add(const PublicKey& issuer, const OcspAnswer& answer);
  bool contains(const PublicKey& issuer, const Crl& crl) const;
  // The newest list that covers the certificate; nullptr: none.
  CrlRef find_crl(const PublicKey& issuer, const Certificate& certificate) const;

  struct Status {
    OcspAnswer::Status status = OcspAnswer::Status::unknown;
    Revocation revocation;
    std::chrono::sys_seconds this_update, expires;
  };
  const Status* find_status(const PublicKey& issuer, ByteView serial) const;
  void clear();

 private:
  using Key = std::pair<KeyId, Bytes>;  // the issuer's key and the serial number
  std::map<KeyId, std::vector<CrlRef>> crls_;
  std::map<Key, Status> statuses_;
  std::multimap<std::chrono::sys_seconds, Key> by_expiry_;
};

}  // namespace culvert::pki
