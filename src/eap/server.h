// EAP, the server's side (RFC 3748, 4 and 5): asks for the identity, agrees on a method by Nak,
// runs it, and says Success or Failure. Sans-IO: one packet in, at most one out. Invariant: there
// is at most one request without an answer, and nothing but its answer moves on.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "crypto/provider.h"
#include "eap/method.h"

namespace culvert::eap {

// What one side does with one packet.
struct Step {
  enum class Kind : std::uint8_t {
    send,       // `packet`
    discard,    // the packet changes nothing; `packet` is the last one again, for a transport that
                // has to answer in any case
    succeeded,  // server: send `packet`, the Success. Peer: nothing to send
    failed,     // server: send `packet`, the Failure. Peer: nothing to send
    waits,      // for others, see wanted() and judge_again()
  };
  Kind kind = Kind::discard;
  Bytes packet;
  // Of failed, always. Of send: this proof was refused, but the peer may try again (or go away).
  std::optional<Refusal> refusal;
  std::string notification;  // peer: what the server wants to have displayed
};

class Server {
 public:
  struct Options {
    std::vector<Offer> offers;            // in the order of our preference
    std::optional<std::string> identity;  // known already: there is no Identity request
    std::size_t max_rounds = limits::kMaxEapRounds;
  };
  // Of `provider` comes the first identifier.
  Server(Provider& provider, Options options);

  Step begin();
  Step receive(ByteView octets);
  // Of a step that waits: what our key has to sign. The conversation goes on with signature_made();
  // an empty signature says that there is none.
  const SignatureRequest* wanted() const { return method_ ? method_->wanted() : nullptr; }
  Step signature_made(Bytes signature);
  // Of a step that waits without: the method's verifier of certificates has to know more. When it
  // does, the conversation goes on with judge_again().
  Step judge_again();

  // Why it is going to fail, where the peer has only heard so inside of the method.
  const Refusal* refusing() const { return method_ ? method_->refusing() : nullptr; }

  // In a tunnel that leaves out EAP's headers: the identifier of the packet around the answer that
  // comes next. The request that follows has the one after it.
  void set_identifier(std::uint8_t identifier) { identifier_ = identifier; }

  // Who the peer says it is, and after success, who it is.
  const std::string& identity() const { return identity_; }
  std::string_view user() const;
  // The method that runs, or ran last.
  std::optional<Type> method() const;
  ByteView msk() const { return method_ ? method_->msk() : ByteView{}; }

 private:
  bool waits() const { return wanted() || (method_ && method_->undecided()); }
  enum class State : std::uint8_t { idle, identity, proposed, method, done };

  Step receive_identity(const Packet& packet);
  Step receive_nak(const Packet& packet);
  Step propose(std::size_t index);
  Step take(Turn turn);
  Step request(Type type, ByteView data);
  Step finish(Code code);
  Step refuse(Refusal refusal);
  Step discard() const { return {Step::Kind::discard, last_, std::nullopt, {}}; }

  Options options_;
  State state_ = State::idle;
  std::uint8_t identifier_;  // of the last request
  std::size_t rounds_ = 0;
  std::string identity_;
  std::unique_ptr<Method> method_;
  std::vector<bool> proposed_;  // by offer
  Bytes last_;
};

}  // namespace culvert::eap
