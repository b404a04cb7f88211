#include "eap/sim_method_base.h"

#include <fmt/format.h>

#include "base/limits.h"

namespace culvert::eap {
namespace sim {
namespace {

// RFC 4186, 10.18 and RFC 4187, 10.19: what the bits of AT_NOTIFICATION say.
constexpr std::uint16_t kSuccess = 0x8000;
constexpr std::uint16_t kBeforeKeys = 0x4000;

std::string_view words_of(std::uint16_t notification) {
  switch (notification) {
    case 1026:
      return "temporarily denied access to the service";
    case 1031:
      return "not subscribed to the service";
    default:
      return "general failure";
  }
}

}  // namespace

Turn ServerBase::receive(const Packet& packet) {
  const auto message = Message::parse(packet);
  if (!message) return Turn::fail(Failure::protocol_error, "malformed attributes");
  if (message->subtype() != Subtype::client_error) return receive_message(packet, *message);
  const auto code = message->number(Attribute::client_error_code);
  return Turn::fail(Failure::peer_gave_up,
                    code ? fmt::format("client error {}", *code) : std::string());
}

bool ServerBase::find_subscriber() {
  auto name = server_.centre.subscriber(identity_);
  if (name) name_ = std::move(*name);
  return !name_.empty();
}

std::optional<Turn> ServerBase::take_identity(const Message& message) {
  const auto identity = message.sized(Attribute::identity);
  if (!identity) return Turn::fail(Failure::protocol_error, "AT_IDENTITY is missing");
  if (identity->size() > limits::kMaxEapIdentity)
    return Turn::fail(Failure::protocol_error, "the identity is too long");
  identity_ = as_text(*identity);
  if (!find_subscriber())
    return Turn::fail(Failure::no_such_user, "\"" + printable(identity_) + "\"");
  return std::nullopt;
}

Turn ServerBase::send_with_mac(Composer composer, std::uint8_t identifier,
                               std::initializer_list<ByteView> extra) {
  auto data = composer.take_with_mac(server_.provider, keys_.mac, keys_.aut.view(),
                                     request_head(type_, identifier), extra);
  return data ? Turn::send(std::move(*data)) : no_crypto();
}

Turn PeerBase::receive(const Packet& packet) {
  const auto message = Message::parse(packet);
  if (!message) return malformed("malformed attributes");
  if (message->subtype() == Subtype::notification) return receive_notification(packet, *message);
  return receive_message(packet, *message);
}

Turn PeerBase::client_error(ClientError code, Failure why, std::string detail) {
  Composer composer(Subtype::client_error);
  composer.number(Attribute::client_error_code, static_cast<std::uint16_t>(code));
  return Turn::fail_with(composer.take(), why, std::move(detail));
}

void PeerBase::answer_identity(const Message& message, Composer& composer) const {
  for (const Attribute request :
       {Attribute::permanent_id_req, Attribute::fullauth_id_req, Attribute::any_id_req})
    if (message.has(request)) return composer.sized(Attribute::identity, as_bytes(identity_));
}

Turn PeerBase::content(Composer composer, const Packet& packet,
                       std::initializer_list<ByteView> extra) {
  auto data = composer.take_with_mac(peer_.provider, keys_.mac, keys_.aut.view(),
                                     response_head(packet), extra);
  if (!data) return no_crypto();
  content_ = true;
  return Turn::succeed_with(std::move(*data));
}

// RFC 4186, 6.1: a notification after the keys were made is authenticated, and one before them
// cannot be. One that announces success comes after them only.
Turn PeerBase::receive_notification(const Packet& packet, const Message& message) {
  const auto code = message.number(Attribute::notification);
  if (!code) return malformed("a notification without its code");
  const bool before_keys = (*code & kBeforeKeys) != 0, success = (*code & kSuccess) != 0;
  if (before_keys == content_ || (success && before_keys))
    return malformed("a notification of the wrong phase");
  const ByteView key = keys_.aut.view();
  if (content_ && !mac_fits(peer_.provider, keys_.mac, key, packet, message, {}))
    return malformed("a notification with a wrong AT_MAC");
  Composer composer(Subtype::notification);
  auto data =
      content_ ? composer.take_with_mac(peer_.provider, keys_.mac, key, response_head(packet), {})
               : Result<Bytes>(composer.take());
  if (!data) return no_crypto();
  if (success) return Turn::succeed_with(std::move(*data));
  return Turn::fail_with(std::move(*data), Failure::refused,
                         fmt::format("notification {}: {}", *code, words_of(*code)));
}

}  // namespace sim

std::optional<Offer> offer_sim_server(Type type, const SimServer& server) {
  if (type != kSim && type != kAka && type != kAkaPrime) return std::nullopt;
  return Offer{type, [=](const std::string& identity) {
                 return type == kSim ? sim::make_sim_server(server, identity)
                                     : sim::make_aka_server(type, server, identity);
               }};
}

std::optional<Offer> offer_sim_peer(Type type, const SimPeer& peer) {
  if (type != kSim && type != kAka && type != kAkaPrime) return std::nullopt;
  return Offer{type, [=](const std::string& identity) {
                 return type == kSim ? sim::make_sim_peer(peer, identity)
                                     : sim::make_aka_peer(type, peer, identity);
               }};
}

}  // namespace culvert::eap
