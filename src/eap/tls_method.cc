// EAP-TLS, with TLS 1.2 and (to the right) with TLS 1.3:
//
//   server                                             peer
//   Start                                          ->
//                                                  <-  ClientHello
//   ServerHello … ServerHelloDone                  ->  (1.3: … Finished)
//                                                  <-  Certificate … Finished
//   ChangeCipherSpec, Finished                     ->  (1.3: application data 0x00)
//                                                  <-  nothing
//   (EAP-Success)
#include "eap/tls_method.h"

#include <array>
#include <utility>

namespace culvert::eap {
namespace {

// RFC 9190, 2.5: the server's protected promise that Success is all that follows.
constexpr std::array<std::uint8_t, 1> kCommitment{0x00};
constexpr std::size_t kKeyMaterial = 128;

class EapTls final : public TlsMethod {
 public:
  EapTls(tls::Side side, TlsEnd end) : TlsMethod(kTls, side, std::move(end)) {}

 private:
  Verdict in_tunnel(ByteView data, std::uint8_t) override {
    const bool commits = session().version() == tls::Version::v1_3;
    if (is_server()) {
      if (!data.empty())
        return Verdict::fail(Failure::protocol_error, "the peer sends data through EAP-TLS");
      if (commits && !session().write(kCommitment)) return Verdict::fail(Failure::internal);
      return Verdict::succeed();
    }
    if (!commits) return Verdict::succeed();
    if (data.empty() && !committed_) return Verdict::go_on();
    if (!data.empty() && (committed_ || !equal(data, kCommitment)))
      return Verdict::fail(Failure::protocol_error, "the server sends data through EAP-TLS");
    committed_ = true;
    return Verdict::succeed();
  }

  bool committed_ = false;
};

std::string fragment_fault(Reason reason) {
  if (reason == Reason::too_large) return "the TLS message is too large";
  if (reason == Reason::truncated) return "the last fragment of a TLS message came too early";
  return "the fragments of a TLS message contradict its length";
}

}  // namespace

std::unique_ptr<Method> make_tls_server(TlsEnd end) {
  return std::make_unique<EapTls>(tls::Side::server, std::move(end));
}
std::unique_ptr<Method> make_tls_peer(TlsEnd end) {
  return std::make_unique<EapTls>(tls::Side::client, std::move(end));
}

TlsMethod::TlsMethod(Type type, tls::Side side, TlsEnd end)
    : type_(type), side_(side), end_(std::move(end)), fragments_(end_.fragment_size) {}

Result<> TlsMethod::open() {
  const bool asks = end_.verify != nullptr || type_ == kTls;
  session_ = TRY(tls::Session::make(end_.context, {.side = side_,
                                                   .ask_certificate = is_server() && asks,
                                                   .verify = end_.verify,
                                                   .server_name = end_.server_name}));
  return {};
}

Turn TlsMethod::begin(std::uint8_t) {
  if (!open()) return Turn::fail(Failure::internal, "TLS does not start");
  return Turn::send(TlsFragments::start());
}

Turn TlsMethod::receive(const Packet& packet) {
  auto received = fragments_.take(packet.data);
  if (!received)
    return Turn::fail(Failure::protocol_error, fragment_fault(received.error().reason));
  using Kind = TlsFragments::Received::Kind;
  switch (received->kind) {
    case Kind::fragment:
      return session_ ? Turn::send(TlsFragments::acknowledgement()) : Turn::discard();
    case Kind::acknowledgement:
      return send_next();
    case Kind::out_of_turn:
      return Turn::discard();
    case Kind::message:
      break;
  }
  if (is_server()) return advance(received->message, packet.identifier);
  if (received->start == (session_ != nullptr)) return Turn::discard();
  if (!received->start) return advance(received->message, packet.identifier);
  if (!open()) return Turn::fail(Failure::internal, "TLS does not start");
  fragments_.put(session_->output());
  return send_next();
}

Turn TlsMethod::advance(ByteView message, std::uint8_t identifier) {
  // A server's last words were read. What the peer says to them can be an alert.
  if (is_server() && verdict_) {
    session_->feed(message);
    const bool refused =
        verdict_->next == Turn::Next::succeeded && session_->state() == tls::State::failed;
    return conclude(refused ? tls_failed() : std::move(*verdict_));
  }
  if (session_->state() == tls::State::handshaking && message.empty())
    return settle(Verdict::fail(Failure::protocol_error, "the TLS handshake stops in the middle"));
  identifier_ = identifier;
  session_->feed(message);
  return go_on();
}

Turn TlsMethod::signature_made(Bytes signature) {
  session_->signature_made(std::move(signature));
  return go_on();
}

Turn TlsMethod::judge_again() {
  session_->judge_again();
  return go_on();
}

Turn TlsMethod::go_on() {
  return session_->wanted() || session_->undecided() ? Turn::wait() : settle(judge());
}

Turn TlsMethod::settle(Verdict verdict) {
  if (verdict.next == Turn::Next::succeeded && !derive_keys())
    verdict = Verdict::fail(Failure::internal, "TLS gives no keys");
  Bytes output = session_->output();
  const bool over = verdict.next != Turn::Next::go_on;
  if (is_server() && over && output.empty()) return conclude(std::move(verdict));
  verdict_ = std::move(verdict);
  fragments_.put(std::move(output));
  return send_next();
}

TlsMethod::Verdict TlsMethod::judge() {
  const SecretBytes data = session_->input();
  switch (session_->state()) {
    case tls::State::handshaking:
      return Verdict::go_on();
    case tls::State::established:
      return in_tunnel(data.view(), identifier_);
    case tls::State::closed:
      return Verdict::fail(is_server() ? Failure::peer_gave_up : Failure::protocol_error,
                           "TLS was closed before the end");
    case tls::State::failed:
      break;
  }
  return tls_failed();
}

TlsMethod::Verdict TlsMethod::tls_failed() const {
  const tls::Failure& failure = session_->failure();
  const auto because = [&](Failure why) { return Verdict::fail(why, to_text(failure)); };
  switch (failure.kind) {
    case tls::Failure::Kind::certificate_refused:
    case tls::Failure::Kind::no_certificate:
      return because(Failure::certificate_refused);
    case tls::Failure::Kind::alert_received:
      return because(is_server() ? Failure::peer_gave_up : Failure::refused);
    case tls::Failure::Kind::signing_failed:
    case tls::Failure::Kind::none:
      return because(Failure::internal);
    case tls::Failure::Kind::no_agreement:
    case tls::Failure::Kind::too_large:
    case tls::Failure::Kind::protocol:
      break;
  }
  return because(Failure::protocol_error);
}

// RFC 5216, 2.3; RFC 9190, 2.3, with the type of the method as the context (RFC 9427, 2.1).
bool TlsMethod::derive_keys() {
  const std::array<std::uint8_t, 1> type{static_cast<std::uint8_t>(type_.number)};
  auto keys = session_->version() == tls::Version::v1_3
                  ? session_->export_keying_material("EXPORTER_EAP_TLS_Key_Material",
                                                     ByteView(type), kKeyMaterial)
                  : session_->export_keying_material(key_label(), std::nullopt, kKeyMaterial);
  if (!keys) return false;
  key_material_ = std::move(*keys);
  msk_size_ = kMskSize;
  return true;
}

// The next fragment. A peer's verdict goes with the last one.
Turn TlsMethod::send_next() {
  Bytes data = fragments_.next();
  if (!verdict_ || fragments_.more()) return Turn::send(std::move(data));
  if (is_server() && verdict_->next != Turn::Next::go_on) return Turn::send(std::move(data));
  Verdict verdict = std::move(*std::exchange(verdict_, std::nullopt));
  Turn turn = Turn::send(std::move(data));
  turn.next = verdict.next;
  turn.refusal = std::move(verdict.refusal);
  turn.attempt_refused = verdict.attempt_refused;
  return turn;
}

Turn TlsMethod::conclude(Verdict verdict) {
  if (verdict.next == Turn::Next::succeeded) return Turn::succeed();
  return Turn::fail(verdict.refusal.why, std::move(verdict.refusal.detail));
}

}  // namespace culvert::eap
