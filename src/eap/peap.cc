// PEAP once the tunnel stands (the handshake is in tls_method.cc); type and type-data of EAP
// packets, but for the last two, which are whole:
//
//   server                                             peer
//   Identity                                       ->
//                                                  <-  Identity
//   a method                                       ->
//                                                  <-  …
//   EAP-TLV, Result                                ->
//                                                  <-  EAP-TLV, Result
//   (EAP-Success)
#include "eap/peap.h"

#include <utility>

#include "eap/peer.h"
#include "eap/server.h"

namespace culvert::eap {
namespace {

constexpr Type kTlv{0, 33};
constexpr std::uint16_t kMandatory = 0x8000;
constexpr std::uint16_t kTlvType = 0x3fff;
constexpr std::uint16_t kResultTlv = 3;
constexpr std::size_t kTypedHeader = kHeaderSize + 1;

enum class Outcome : std::uint16_t { success = 1, failure = 2 };

Bytes encode_result(Code code, std::uint8_t identifier, Outcome outcome) {
  Bytes tlv;
  Writer out(tlv);
  out.u16(kMandatory | kResultTlv);
  out.u16(sizeof(Outcome));
  out.u16(std::to_underlying(outcome));
  return encode({.code = code, .identifier = identifier, .type = kTlv}, tlv);
}

// The Result among the TLVs; others that are mandatory are an error.
Result<Outcome> decode_result(ByteView type_data) {
  Reader in(type_data);
  std::optional<Outcome> outcome;
  while (!in.empty()) {
    const std::uint16_t type = TRY(in.u16());
    const std::size_t size = TRY(in.u16());
    Reader value = TRY(in.nested(size));
    if ((type & kTlvType) != kResultTlv) {
      if ((type & kMandatory) != 0) return value.bad(Reason::unsupported_critical);
      continue;
    }
    outcome = Outcome{TRY(value.u16())};
  }
  if (outcome != Outcome::success && outcome != Outcome::failure)
    return in.bad(outcome ? Reason::bad_value : Reason::missing_payload);
  return *outcome;
}

// Puts the header back. Some leave it on an Identity, and all leave it on EAP-TLV.
Bytes with_header(ByteView data, Code code, std::uint8_t identifier) {
  if (data.size() >= kTypedHeader && data[0] == std::to_underlying(code) &&
      load_be<std::uint16_t>(data.data() + 2) == data.size()) {
    Bytes packet = to_bytes(data);
    packet[1] = identifier;  // the packet's around it says which request this is about
    return packet;
  }
  Bytes packet;
  Writer out(packet);
  out.u8(std::to_underlying(code));
  out.u8(identifier);
  out.u16(static_cast<std::uint16_t>(std::min<std::size_t>(kHeaderSize + data.size(), 0xffff)));
  out.bytes(data);
  return packet;
}

std::string out_of_turn() { return "packet out of turn in the PEAP tunnel"; }

class ServerSide final : public TlsMethod {
 public:
  ServerSide(TlsEnd end, PeapServer inner)
      : TlsMethod(kPeap, tls::Side::server, std::move(end)),
        eap_(inner.provider, {.offers = std::move(inner.methods)}) {}
  std::string_view user() const override { return eap_.user(); }
  const Refusal* refusing() const override {
    const bool told = said_ && said_->next == Turn::Next::failed;
    return told ? &said_->refusal : TlsMethod::refusing();
  }

 private:
  Verdict in_tunnel(ByteView data, std::uint8_t identifier) override {
    eap_.set_identifier(identifier);
    if (!std::exchange(begun_, true)) {
      if (!data.empty()) return Verdict::fail(Failure::protocol_error, out_of_turn());
      return carry_on(eap_.begin(), next(identifier));
    }
    if (data.empty()) return Verdict::fail(Failure::peer_gave_up, "it stopped answering in PEAP");
    const Bytes octets = with_header(data, Code::response, identifier);
    if (!said_) return carry_on(eap_.receive(octets), next(identifier));
    const auto packet = decode(octets);
    if (!packet || packet->type != kTlv)
      return Verdict::fail(Failure::protocol_error, out_of_turn());
    const auto confirmed = decode_result(packet->data);
    if (!confirmed) return Verdict::fail(Failure::protocol_error, "malformed result in PEAP");
    if (said_->next == Turn::Next::succeeded && *confirmed == Outcome::failure)
      return Verdict::fail(Failure::peer_gave_up, "it does not confirm the success inside PEAP");
    return std::move(*said_);
  }

  static std::uint8_t next(std::uint8_t identifier) {
    return static_cast<std::uint8_t>(identifier + 1);
  }

  Verdict carry_on(Step step, std::uint8_t identifier) {
    switch (step.kind) {
      case Step::Kind::send: {
        if (!session().write(ByteView(step.packet).subspan(kHeaderSize))) break;
        Verdict verdict = Verdict::go_on();
        verdict.attempt_refused = step.refusal.has_value();
        if (step.refusal) verdict.refusal = std::move(*step.refusal);
        return verdict;
      }
      case Step::Kind::succeeded:
        said_ = Verdict::succeed();
        return tell(identifier, Outcome::success);
      case Step::Kind::failed:
        said_ = Verdict::fail(step.refusal.value_or(Refusal{}));
        return tell(identifier, Outcome::failure);
      case Step::Kind::waits:  // no method inside has a key to sign with
      case Step::Kind::discard:
        return Verdict::fail(Failure::protocol_error, out_of_turn());
    }
    return Verdict::fail(Failure::internal, "TLS does not write");
  }

  Verdict tell(std::uint8_t identifier, Outcome outcome) {
    if (!session().write(encode_result(Code::request, identifier, outcome)))
      return Verdict::fail(Failure::internal, "TLS does not write");
    return Verdict::go_on();
  }

  Server eap_;
  bool begun_ = false;
  std::optional<Verdict> said_;  // which the peer has to confirm
};

class PeerSide final : public TlsMethod {
 public:
  PeerSide(TlsEnd end, PeapPeer inner)
      : TlsMethod(kPeap, tls::Side::client, std::move(end)),
        eap_({.offers = std::move(inner.methods), .identity = std::move(inner.user)}) {}

 private:
  Verdict in_tunnel(ByteView data, std::uint8_t identifier) override {
    if (data.empty()) return done_ ? Verdict::succeed() : Verdict::go_on();
    if (done_) return Verdict::fail(Failure::protocol_error, out_of_turn());
    const Bytes octets = with_header(data, Code::request, identifier);
    const auto packet = decode(octets);
    if (packet && packet->type == kTlv) return take_result(*packet);
    const Step step = eap_.receive(octets);
    if (step.kind == Step::Kind::failed) return Verdict::fail(step.refusal.value_or(Refusal{}));
    if (step.kind != Step::Kind::send) return Verdict::fail(Failure::protocol_error, out_of_turn());
    if (!session().write(ByteView(step.packet).subspan(kHeaderSize)))
      return Verdict::fail(Failure::internal, "TLS does not write");
    return Verdict::go_on();
  }

  Verdict take_result(const Packet& packet) {
    const auto outcome = decode_result(packet.data);
    if (!outcome) return Verdict::fail(Failure::protocol_error, "malformed result in PEAP");
    done_ = *outcome == Outcome::success && eap_.content();
    const Outcome answer = done_ ? Outcome::success : Outcome::failure;
    if (!session().write(encode_result(Code::response, packet.identifier, answer)))
      return Verdict::fail(Failure::internal, "TLS does not write");
    if (done_) return Verdict::succeed();
    if (*outcome == Outcome::success) return Verdict::fail(Failure::early_success);
    if (const Refusal* refusal = eap_.refusing()) return Verdict::fail(*refusal);
    return Verdict::fail(Failure::refused);
  }

  Peer eap_;
  bool done_ = false;
};

}  // namespace

std::unique_ptr<Method> make_peap_server(TlsEnd end, PeapServer inner) {
  return std::make_unique<ServerSide>(std::move(end), std::move(inner));
}
std::unique_ptr<Method> make_peap_peer(TlsEnd end, PeapPeer inner) {
  return std::make_unique<PeerSide>(std::move(end), std::move(inner));
}

}  // namespace culvert::eap
