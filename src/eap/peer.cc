#include "eap/peer.h"

#include <algorithm>
#include <utility>

namespace culvert::eap {
Peer::Peer(Options options) : options_(std::move(options)), refusal_{Failure::refused, {}} {}

std::optional<Type> Peer::method() const {
  return method_ ? std::optional(method_->type()) : std::nullopt;
}

Step Peer::receive(ByteView octets) {
  if (state_ == State::done || waits()) return discard();
  if (++rounds_ > options_.max_rounds) return refuse({Failure::too_many_rounds, {}});
  const auto packet = decode(octets);
  if (!packet || packet->code == Code::response) return discard();
  if (packet->code != Code::request) return receive_result(*packet);
  // A repeated request gets the same answer (RFC 3748, 4.1). Some servers use one identifier for
  // two requests in a row, so that the octets decide.
  if (!last_response_.empty() && equal(packet->whole, last_request_)) return discard();
  Step step = receive_request(*packet);
  if (step.kind != Step::Kind::discard) last_request_ = to_bytes(packet->whole);
  return step;
}

Step Peer::receive_request(const Packet& packet) {
  if (packet.type == kNotification) {
    Step step = respond(packet, kNotification, {});
    step.notification = printable(as_text(packet.data));
    return step;
  }
  if (state_ == State::refusing) return discard();
  if (packet.type == kIdentity) {
    if (method_) return discard();
    return respond(packet, kIdentity, as_bytes(options_.identity));
  }
  if (method_) return packet.type == method_->type() ? run(packet) : discard();
  return start(packet);
}

Step Peer::start(const Packet& packet) {
  const auto offer = std::ranges::find(options_.offers, packet.type, &Offer::type);
  if (packet.type == kNak) return discard();
  if (offer != options_.offers.end()) {
    method_ = offer->make(options_.identity);
    return run(packet);
  }
  const auto types = types_of(options_.offers);
  refusal_ = {Failure::no_common_method,
              "the server asks for " + to_string(packet.type) + "; here: " + list_of(types)};
  return respond(packet, kNak, nak_data(packet.expanded, types));
}

Step Peer::run(const Packet& packet) { return take(packet, method_->receive(packet)); }

Step Peer::signature_made(Bytes signature) {
  return wanted() ? take(awaited_, method_->signature_made(std::move(signature))) : discard();
}

Step Peer::judge_again() {
  return method_ && method_->undecided() ? take(awaited_, method_->judge_again()) : discard();
}

Step Peer::take(const Packet& packet, Turn turn) {
  if (turn.next == Turn::Next::waits) {
    awaited_ = {packet.code, packet.identifier, packet.expanded, packet.type, {}, {}};
    return {Step::Kind::waits, {}, std::nullopt, {}};
  }
  if (turn.next == Turn::Next::discard) return discard();
  if (turn.next == Turn::Next::failed && !turn.data) return refuse(std::move(turn.refusal));
  refusal_ = {Failure::refused, {}};
  state_ = State::expecting;
  if (turn.next == Turn::Next::succeeded) state_ = State::content;
  if (turn.next == Turn::Next::failed) {
    state_ = State::refusing;
    refusal_ = std::move(turn.refusal);
  }
  return respond(packet, method_->type(), turn.data ? *turn.data : Bytes{});
}

// RFC 3748, 4.2: the identifier is that of our response; some servers count on.
Step Peer::receive_result(const Packet& packet) {
  const auto ahead = static_cast<std::uint8_t>(packet.identifier - last_identifier_);
  if (!last_response_.empty() && ahead > 1) return discard();
  if (packet.code == Code::failure) return refuse(std::move(refusal_));
  if (state_ != State::content) return refuse({Failure::early_success, {}});
  state_ = State::done;
  return {Step::Kind::succeeded, {}, std::nullopt, {}};
}

Step Peer::respond(const Packet& request, Type type, ByteView data) {
  last_identifier_ = request.identifier;
  last_response_ =
      encode({Code::response, request.identifier, request.expanded, type, {}, {}}, data);
  return {Step::Kind::send, last_response_, std::nullopt, {}};
}

Step Peer::refuse(Refusal refusal) {
  state_ = State::done;
  return {Step::Kind::failed, {}, std::move(refusal), {}};
}

}  // namespace culvert::eap
