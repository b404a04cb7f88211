// EAP-TTLS once the tunnel stands (the handshake is in tls_method.cc):
//
//   server                                             peer
//                                                  <-  User-Name, User-Password
//   (EAP-Success)
//
//                                                  <-  User-Name, MS-CHAP-Challenge,
//                                                      MS-CHAP2-Response
//   MS-CHAP2-Success                               ->
//                                                  <-  nothing
//   (EAP-Success)
//
//                                                  <-  EAP-Message (Identity)
//   EAP-Message                                    ->
//                                                  <-  EAP-Message …
//   (EAP-Success)
#include "eap/ttls.h"

#include <array>
#include <utility>

#include "eap/mschapv2.h"
#include "eap/peer.h"
#include "eap/server.h"
#include "eap/ttls_avp.h"

namespace culvert::eap {
namespace {

constexpr std::string_view kKeyLabel = "ttls keying material";
constexpr std::size_t kPasswordBlock = 16;  // RFC 5281, 11.2.5
constexpr std::size_t kReserved = 8;        // of MS-CHAP2-Response
constexpr std::size_t kResponseAvpSize =
    2 + mschapv2::kChallengeSize + kReserved + mschapv2::kResponseSize;

// RFC 5281, 11.1: what stands in for the server's challenge.
struct ImplicitChallenge {
  mschapv2::Challenge challenge{};
  std::uint8_t identifier = 0;
};
Result<ImplicitChallenge> implicit_challenge(const tls::Session& session) {
  const auto octets = TRY(
      session.export_keying_material("ttls challenge", std::nullopt, mschapv2::kChallengeSize + 1));
  ImplicitChallenge made;
  std::ranges::copy(octets.view().first(mschapv2::kChallengeSize), made.challenge.begin());
  made.identifier = octets.view().back();
  return made;
}

std::string malformed() { return "malformed attributes in the EAP-TTLS tunnel"; }

// RFC 5281, 10.1: an attribute that is mandatory and not understood ends the negotiation.
std::optional<Refusal> not_understood(const std::vector<Avp>& avps,
                                      std::initializer_list<AvpCode> known) {
  for (const Avp& avp : avps) {
    if (!avp.mandatory || std::ranges::find(known, avp.code) != known.end()) continue;
    return Refusal{Failure::protocol_error, "attribute " + std::to_string(avp.code.code) +
                                                " of vendor " + std::to_string(avp.code.vendor) +
                                                " in the EAP-TTLS tunnel is not known"};
  }
  return std::nullopt;
}

class ServerSide final : public TlsMethod {
 public:
  ServerSide(TlsEnd end, TtlsServer inner)
      : TlsMethod(kTtls, tls::Side::server, std::move(end)), inner_(std::move(inner)) {}
  std::string_view user() const override { return eap_ ? eap_->user() : user_; }

 private:
  std::string_view key_label() const override { return kKeyLabel; }

  Verdict in_tunnel(ByteView data, std::uint8_t) override {
    if (data.empty()) return proof_sent_ ? Verdict::succeed() : Verdict::go_on();
    const auto avps = decode_avps(data);
    if (!avps) return Verdict::fail(Failure::protocol_error, malformed());
    if (proof_sent_)
      return Verdict::fail(Failure::peer_gave_up, "it does not accept our proof of the password");
    if (const Avp* message = find(*avps, kEapMessageAvp)) return take_eap(message->data);
    if (auto refusal = not_understood(
            *avps, {kUserNameAvp, kUserPasswordAvp, kMsChapChallengeAvp, kMsChap2ResponseAvp}))
      return Verdict::fail(std::move(*refusal));
    const Avp* name = find(*avps, kUserNameAvp);
    if (name == nullptr || eap_) return Verdict::fail(Failure::protocol_error, malformed());
    user_ = as_text(name->data);
    if (const Avp* password = find(*avps, kUserPasswordAvp)) return check_pap(password->data);
    const Avp* challenge = find(*avps, kMsChapChallengeAvp);
    const Avp* response = find(*avps, kMsChap2ResponseAvp);
    if (challenge == nullptr || response == nullptr)
      return Verdict::fail(Failure::no_common_method,
                           "the peer does neither PAP, MSCHAPv2 nor EAP in the EAP-TTLS tunnel");
    return check_mschapv2(challenge->data, response->data);
  }

  Verdict check_pap(ByteView padded) {
    if (!inner_.pap)
      return Verdict::fail(Failure::no_common_method, "PAP in EAP-TTLS is not allowed here");
    while (!padded.empty() && padded.back() == 0) padded = padded.first(padded.size() - 1);
    const PasswordServer& with = inner_.passwords;
    const User* user = with.users.find(user_);
    const bool good = verify(with.provider, with.users.password_or_decoy(user), padded);
    if (user != nullptr && !good) return Verdict::fail(Failure::wrong_password);
    if (auto refusal = refusal_of(user, with.now)) return Verdict::fail(std::move(*refusal));
    return Verdict::succeed();
  }

  Verdict check_mschapv2(ByteView challenge, ByteView response) {
    if (!inner_.mschapv2)
      return Verdict::fail(Failure::no_common_method, "MSCHAPv2 in EAP-TTLS is not allowed here");
    const auto implicit = implicit_challenge(session());
    if (!implicit) return Verdict::fail(Failure::internal, "TLS gives no challenge");
    // RFC 5281, 11.2.4: both must be what TLS says, or else they could be replayed.
    if (response.size() != kResponseAvpSize || response[0] != implicit->identifier ||
        !equal(challenge, implicit->challenge))
      return Verdict::fail(Failure::protocol_error, "MSCHAPv2 does not use the tunnel's challenge");
    const PasswordServer& with = inner_.passwords;
    const User* user = with.users.find(user_);
    const auto hash = nt_hash_of(with.users.password_or_decoy(user));
    if (!hash)
      return Verdict::fail(user != nullptr ? Failure::unusable_secret : Failure::no_such_user);
    const mschapv2::Inputs inputs{implicit->challenge,
                                  response.subspan(2, mschapv2::kChallengeSize), user_};
    const ByteView shown = response.last(mschapv2::kResponseSize);
    const auto expected = mschapv2::nt_response(with.provider, inputs, *hash);
    const auto proof = mschapv2::authenticator_response(with.provider, inputs, *hash, shown);
    if (!expected || !proof) return Verdict::fail(Failure::internal, "SHA-1 is not available");
    const bool good = equal_constant_time(*expected, shown);
    if (user != nullptr && !good) return Verdict::fail(Failure::wrong_password);
    if (auto refusal = refusal_of(user, with.now)) return Verdict::fail(std::move(*refusal));
    Bytes success{implicit->identifier};
    append(success, as_bytes(mschapv2::to_text(*proof)));
    proof_sent_ = true;
    return say(kMsChap2SuccessAvp, success);
  }

  // The peer's first packet is an answer to an Identity request that was never sent.
  Verdict take_eap(ByteView octets) {
    if (inner_.methods.empty())
      return Verdict::fail(Failure::no_common_method, "EAP in EAP-TTLS is not allowed here");
    if (eap_) return carry_on(eap_->receive(octets));
    const auto identity = decode(octets);
    if (!identity || identity->code != Code::response || identity->type != kIdentity ||
        identity->data.size() > limits::kMaxEapIdentity)
      return Verdict::fail(Failure::protocol_error, "EAP in EAP-TTLS does not begin by Identity");
    eap_.emplace(inner_.passwords.provider,
                 Server::Options{.offers = inner_.methods,
                                 .identity = std::string(as_text(identity->data))});
    return carry_on(eap_->begin());
  }

  Verdict carry_on(Step step) {
    switch (step.kind) {
      case Step::Kind::send: {
        Verdict verdict = say(kEapMessageAvp, step.packet);
        verdict.attempt_refused = step.refusal.has_value();
        if (step.refusal) verdict.refusal = std::move(*step.refusal);
        return verdict;
      }
      case Step::Kind::succeeded:
        return Verdict::succeed();
      case Step::Kind::failed:
        return Verdict::fail(step.refusal.value_or(Refusal{}));
      case Step::Kind::waits:  // no method inside has a key to sign with
      case Step::Kind::discard:
        break;  // RFC 5281, 11.2.1: nothing gets lost in a tunnel
    }
    return Verdict::fail(Failure::protocol_error, "EAP packet out of turn in the EAP-TTLS tunnel");
  }

  Verdict say(AvpCode code, ByteView data) {
    Bytes avps;
    encode_avp(avps, {.code = code, .data = data});
    if (!session().write(avps)) return Verdict::fail(Failure::internal, "TLS does not write");
    return Verdict::go_on();
  }

  TtlsServer inner_;
  std::string user_;
  std::optional<Server> eap_;
  bool proof_sent_ = false;
};

class PeerSide final : public TlsMethod {
 public:
  PeerSide(TlsEnd end, TtlsPeer inner)
      : TlsMethod(kTtls, tls::Side::client, std::move(end)), inner_(std::move(inner)) {}

 private:
  std::string_view key_label() const override { return kKeyLabel; }

  Verdict in_tunnel(ByteView data, std::uint8_t) override {
    if (!std::exchange(begun_, true)) return open_tunnel();
    if (data.empty()) return content_ ? Verdict::succeed() : Verdict::go_on();
    const auto avps = decode_avps(data);
    if (!avps) return Verdict::fail(Failure::protocol_error, malformed());
    if (auto refusal = not_understood(
            *avps, {kEapMessageAvp, kMsChap2SuccessAvp, kMsChapErrorAvp, kReplyMessageAvp}))
      return Verdict::fail(std::move(*refusal));
    const Avp* message = find(*avps, kEapMessageAvp);
    if (message != nullptr && eap_) return carry_on(eap_->receive(message->data));
    const Avp* success = find(*avps, kMsChap2SuccessAvp);
    if (success != nullptr && proof_) return believe(success->data);
    if (const Avp* words = find(*avps, kReplyMessageAvp))
      return Verdict::fail(Failure::refused, '"' + printable(as_text(words->data)) + '"');
    if (find(*avps, kMsChapErrorAvp) != nullptr) return Verdict::fail(Failure::refused);
    return Verdict::fail(Failure::protocol_error, malformed());
  }

  Verdict open_tunnel() {
    switch (inner_.inner) {
      case TtlsPeer::Inner::pap:
        return show_password();
      case TtlsPeer::Inner::mschapv2:
        return prove_password();
      case TtlsPeer::Inner::eap:
        break;
    }
    eap_.emplace(Peer::Options{.offers = inner_.methods, .identity = inner_.user});
    return carry_on(eap_->receive(encode({.code = Code::request, .type = kIdentity})));
  }

  Verdict show_password() {
    const auto clear = clear_of(inner_.password);
    if (!clear) return Verdict::fail(Failure::no_credential, "PAP needs a clear password");
    const std::size_t blocks = (clear->size() + kPasswordBlock - 1) / kPasswordBlock;
    SecretBytes padded(std::max<std::size_t>(blocks, 1) * kPasswordBlock);
    std::ranges::copy(*clear, padded.mutable_view().begin());
    content_ = true;
    return say({{.code = kUserNameAvp, .data = as_bytes(inner_.user)},
                {.code = kUserPasswordAvp, .data = padded.view()}},
               Verdict::succeed());
  }

  Verdict prove_password() {
    const auto hash = nt_hash_of(inner_.password);
    if (!hash)
      return Verdict::fail(Failure::no_credential, "MSCHAPv2 needs a clear password or NT hash");
    const auto implicit = implicit_challenge(session());
    if (!implicit) return Verdict::fail(Failure::internal, "TLS gives no challenge");
    mschapv2::Challenge ours;
    inner_.provider.random(ours);
    const mschapv2::Inputs inputs{implicit->challenge, ours, inner_.user};
    const auto shown = mschapv2::nt_response(inner_.provider, inputs, *hash);
    if (!shown) return Verdict::fail(Failure::internal, "SHA-1 is not available");
    const auto proof = mschapv2::authenticator_response(inner_.provider, inputs, *hash, *shown);
    if (!proof) return Verdict::fail(Failure::internal, "SHA-1 is not available");
    proof_ = *proof;
    proof_identifier_ = implicit->identifier;
    Bytes response{implicit->identifier, 0};
    Writer out(response);
    out.bytes(ours);
    out.zeros(kReserved);
    out.bytes(*shown);
    return say({{.code = kUserNameAvp, .data = as_bytes(inner_.user)},
                {.code = kMsChapChallengeAvp, .data = implicit->challenge},
                {.code = kMsChap2ResponseAvp, .data = response}},
               Verdict::go_on());
  }

  Verdict believe(ByteView success) {
    if (success.empty() || success.front() != proof_identifier_ ||
        !mschapv2::proves(as_text(success.subspan(1)), *proof_))
      return Verdict::fail(Failure::server_not_trusted);
    content_ = true;
    return Verdict::succeed();
  }

  Verdict carry_on(Step step) {
    if (step.kind == Step::Kind::failed) return Verdict::fail(step.refusal.value_or(Refusal{}));
    if (step.kind != Step::Kind::send)
      return Verdict::fail(Failure::protocol_error,
                           "EAP packet out of turn in the EAP-TTLS tunnel");
    content_ = eap_->content();
    Verdict then = content_ ? Verdict::succeed() : Verdict::go_on();
    if (const Refusal* refusal = eap_->refusing()) then = Verdict::fail(*refusal);
    return say({{.code = kEapMessageAvp, .data = step.packet}}, std::move(then));
  }

  Verdict say(std::initializer_list<Avp> avps, Verdict then) {
    std::size_t size = 0;
    for (const Avp& avp : avps) size += kMaxAvpOverhead + avp.data.size();
    Bytes octets;
    octets.reserve(size);  // so that no copy of a password stays behind
    for (const Avp& avp : avps) encode_avp(octets, avp);
    const bool written = session().write(octets).has_value();
    secure_zero(octets);
    return written ? std::move(then) : Verdict::fail(Failure::internal, "TLS does not write");
  }

  TtlsPeer inner_;
  bool begun_ = false;
  bool content_ = false;
  std::optional<mschapv2::Authenticator> proof_;  // that the server has to show
  std::uint8_t proof_identifier_ = 0;
  std::optional<Peer> eap_;
};

}  // namespace

std::unique_ptr<Method> make_ttls_server(TlsEnd end, TtlsServer inner) {
  return std::make_unique<ServerSide>(std::move(end), std::move(inner));
}
std::unique_ptr<Method> make_ttls_peer(TlsEnd end, TtlsPeer inner) {
  return std::make_unique<PeerSide>(std::move(end), std::move(inner));
}

}  // namespace culvert::eap
