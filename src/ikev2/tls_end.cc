#include "ikev2/tls_end.h"

#include "base/der.h"
#include "ikev2/peer_certificate.h"
#include "ikev2/signature_auth.h"
#include "pki/identity_match.h"
#include "trace/render.h"

namespace culvert::ikev2 {
namespace {

using tls::Alert;
using Received = std::vector<pki::CertificateRef>;

// RFC 8446, 6.2.
Alert alert_of(std::optional<pki::PathProblem> problem) {
  using enum pki::PathProblem;
  if (!problem) return Alert::access_denied;
  switch (*problem) {
    case untrusted:
    case self_signed:
    case chain_too_long:
      return Alert::unknown_ca;
    case expired:
    case not_yet_valid:
      return Alert::certificate_expired;
    case revoked:
      return Alert::certificate_revoked;
    case wrong_extended_key_usage:
    case wrong_key_usage:
    case unsupported_key:
    case unsupported_signature:
      return Alert::unsupported_certificate;
    default:
      return Alert::bad_certificate;
  }
}

std::string words_of(trace::Body&& why) {
  if (auto* refused = std::get_if<trace::CertificateRefused>(&why)) return std::move(refused->why);
  return trace::sentence_of({.body = std::move(why)});
}

// The chain, read as far as we look at certificates; empty when its leaf cannot be read.
Received read_chain(Host& host, std::span<const Bytes> chain) {
  Received received;
  for (const Bytes& der : chain.first(std::min(chain.size(), limits::kMaxReceivedCertificates))) {
    auto parsed = pki::parse_certificate(host.provider(), der);
    if (parsed)
      received.push_back(std::move(*parsed));
    else if (received.empty())
      return received;
  }
  return received;
}

// A refusal, or that it has to wait for what exchange.wanted names; nothing: it is trusted.
std::optional<tls::Judgement> objection_to_chain(Host& host, AuthExchange& exchange,
                                                 const AuthConfig& wanted, const Identity& peer,
                                                 const Received& received, pki::PathPurpose purpose,
                                                 TimePoint now) {
  auto objection = objection_to_certificate(host, wanted, peer, received.front(), received, purpose,
                                            now, &exchange);
  if (!exchange.wanted.empty()) return tls::Judgement::undecided();
  if (!objection) return std::nullopt;
  return tls::Refusal{alert_of(objection->problem), words_of(std::move(objection->why))};
}

tls::Refusal unreadable() { return {Alert::bad_certificate, "it cannot be read"}; }

// What EAP-Identity says: text, or a distinguished name as its octets.
Identity identity_in(const std::string& octets) {
  const ByteView bytes = as_bytes(octets);
  if (der::read_only(bytes, der::kSequence)) return {wire::IdType::der_asn1_dn, to_bytes(bytes)};
  return parse_identity(octets).value_or(Identity{wire::IdType::key_id, to_bytes(bytes)});
}

}  // namespace

std::expected<std::shared_ptr<const tls::Context>, trace::Body> own_tls_context(
    Host& host, const IkeSa& sa, AuthExchange& exchange) {
  const auto certificate = own_certificate(host, sa);
  if (!certificate) return std::unexpected(trace::NoOwnCertificate{to_string(sa.local_id)});
  std::vector<Bytes> chain, authorities;
  for (const auto& one : pki::chain_to_send(certificate, host.credentials().store()))
    chain.push_back(one->der);
  for (const CertificateData& one : sa.connection->remote.cacerts)
    authorities.push_back(to_bytes(one.view()));
  auto context = host.credentials().tls_contexts().get(std::move(chain), std::move(authorities));
  if (!context)
    return std::unexpected(trace::InternalError{"tls::Context", context.error().reason});
  exchange.eap_key = certificate->key->key_id();
  return std::move(*context);
}

tls::Verifier trust_user(Host& host, const IkeSa& sa, AuthExchange& exchange, std::string user,
                         TimePoint now) {
  const bool asked = sa.connection->remote.eap_id.has_value();
  Identity identity = asked ? identity_in(user) : sa.remote_id;
  return [&host, &exchange, connection = sa.connection, identity = std::move(identity),
          user = std::move(user), now](std::span<const Bytes> chain) -> tls::Judgement {
    const Received received = read_chain(host, chain);
    if (received.empty()) return unreadable();
    if (auto objection = objection_to_chain(host, exchange, connection->remote, identity, received,
                                            pki::PathPurpose::tls_client, now))
      return *objection;
    if (auto why = objection_to_identity(identity, *received.front()))
      return tls::Refusal{Alert::access_denied, words_of(std::move(*why))};
    // Users need not be known here by name; one who is may be shut out.
    if (const eap::User* known = host.users().find(user))
      if (const auto refusal = eap::refusal_of(known, host.date(now)))
        return tls::Refusal{Alert::access_denied, eap::to_text(*refusal)};
    return std::nullopt;
  };
}

tls::Verifier trust_server(Host& host, const IkeSa& sa, AuthExchange& exchange, TimePoint now) {
  return [&host, &exchange, connection = sa.connection, responder = sa.remote_id,
          now](std::span<const Bytes> chain) -> tls::Judgement {
    const Received received = read_chain(host, chain);
    if (received.empty()) return unreadable();
    AuthConfig wanted = connection->remote;
    wanted.certs.clear();  // they are the responder's in IKE
    const auto& aaa_id = connection->local.aaa_id;
    const Identity& server = aaa_id ? *aaa_id : responder;
    if (auto objection = objection_to_chain(host, exchange, wanted, server, received,
                                            pki::PathPurpose::tls_server, now))
      return *objection;
    if (aaa_id && is_pattern(*aaa_id) && pki::match_certificate(*aaa_id, *received.front()) > 0)
      return std::nullopt;
    if (auto why = objection_to_identity(server, *received.front()))
      return tls::Refusal{Alert::bad_certificate, words_of(std::move(*why))};
    return std::nullopt;
  };
}

}  // namespace culvert::ikev2
