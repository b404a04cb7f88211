#include "eap/server.h"

#include <algorithm>
#include <utility>

namespace culvert::eap {
namespace {

std::uint8_t random_octet(Provider& provider) {
  std::uint8_t octet = 0;
  provider.random({&octet, 1});
  return octet;
}

}  // namespace

Server::Server(Provider& provider, Options options)
    : options_(std::move(options)),
      identifier_(random_octet(provider)),
      proposed_(options_.offers.size()) {}

std::string_view Server::user() const {
  const std::string_view proven = method_ ? method_->user() : std::string_view{};
  return proven.empty() ? identity_ : proven;
}

std::optional<Type> Server::method() const {
  return method_ ? std::optional(method_->type()) : std::nullopt;
}

Step Server::begin() {
  if (options_.offers.empty())
    return refuse({Failure::no_common_method, "no EAP method is configured here"});
  if (options_.identity) {
    identity_ = *options_.identity;
    return propose(0);
  }
  state_ = State::identity;
  return request(kIdentity, {});
}

Step Server::receive(ByteView octets) {
  if (state_ == State::idle || state_ == State::done || waits()) return discard();
  if (++rounds_ > options_.max_rounds) return refuse({Failure::too_many_rounds, {}});
  const auto packet = decode(octets);
  if (!packet || packet->code != Code::response || packet->identifier != identifier_)
    return discard();
  if (state_ == State::identity)
    return packet->type == kIdentity ? receive_identity(*packet) : discard();
  if (packet->type == kNak) return state_ == State::proposed ? receive_nak(*packet) : discard();
  if (packet->type != method_->type()) return discard();
  Turn turn = method_->receive(*packet);
  if (turn.next != Turn::Next::discard) state_ = State::method;
  return take(std::move(turn));
}

Step Server::signature_made(Bytes signature) {
  return wanted() ? take(method_->signature_made(std::move(signature))) : discard();
}

Step Server::judge_again() {
  return method_ && method_->undecided() ? take(method_->judge_again()) : discard();
}

Step Server::receive_identity(const Packet& packet) {
  if (packet.data.size() > limits::kMaxEapIdentity)
    return refuse({Failure::protocol_error, "the identity is too long"});
  identity_ = as_text(packet.data);
  return propose(0);
}

// RFC 3748, 5.3: a Nak answers the first request of a method only, which State::proposed is for.
Step Server::receive_nak(const Packet& packet) {
  const auto nak = decode_nak(packet);
  if (!nak) return discard();
  for (std::size_t i = 0; i < options_.offers.size(); ++i) {
    if (proposed_[i]) continue;
    const Type type = options_.offers[i].type;
    const bool wanted = std::ranges::find(nak->wanted, type) != nak->wanted.end() ||
                        (type.vendor != 0 && nak->expanded_wanted);
    if (wanted) return propose(i);
  }
  std::string wanted = list_of(nak->wanted);
  if (nak->expanded_wanted) wanted += ", expanded types";
  return refuse({Failure::no_common_method,
                 "the peer accepts " + wanted + "; here: " + list_of(types_of(options_.offers))});
}

Step Server::propose(std::size_t index) {
  proposed_[index] = true;
  const Offer& offer = options_.offers[index];
  method_ = offer.make(identity_);
  state_ = State::proposed;
  return take(method_->begin(static_cast<std::uint8_t>(identifier_ + 1)));
}

Step Server::take(Turn turn) {
  switch (turn.next) {
    case Turn::Next::go_on: {
      Step step = request(method_->type(), turn.data.value_or(Bytes{}));
      if (turn.attempt_refused) step.refusal = std::move(turn.refusal);
      return step;
    }
    case Turn::Next::succeeded:
      return finish(Code::success);
    case Turn::Next::failed:
      return refuse(std::move(turn.refusal));
    case Turn::Next::waits:
      return {Step::Kind::waits, {}, std::nullopt, {}};
    case Turn::Next::discard:
      break;
  }
  return discard();
}

Step Server::request(Type type, ByteView data) {
  ++identifier_;
  last_ = encode({Code::request, identifier_, false, type, {}, {}}, data);
  return {Step::Kind::send, last_, std::nullopt, {}};
}

// RFC 3748, 4.2: Success and Failure have the identifier of the response that they follow.
Step Server::finish(Code code) {
  state_ = State::done;
  last_ = encode({code, identifier_, false, {}, {}, {}});
  const bool good = code == Code::success;
  return {good ? Step::Kind::succeeded : Step::Kind::failed, last_, std::nullopt, {}};
}

Step Server::refuse(Refusal refusal) {
  Step step = finish(Code::failure);
  step.refusal = std::move(refusal);
  return step;
}

}  // namespace culvert::eap
