// EAP, the peer's side (RFC 3748, 4 and 5): answers Identity and Notification, declines methods by
// Nak, runs one, and believes a Success only when that method is content.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eap/server.h"

namespace culvert::eap {

class Peer {
 public:
  struct Options {
    std::vector<Offer> offers;  // in the order of our preference
    std::string identity;       // which may be another one than IKE's
    std::size_t max_rounds = limits::kMaxEapRounds;
  };
  explicit Peer(Options options);

  // Step::packet is the response, and empty where there is none.
  Step receive(ByteView octets);
  // As Server's.
  const SignatureRequest* wanted() const { return method_ ? method_->wanted() : nullptr; }
  Step signature_made(Bytes signature);
  Step judge_again();

  std::optional<Type> method() const;
  // In a tunnel, where no Success and no Failure come: the method has ended well; why it has not.
  bool content() const { return state_ == State::content; }
  const Refusal* refusing() const { return state_ == State::refusing ? &refusal_ : nullptr; }
  // After success: 64 octets, or nothing where the method makes no key.
  ByteView msk() const { return method_ ? method_->msk() : ByteView{}; }

 private:
  bool waits() const { return wanted() || (method_ && method_->undecided()); }
  enum class State : std::uint8_t { expecting, content, refusing, done };

  Step receive_request(const Packet& packet);
  Step start(const Packet& packet);
  Step run(const Packet& packet);
  Step take(const Packet& packet, Turn turn);
  Step receive_result(const Packet& packet);
  Step respond(const Packet& request, Type type, ByteView data);
  Step refuse(Refusal refusal);
  Step discard() const { return {Step::Kind::discard, last_response_, std::nullopt, {}}; }

  Options options_;
  State state_ = State::expecting;
  std::size_t rounds_ = 0;
  std::unique_ptr<Method> method_;
  Refusal refusal_;  // why we refuse, or what to make of a Failure
  Bytes last_request_, last_response_;
  Packet awaited_;  // the head of the request whose answer waits for a signature
  std::uint8_t last_identifier_ = 0;
};

}  // namespace culvert::eap
