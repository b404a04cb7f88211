// What the two sides of EAP-SIM have in common with those of EAP-AKA.
#pragma once

#include <string>
#include <utility>

#include "eap/method.h"
#include "eap/sim_keys.h"
#include "eap/sim_message.h"
#include "eap/sim_methods.h"

namespace culvert::eap::sim {

// A head for AT_MAC: requests of ours are never expanded.
inline Packet request_head(Type type, std::uint8_t identifier) {
  return {Code::request, identifier, false, type, {}, {}};
}
inline Packet response_head(const Packet& request) {
  return {Code::response, request.identifier, request.expanded, request.type, {}, {}};
}
inline Turn no_crypto() { return Turn::fail(Failure::internal, "a hash is not available"); }

class ServerBase : public Method {
 public:
  ServerBase(Type type, const SimServer& server, const std::string& identity)
      : type_(type), server_(server), identity_(identity) {}
  Type type() const override { return type_; }
  ByteView msk() const override { return keys_.msk.view(); }
  std::string_view user() const override { return name_; }
  Turn receive(const Packet& packet) final;

 protected:
  virtual Turn receive_message(const Packet& packet, const Message& message) = 0;
  // Looks the identity up; false: there is no such subscriber.
  bool find_subscriber();
  // Takes AT_IDENTITY, which we asked for; a refusal where it is missing or unknown.
  std::optional<Turn> take_identity(const Message& message);
  Turn send_with_mac(Composer composer, std::uint8_t identifier,
                     std::initializer_list<ByteView> extra);

  Type type_;
  SimServer server_;
  std::string identity_;  // as the peer gave it: it goes into the keys
  std::string name_;      // as the records have it
  Keys keys_;
};

class PeerBase : public Method {
 public:
  PeerBase(Type type, const SimPeer& peer, const std::string& identity)
      : type_(type), peer_(peer), identity_(identity) {}
  Type type() const override { return type_; }
  ByteView msk() const override { return keys_.msk.view(); }
  Turn receive(const Packet& packet) final;

 protected:
  virtual Turn receive_message(const Packet& packet, const Message& message) = 0;
  // RFC 4186, 10.19 and RFC 4187, 10.20.
  enum class ClientError : std::uint16_t { unable = 0, version = 1, few_challenges = 2, stale = 3 };
  static Turn client_error(ClientError code, Failure why, std::string detail);
  static Turn malformed(std::string detail) {
    return client_error(ClientError::unable, Failure::protocol_error, std::move(detail));
  }
  // Adds AT_IDENTITY when the server asks for an identity of any kind.
  void answer_identity(const Message& message, Composer& composer) const;
  Turn content(Composer composer, const Packet& packet, std::initializer_list<ByteView> extra);

  Type type_;
  SimPeer peer_;
  std::string identity_;
  Keys keys_;
  bool content_ = false;  // the server has proved itself

 private:
  Turn receive_notification(const Packet& packet, const Message& message);
};

std::unique_ptr<Method> make_sim_server(const SimServer& server, const std::string& identity);
std::unique_ptr<Method> make_sim_peer(const SimPeer& peer, const std::string& identity);
// `type` is kAka or kAkaPrime.
std::unique_ptr<Method> make_aka_server(Type type, const SimServer& server,
                                        const std::string& identity);
std::unique_ptr<Method> make_aka_peer(Type type, const SimPeer& peer, const std::string& identity);

}  // namespace culvert::eap::sim
