#include "ikev2/authentication.h"

#include "ikev2/signature_auth.h"

namespace culvert::ikev2 {
namespace {

using AuthValue = InlineSecret<kMaxKeySize>;

// Whose octets are covered by the AUTH value of one side, keyed with `key`.
std::expected<AuthValue, trace::Body> keyed_value(Host& host, const IkeSa& sa,
                                                  const AuthMaterial& material, Role signer,
                                                  const wire::Identification& id_payload,
                                                  ByteView key) {
  const bool i = signer == Role::initiator;
  AuthValue value;
  value.resize(*prf_size(sa.suite.prf));
  const Bytes body = id_payload.body();
  auto done = psk_auth(host.provider(), sa.suite.prf, key,
                       i ? material.init_request : material.init_response,
                       i ? material.nonce_r : material.nonce_i, material.sk_p[i ? 0 : 1], body,
                       value.mutable_view());
  if (!done) return std::unexpected(trace::InternalError{"psk_auth", done.error().reason});
  return value;
}

std::expected<AuthValue, trace::Body> psk_value(Host& host, const IkeSa& sa,
                                                const AuthMaterial& material, Role signer,
                                                const wire::Identification& id_payload) {
  const SharedSecret* secret = host.secrets().find(sa.local_id, sa.remote_id);
  if (!secret)
    return std::unexpected(trace::NoSecret{to_string(sa.local_id), to_string(sa.remote_id)});
  return keyed_value(host, sa, material, signer, id_payload, secret->secret.view());
}

ByteView msk_of(const AuthExchange& exchange) {
  if (exchange.eap_relayed) return exchange.eap_relayed->msk.view();
  return exchange.eap_server ? exchange.eap_server->msk() : exchange.eap_peer->msk();
}

// RFC 7296, 2.16: SK_p where the method makes no key.
std::expected<AuthValue, trace::Body> eap_value(Host& host, const IkeSa& sa,
                                                const AuthExchange& exchange, Role signer) {
  ByteView key = msk_of(exchange);
  if (key.empty()) key = exchange.material.sk_p[signer == Role::initiator ? 0 : 1];
  return keyed_value(host, sa, exchange.material, signer,
                     signer == sa.role ? exchange.own_id : exchange.peer_id, key);
}

Role peer_role(const IkeSa& sa) { return sa.is_initiator() ? Role::responder : Role::initiator; }

wire::Auth shared_key_auth(const AuthValue& value) {
  return {wire::AuthMethod::shared_key, to_bytes(value.view())};
}

}  // namespace

std::string method_name(wire::AuthMethod method) {
  const auto name = wire::name_of(method);
  return name.empty() ? "method " + std::to_string(static_cast<int>(method)) : std::string(name);
}

trace::WrongAuthMethod wrong_method(const IkeSa& sa, std::string offered) {
  std::string accepted = "SHARED_KEY";
  if (sa.connection->remote.kind == AuthKind::pubkey) accepted = "a certificate";
  if (sa.connection->remote.kind == AuthKind::eap) accepted = "EAP";
  return {to_string(sa.remote_id), std::move(offered), std::move(accepted)};
}

std::expected<wire::Auth, trace::Body> Authentication::sign(
    Host& host, const IkeSa& sa, const AuthMaterial& material,
    const wire::Identification& id_payload) {
  auto value = psk_value(host, sa, material, sa.role, id_payload);
  if (!value) return std::unexpected(std::move(value.error()));
  return shared_key_auth(*value);
}

std::expected<std::optional<PeerAuthenticated>, trace::Body> Authentication::verify(
    Host& host, const IkeSa& sa, AuthExchange& exchange, const wire::Identification& id_payload,
    const wire::Auth& auth, const Inbound& in) {
  exchange.wanted.clear();
  if (sa.connection->remote.kind == AuthKind::pubkey) {
    auto verified = verify_signature(host, sa, exchange, id_payload, auth, in.payloads, in.now);
    if (!verified) return std::unexpected(std::move(verified.error()));
    if (!exchange.wanted.empty()) return std::nullopt;
    return PeerAuthenticated{};
  }
  if (auth.method != wire::AuthMethod::shared_key)
    return std::unexpected(wrong_method(sa, method_name(auth.method)));
  auto expected = psk_value(host, sa, exchange.material, peer_role(sa), id_payload);
  if (!expected) return std::unexpected(std::move(expected.error()));
  if (!equal_constant_time(expected->view(), auth.data))
    return std::unexpected(trace::WrongSecret{to_string(sa.remote_id)});
  return PeerAuthenticated{};
}

std::expected<wire::Auth, trace::Body> Authentication::sign_after_eap(
    Host& host, const IkeSa& sa, const AuthExchange& exchange) {
  auto value = eap_value(host, sa, exchange, sa.role);
  if (!value) return std::unexpected(std::move(value.error()));
  return shared_key_auth(*value);
}

std::expected<PeerAuthenticated, trace::Body> Authentication::verify_after_eap(
    Host& host, const IkeSa& sa, const AuthExchange& exchange, const wire::Auth& auth) {
  auto expected = eap_value(host, sa, exchange, peer_role(sa));
  if (!expected) return std::unexpected(std::move(expected.error()));
  if (auth.method != wire::AuthMethod::shared_key ||
      !equal_constant_time(expected->view(), auth.data))
    return std::unexpected(trace::WrongEapKey{to_string(sa.remote_id)});
  return PeerAuthenticated{};
}

}  // namespace culvert::ikev2
