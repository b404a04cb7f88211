// One conversation of one EAP method, on one side: sans-IO, the same for a method in IKE and for
// one inside a TLS tunnel. eap::Server and eap::Peer drive it: they own identifiers, Identity, Nak,
// Notification, Success and Failure; a method sees its own packets only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "crypto/signature_request.h"
#include "eap/packet.h"

namespace culvert::eap {

// Why an authentication failed. to_text() makes the sentence of it.
enum class Failure : std::uint8_t {
  // said by the server
  no_such_user,
  wrong_password,  // or another proof that does not fit what the server knows of the user
  user_disabled,
  user_expired,
  unusable_secret,  // the user's password is stored in a form that the method cannot use
  no_common_method,
  peer_gave_up,  // the peer rejects the server, or its own credentials
  // said by the peer
  no_credential,       // nothing to answer this method with
  server_not_trusted,  // its proof, or its certificate, does not fit
  refused,             // the server says no
  password_expired,
  early_success,  // EAP-Success before the method was done
  // said by either
  certificate_refused,
  protocol_error,
  too_many_rounds,
  internal,
};

struct Refusal {
  Failure why = Failure::internal;
  std::string detail;  // more words, or nothing: "certificate has expired"
};

// What a method does with what it was given.
struct Turn {
  enum class Next : std::uint8_t {
    go_on,      // send `data` and expect more
    succeeded,  // server: the peer is who it says. Peer: this side is content, and takes a Success
    failed,
    waits,    // for others, see Method::wanted() and undecided()
    discard,  // the packet has no place here and changes nothing
  };
  Next next = Next::discard;
  // Type-data to send. Absent for a server that succeeded or failed, since Success or Failure
  // follows; a peer has to answer every request that it does not discard.
  std::optional<Bytes> data;
  Refusal refusal;               // of failed, and with attempt_refused
  bool attempt_refused = false;  // of go_on: this proof was wrong, `data` lets the peer try again

  static Turn send(Bytes type_data) { return {Next::go_on, std::move(type_data), {}}; }
  static Turn retry(Bytes type_data, Failure why) {
    return {Next::go_on, std::move(type_data), {why, {}}, true};
  }
  static Turn succeed() { return {Next::succeeded, std::nullopt, {}}; }
  static Turn succeed_with(Bytes type_data) { return {Next::succeeded, std::move(type_data), {}}; }
  static Turn fail(Failure why, std::string detail = {}) {
    return {Next::failed, std::nullopt, {why, std::move(detail)}};
  }
  // A peer's last answer, which tells the server; the outcome stands, whatever the server says.
  static Turn fail_with(Bytes type_data, Failure why, std::string detail = {}) {
    return {Next::failed, std::move(type_data), {why, std::move(detail)}};
  }
  static Turn wait() { return {Next::waits, std::nullopt, {}}; }
  static Turn discard() { return {}; }
};

class Method {
 public:
  virtual ~Method() = default;
  virtual Type type() const = 0;

  // Server only, and called once: the first request. `identifier` is that of the request.
  virtual Turn begin(std::uint8_t identifier) {
    static_cast<void>(identifier);
    return Turn::fail(Failure::internal);
  }
  // Server: a response to our last request; the request that may come of it has the next
  // identifier (next_identifier). Peer: a request; the answer has its identifier. The packet's type
  // is type(), and repeated packets never get here. A peer may still get requests after it
  // succeeded.
  virtual Turn receive(const Packet& packet) = 0;
  // While it waits: what our key has to sign; and what comes of that. Empty: there is no signature.
  virtual const SignatureRequest* wanted() const { return nullptr; }
  virtual Turn signature_made(Bytes signature) {
    static_cast<void>(signature);
    return Turn::fail(Failure::internal);
  }
  // While it waits: whoever judges the peer's certificate has to know more; and what comes of that.
  virtual bool undecided() const { return false; }
  virtual Turn judge_again() { return Turn::fail(Failure::internal); }

  // Server: why it is going to fail as soon as the peer has read what was sent last.
  virtual const Refusal* refusing() const { return nullptr; }

  // After success: 64 octets, or nothing where the method makes no key.
  virtual ByteView msk() const { return {}; }
  // Server, after success: the user that was proven, by the name in our records; empty: the one who
  // was asked for by Identity.
  virtual std::string_view user() const { return {}; }
};

inline constexpr std::size_t kMskSize = 64;

inline std::uint8_t next_identifier(const Packet& response) {
  return static_cast<std::uint8_t>(response.identifier + 1);
}

// A method that one side is ready to run, in its order of preference.
struct Offer {
  Type type;
  // Makes a conversation with the user of this name (server: from Identity, any octets; peer: its
  // own). Never null.
  std::function<std::unique_ptr<Method>(const std::string& user)> make;
};

std::vector<Type> types_of(const std::vector<Offer>& offers);

// What happened and what to change, as one sentence without its full stop: "the password is wrong;
// ...".
std::string to_text(const Refusal& refusal);
// The same with whom it is about: `EAP-MD5 of "alice": ...`. `user` may hold any octets.
std::string explain(const Refusal& refusal, std::optional<Type> method, std::string_view user);

}  // namespace culvert::eap
