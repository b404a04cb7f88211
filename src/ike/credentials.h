// What a shard knows about certificates: whom we trust, what we have been told about revocations,
// and which certificates are ours because their keys can sign.
#pragma once

#include <map>
#include <span>

#include "ike/tls_contexts.h"
#include "pki/path.h"

namespace culvert {

class Credentials {
 public:
  // `provider` outlives this.
  explicit Credentials(Provider& provider) : provider_(provider) {}

  pki::TrustStore& store() { return store_; }
  const pki::TrustStore& store() const { return store_; }

  // Private keys that somebody signs with on request, by the SHA-1 of the public key.
  void add_key(PublicKeyRef key);
  void remove_key(const KeyId& key) { keys_.erase(key); }
  PublicKeyRef key(const KeyId& key) const;
  const std::map<KeyId, PublicKeyRef>& keys() const { return keys_; }

  // A configured certificate, parsed once.
  pki::CertificateRef parse(ByteView der);
  // A configured raw public key; nullptr when it is none that we verify.
  PublicKeyRef parse_key(ByteView spki);
  // Whether the path from a peer's certificate over `received` is good.
  std::expected<pki::Path, pki::PathFailure> check(const pki::CertificateRef& leaf,
                                                   std::span<const pki::CertificateRef> received,
                                                   const pki::PathOptions& options,
                                                   const pki::Evidence& evidence = {});

  // For EAP methods with TLS.
  TlsContexts& tls_contexts() { return tls_contexts_; }

  void clear();

 private:
  Provider& provider_;
  pki::TrustStore store_;
  pki::SignatureCache signatures_;
  pki::RevocationCache revocations_;
  std::map<KeyId, PublicKeyRef> keys_;
  // By DER; those that connections name.
  std::map<Bytes, pki::CertificateRef> parsed_;
  std::map<Bytes, PublicKeyRef> parsed_keys_;
  TlsContexts tls_contexts_;
};

}  // namespace culvert
