// Invariant: what is granted follows the kind of RADIUS packet alone (RFC 3579, 2.6.3), and the
// State that goes back is the one that came with the last challenge.
#include "radius/eap_relay.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/limits.h"
#include "eap/method.h"

namespace culvert::radius {
namespace {

// RFC 2548, 2.4.2 and 2.4.3
constexpr std::uint8_t kMppeSendKey = 16;
constexpr std::uint8_t kMppeRecvKey = 17;
// What an EAP packet may take of an IKE message; RFC 2865, 5.12.
constexpr std::uint32_t kFramedMtu = 1'400;

Bytes eap_outcome(eap::Code code, std::uint8_t identifier) {
  return eap::encode({.code = code, .identifier = identifier});
}

// What the server sent, if it is what this kind of answer should carry; else one of our own.
Bytes outcome_or(ByteView sent, eap::Code code, std::uint8_t identifier) {
  const auto packet = eap::decode(sent);
  return packet && packet->code == code ? to_bytes(packet->whole) : eap_outcome(code, identifier);
}

}  // namespace

Result<Request> EapRelay::request(ByteView eap_response) {
  const eap::Packet packet = TRY(eap::decode(eap_response));
  if (packet.code != eap::Code::response) return fail(Fault::peer_misbehaved, Reason::bad_value);
  if (++rounds_ > limits::kMaxEapRounds) return fail(Fault::peer_misbehaved, Reason::exhausted);
  // RFC 3579, 2.1: the NAS copies the identity into User-Name, in every request.
  if (packet.type == eap::kIdentity) user_name_.assign(as_text(packet.data));
  if (user_name_.size() > limits::kMaxRadiusAttribute)
    return fail(Fault::peer_misbehaved, Reason::too_large);
  identifier_ = packet.identifier;

  Request request{.code = Code::access_request, .server = server_};
  AttributeWriter writer(request.attributes);
  writer.add(Type::user_name, user_name_);
  add_nas(writer, nas_);
  add_port(writer, port_);
  writer.add(Type::framed_mtu, kFramedMtu);
  writer.add_eap(packet.whole);
  writer.add(Type::state, state_);
  if (request.attributes.size() > kMaxRequestAttributes)
    return fail(Fault::peer_misbehaved, Reason::too_large);
  return request;
}

EapRelay::Outcome EapRelay::take(Provider& provider, const Server& server,
                                 const Answered& answered) {
  switch (answered.packet.code()) {
    case Code::access_challenge:
      return challenge(server, answered);
    case Code::access_accept:
      return accept(provider, server, answered);
    case Code::access_reject:
      return Rejected{
          outcome_or(answered.packet.joined(Type::eap_message), eap::Code::failure, identifier_),
          read_authorization(answered.packet).reply_message};
    default:
      break;
  }
  return Broken{
      fmt::format("RADIUS server {} answers with something else than access", server.name)};
}

EapRelay::Outcome EapRelay::challenge(const Server& server, const Answered& answered) {
  Bytes octets = answered.packet.joined(Type::eap_message);
  const auto packet = eap::decode(octets);
  if (!packet || packet->code != eap::Code::request)
    return Broken{
        fmt::format("RADIUS server {} sends a challenge without an EAP request in it; "
                    "let it use EAP for this client",
                    server.name)};
  const auto state = answered.packet.find(Type::state);
  state_ = state ? to_bytes(*state) : Bytes{};
  server_ = answered.server;
  return Challenge{to_bytes(packet->whole)};
}

EapRelay::Outcome EapRelay::accept(Provider& provider, const Server& server,
                                   const Answered& answered) const {
  SecretBytes receive, send;
  for (const VendorAttribute& attribute : answered.packet.vendor_attributes()) {
    const bool is_send = attribute.type == kMppeSendKey;
    if (attribute.vendor != Vendor::microsoft || (!is_send && attribute.type != kMppeRecvKey))
      continue;
    auto key =
        reveal_key(provider, server.secret.view(), answered.request_authenticator, attribute.value);
    if (!key || key->size() > eap::kMskSize / 2)
      return Broken{
          fmt::format("the keys that RADIUS server {} sends (MS-MPPE) are malformed", server.name)};
    (is_send ? send : receive) = std::move(*key);
  }
  Accepted accepted{
      outcome_or(answered.packet.joined(Type::eap_message), eap::Code::success, identifier_),
      {},
      read_authorization(answered.packet)};
  if (!receive.empty() || !send.empty()) {
    // The MSK is what the NAS receives with, then what it sends with; methods with shorter keys
    // (MSCHAPv2: 16 octets each) leave zeros behind.
    accepted.msk = SecretBytes(eap::kMskSize);
    const auto end = std::ranges::copy(receive.view(), accepted.msk.mutable_view().begin()).out;
    std::ranges::copy(send.view(), end);
  }
  if (accepted.authorization.user_name.empty()) accepted.authorization.user_name = user_name_;
  return accepted;
}

}  // namespace culvert::radius
