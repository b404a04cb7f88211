#include "ikev2/authentication.h"

#include <array>

namespace culvert::ikev2 {
namespace {

using AuthValue = InlineSecret<kMaxKeySize>;

// The AUTH value of one side. `signer` is whose octets are covered.
std::expected<AuthValue, trace::Body> psk_value(Host& host, const IkeSa& sa,
                                                const AuthMaterial& material, Role signer,
                                                const wire::Identification& id_payload) {
  const SharedSecret* secret = host.secrets().find(sa.local_id, sa.remote_id);
  if (!secret)
    return std::unexpected(trace::NoSecret{to_string(sa.local_id), to_string(sa.remote_id)});
  const bool i = signer == Role::initiator;
  AuthValue value;
  value.resize(*prf_size(sa.suite.prf));
  const Bytes body = id_payload.body();
  auto done = psk_auth(host.provider(), sa.suite.prf, secret->secret.view(),
                       i ? material.init_request : material.init_response,
                       i ? material.nonce_r : material.nonce_i, material.sk_p[i ? 0 : 1], body,
                       value.mutable_view());
  if (!done) return std::unexpected(trace::InternalError{"psk_auth", done.error().reason});
  return value;
}

std::string method_name(wire::AuthMethod method) {
  const auto name = wire::name_of(method);
  return name.empty() ? "method " + std::to_string(static_cast<int>(method)) : std::string(name);
}

}  // namespace

std::expected<wire::Auth, trace::Body> Authentication::sign(
    Host& host, const IkeSa& sa, const AuthMaterial& material,
    const wire::Identification& id_payload) {
  auto value = psk_value(host, sa, material, sa.role, id_payload);
  if (!value) return std::unexpected(std::move(value.error()));
  return wire::Auth{wire::AuthMethod::shared_key, to_bytes(value->view())};
}

std::expected<PeerAuthenticated, trace::Body> Authentication::verify(
    Host& host, const IkeSa& sa, const AuthMaterial& material,
    const wire::Identification& id_payload, const wire::Auth& auth) {
  if (auth.method != wire::AuthMethod::shared_key)
    return std::unexpected(trace::WrongAuthMethod{to_string(sa.remote_id), method_name(auth.method),
                                                  method_name(wire::AuthMethod::shared_key)});
  const Role peer = sa.is_initiator() ? Role::responder : Role::initiator;
  auto expected = psk_value(host, sa, material, peer, id_payload);
  if (!expected) return std::unexpected(std::move(expected.error()));
  if (!equal_constant_time(expected->view(), auth.data))
    return std::unexpected(trace::WrongSecret{to_string(sa.remote_id)});
  return PeerAuthenticated{};
}

}  // namespace culvert::ikev2
