// Invariant: a peer's signature counts only with a certificate that says it is whom it claims to
// be, and that a CA which the connection takes vouches for, now.
#include "ikev2/signature_auth.h"

#include <algorithm>

#include "ikev2/authentication.h"
#include "ikev2/peer_certificate.h"
#include "pki/identity_match.h"

namespace culvert::ikev2 {
namespace {

using wire::AuthMethod;
using wire::NotifyType;
using wire::PayloadType;

// CERTREQ lists at most so many CAs: a first message must not grow without bound.
constexpr std::size_t kMaxRequestedCas = 64;

// ---- which of our certificates ----

bool can_sign(Host& host, const pki::CertificateRef& certificate) {
  return certificate && certificate->key && host.credentials().key(certificate->key->key_id());
}

// The configured raw public key whose private half we have.
PublicKeyRef own_raw_key(Host& host, const IkeSa& sa) {
  for (const CertificateData& one : sa.connection->local.pubkeys)
    if (auto key = host.credentials().parse_key(one.view());
        key && host.credentials().key(key->key_id()))
      return key;
  return nullptr;
}

std::vector<SignatureHash> hashes_of(std::uint16_t set) {
  std::vector<SignatureHash> hashes;
  for (const SignatureHash hash : kAnnouncedHashes)
    if (set & (1u << static_cast<unsigned>(hash))) hashes.push_back(hash);
  return hashes;
}

// For a peer that does not know RFC 7427: RFC 7296, 3.8 and RFC 4754, 3.
std::optional<SignaturePlan> older_plan(const PublicKey& key) {
  switch (key.kind()) {
    case KeyKind::rsa:
      return SignaturePlan{AuthMethod::rsa_signature, {SignatureKind::rsa_pkcs1, Hash::sha1, 0}};
    case KeyKind::ecdsa_p256:
      return SignaturePlan{AuthMethod::ecdsa_256, {SignatureKind::ecdsa_raw, Hash::sha2_256, 0}};
    case KeyKind::ecdsa_p384:
      return SignaturePlan{AuthMethod::ecdsa_384, {SignatureKind::ecdsa_raw, Hash::sha2_384, 0}};
    case KeyKind::ecdsa_p521:
      return SignaturePlan{AuthMethod::ecdsa_521, {SignatureKind::ecdsa_raw, Hash::sha2_512, 0}};
    default:
      return std::nullopt;
  }
}

std::optional<SignaturePlan> plan_for(const PublicKey& key, std::uint16_t peer_hashes) {
  if (peer_hashes == 0) return older_plan(key);
  const auto scheme = choose_scheme({key.kind(), key.bits(), false}, hashes_of(peer_hashes));
  if (!scheme) return std::nullopt;
  return SignaturePlan{AuthMethod::digital_signature, *scheme};
}

// The first message | the other side's nonce | prf(SK_p, the ID payload): RFC 7296, 2.15.
std::expected<Bytes, trace::Body> signed_octets(Host& host, const IkeSa& sa,
                                                const AuthMaterial& material, Role signer,
                                                const wire::Identification& id_payload) {
  const bool i = signer == Role::initiator;
  std::array<std::uint8_t, kMaxKeySize> mac;
  const MutableBytes maced = MutableBytes(mac).first(*prf_size(sa.suite.prf));
  if (auto done =
          host.provider().prf(sa.suite.prf, material.sk_p[i ? 0 : 1], {id_payload.body()}, maced);
      !done)
    return std::unexpected(trace::InternalError{"prf", done.error().reason});
  Bytes octets = i ? material.init_request : material.init_response;
  append(octets, i ? material.nonce_r : material.nonce_i);
  append(octets, maced);
  return octets;
}

// ---- the peer's certificate ----

std::vector<pki::CertificateRef> received_certificates(Host& host,
                                                       std::span<const wire::Payload> payloads) {
  std::vector<pki::CertificateRef> certificates;
  for (const wire::Payload& payload : payloads) {
    const auto* cert = std::get_if<wire::Cert>(&payload.body);
    if (payload.type != PayloadType::cert || !cert ||
        wire::CertEncoding{cert->encoding} != wire::CertEncoding::x509_signature)
      continue;
    if (certificates.size() == limits::kMaxReceivedCertificates) break;
    if (auto parsed = pki::parse_certificate(host.provider(), cert->data))
      certificates.push_back(std::move(*parsed));
  }
  return certificates;
}

// RFC 7296, 3.6: the first that the peer has sent; without any, those that we have of it.
std::vector<pki::CertificateRef> candidates(Host& host, const IkeSa& sa,
                                            std::span<const pki::CertificateRef> received) {
  if (!received.empty()) return {received.front()};
  std::vector<pki::CertificateRef> known;
  for (const CertificateData& one : sa.connection->remote.certs)
    if (auto certificate = host.credentials().parse(one.view())) known.push_back(certificate);
  if (known.empty() && sa.remote_id.type == wire::IdType::der_asn1_dn)
    known = host.credentials().store().with_subject(sa.remote_id.data);
  return known;
}

// ---- the peer's signature ----

struct Signature {
  SignatureScheme scheme;
  ByteView octets;
};

// RFC 7427, 3: the length of the AlgorithmIdentifier, itself, the signature.
std::optional<Signature> digital_signature(ByteView data) {
  if (data.empty() || data.size() < 1u + data[0]) return std::nullopt;
  const auto scheme = decode_scheme(data.subspan(1, data[0]));
  if (!scheme) return std::nullopt;
  return Signature{*scheme, data.subspan(1u + data[0])};
}

std::optional<Signature> signature_of(const wire::Auth& auth, const PublicKey& key) {
  if (auth.method == AuthMethod::digital_signature) {
    auto signature = digital_signature(auth.data);
    // RFC 8247, 4: SHA-1 is not for these.
    if (signature && signature->scheme.hash == Hash::sha1) return std::nullopt;
    return signature;
  }
  const auto plan = older_plan(key);
  if (!plan || plan->method != auth.method) return std::nullopt;
  return Signature{plan->scheme, auth.data};
}

// Whether `key` has made the signature of `octets` in AUTH.
std::optional<trace::Body> objection_to_signature(Host& host, const IkeSa& sa,
                                                  const wire::Auth& auth, const PublicKey& key,
                                                  ByteView octets) {
  const auto signature = signature_of(auth, key);
  if (!signature)
    return trace::BadSignature{to_string(sa.remote_id), "it is of a kind that we do not take"};
  if (!host.provider().verify(key, signature->scheme, {octets}, signature->octets))
    return trace::BadSignature{to_string(sa.remote_id), "it does not fit its key"};
  return std::nullopt;
}

// RFC 7670: the configured keys stand for the peer; what it sends along changes nothing.
std::expected<void, trace::Body> verify_with_raw_keys(Host& host, const IkeSa& sa,
                                                      const wire::Auth& auth, ByteView octets) {
  trace::Body why = trace::BadSignature{to_string(sa.remote_id), "none of its keys can be used"};
  for (const CertificateData& one : sa.connection->remote.pubkeys) {
    const PublicKeyRef key = host.credentials().parse_key(one.view());
    if (!key) continue;
    auto objection = objection_to_signature(host, sa, auth, *key, octets);
    if (!objection) return {};
    why = std::move(*objection);
  }
  return std::unexpected(std::move(why));
}

bool is_signature_method(AuthMethod method) {
  return method == AuthMethod::digital_signature || method == AuthMethod::rsa_signature ||
         method == AuthMethod::ecdsa_256 || method == AuthMethod::ecdsa_384 ||
         method == AuthMethod::ecdsa_521;
}

}  // namespace

pki::CertificateRef own_certificate(Host& host, const IkeSa& sa) {
  const auto& configured = sa.connection->local.certs;
  for (const CertificateData& one : configured)
    if (auto certificate = host.credentials().parse(one.view()); can_sign(host, certificate))
      return certificate;
  if (!configured.empty()) return nullptr;
  for (const auto& [id, key] : host.credentials().keys())
    for (const auto& certificate : host.credentials().store().with_key_id(id))
      if (can_sign(host, certificate) && pki::certifies(*certificate, sa.local_id))
        return certificate;
  return nullptr;
}

std::expected<void, trace::Body> plan_signature(Host& host, const IkeSa& sa,
                                                AuthExchange& exchange) {
  const bool raw = !sa.connection->local.pubkeys.empty();
  const auto certificate = raw ? nullptr : own_certificate(host, sa);
  const PublicKeyRef key = certificate ? certificate->key : own_raw_key(host, sa);
  if (!key) return std::unexpected(trace::NoOwnCertificate{to_string(sa.local_id)});
  auto plan = plan_for(*key, exchange.material.peer_hashes);
  if (!plan) return std::unexpected(trace::NoCommonSignature{std::string(name_of(key->kind()))});
  plan->key = key->key_id();
  if (raw) plan->raw_key = key;
  if (certificate) plan->chain = pki::chain_to_send(certificate, host.credentials().store());
  exchange.plan = std::move(*plan);
  return {};
}

std::expected<Bytes, trace::Body> octets_to_sign(Host& host, const IkeSa& sa,
                                                 const AuthExchange& exchange) {
  return signed_octets(host, sa, exchange.material, sa.role, exchange.own_id);
}

wire::Auth to_auth(const SignaturePlan& plan, ByteView signature) {
  wire::Auth auth{plan.method, {}};
  if (plan.method == AuthMethod::digital_signature) {
    const Bytes algorithm = encode_scheme(plan.scheme);
    auth.data.push_back(static_cast<std::uint8_t>(algorithm.size()));
    append(auth.data, algorithm);
  }
  append(auth.data, signature);
  return auth;
}

void add_certificates(const IkeSa& sa, const AuthExchange& exchange, Payloads& payloads) {
  const SendCert send = sa.connection->send_cert;
  if (send == SendCert::never || (send == SendCert::if_asked && !exchange.material.wants_cert))
    return;
  const auto add = [&](wire::CertEncoding encoding, ByteView der) {
    payloads.emplace_back(PayloadType::cert,
                          wire::Cert{static_cast<std::uint8_t>(encoding), to_bytes(der)});
  };
  for (const auto& certificate : exchange.plan->chain)
    add(wire::CertEncoding::x509_signature, certificate->der);
  if (exchange.plan->raw_key)
    add(wire::CertEncoding::raw_public_key, exchange.plan->raw_key->spki());
}

void collect_evidence(Host& host, std::span<const wire::Payload> payloads, AuthExchange& exchange) {
  for (const wire::Payload& payload : payloads) {
    const auto* cert = std::get_if<wire::Cert>(&payload.body);
    if (payload.type != PayloadType::cert || !cert) continue;
    if (wire::CertEncoding{cert->encoding} == wire::CertEncoding::crl)
      exchange.evidence.add_crl(host.provider(), cert->data);
    if (wire::CertEncoding{cert->encoding} == wire::CertEncoding::ocsp_content)
      exchange.evidence.add_ocsp(host.provider(), cert->data);
  }
}

std::expected<void, trace::Body> verify_signature(
    Host& host, const IkeSa& sa, AuthExchange& exchange, const wire::Identification& id_payload,
    const wire::Auth& auth, std::span<const wire::Payload> payloads, TimePoint now) {
  if (!is_signature_method(auth.method))
    return std::unexpected(wrong_method(sa, method_name(auth.method)));
  const auto received = received_certificates(host, payloads);
  const Role signer = sa.is_initiator() ? Role::responder : Role::initiator;
  auto octets = signed_octets(host, sa, exchange.material, signer, id_payload);
  if (!octets) return std::unexpected(std::move(octets.error()));
  if (!sa.connection->remote.pubkeys.empty()) return verify_with_raw_keys(host, sa, auth, *octets);
  trace::Body why = trace::NoPeerCertificate{to_string(sa.remote_id)};
  for (const auto& certificate : candidates(host, sa, received)) {
    if (!certificate->key) {
      why =
          trace::BadSignature{to_string(sa.remote_id), "its key is of a kind or size that we lack"};
      continue;
    }
    auto objection = objection_to_signature(host, sa, auth, *certificate->key, *octets);
    if (!objection) objection = objection_to_identity(sa.remote_id, *certificate);
    if (!objection)
      if (auto other =
              objection_to_certificate(host, sa.connection->remote, sa.remote_id, certificate,
                                       received, pki::PathPurpose::ike, now, &exchange))
        objection = std::move(other->why);
    if (!objection) return {};
    why = std::move(*objection);
  }
  return std::unexpected(std::move(why));
}

void add_signature_hashes(Payloads& payloads) {
  Bytes data;
  Writer writer(data);
  for (const SignatureHash hash : kAnnouncedHashes) writer.u16(static_cast<std::uint16_t>(hash));
  payloads.push_back(make_notify(NotifyType::signature_hash_algorithms, std::move(data)));
}

std::uint16_t signature_hashes(std::span<const wire::Payload> payloads) {
  std::uint16_t set = 0;
  const auto* notify = wire::find_notify(payloads, NotifyType::signature_hash_algorithms);
  Reader reader(notify ? ByteView(notify->data) : ByteView());
  while (const auto hash = reader.u16())
    if (*hash < 16) set = static_cast<std::uint16_t>(set | (1u << *hash));
  return set;
}

void add_certificate_request(Host& host, const AuthConfig& peer, Payloads& payloads) {
  const auto add = [&](wire::CertEncoding encoding, Bytes&& authorities) {
    payloads.emplace_back(PayloadType::certreq, wire::CertReq{static_cast<std::uint8_t>(encoding),
                                                              std::move(authorities)});
  };
  if (!peer.pubkeys.empty()) return add(wire::CertEncoding::raw_public_key, {});
  std::vector<pki::CertificateRef> authorities;
  for (const CertificateData& one : peer.cacerts)
    if (auto certificate = host.credentials().parse(one.view()))
      authorities.push_back(std::move(certificate));
  if (peer.cacerts.empty()) authorities = host.credentials().store().authorities();
  Bytes hashes;
  std::size_t count = 0;
  for (const auto& authority : authorities)
    if (authority->key && count++ < kMaxRequestedCas) append(hashes, authority->key->spki_hash());
  if (hashes.empty()) return;
  add(wire::CertEncoding::x509_signature, std::move(hashes));
}

bool has_certificate_request(const IkeSa& sa, std::span<const wire::Payload> payloads) {
  const auto ours = sa.connection && !sa.connection->local.pubkeys.empty()
                        ? wire::CertEncoding::raw_public_key
                        : wire::CertEncoding::x509_signature;
  return std::ranges::any_of(payloads, [&](const wire::Payload& payload) {
    const auto* request = std::get_if<wire::CertReq>(&payload.body);
    return request && wire::CertEncoding{request->encoding} == ours;
  });
}

}  // namespace culvert::ikev2
