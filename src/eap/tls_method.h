// EAP-TLS (RFC 5216, RFC 9190), and what EAP-TTLS and PEAP have in common with it: a TLS handshake
// in EAP, a tunnel, and keys from it.
#pragma once

#include "base/limits.h"
#include "crypto/tls.h"
#include "eap/method.h"
#include "eap/tls_fragments.h"

namespace culvert::eap {

// Who we are, and whom we believe, in one conversation.
struct TlsEnd {
  std::shared_ptr<const tls::Context> context;
  // Of the other side's certificates. A server of EAP-TTLS or PEAP that has none asks for none. A
  // verifier also has to see that the certificate is one of the user or server who is expected.
  tls::Verifier verify;
  std::string server_name;  // peer: the name to ask for; none when empty
  std::size_t fragment_size = limits::kEapTlsFragment;
};

std::unique_ptr<Method> make_tls_server(TlsEnd end);
std::unique_ptr<Method> make_tls_peer(TlsEnd end);

class TlsMethod : public Method {
 public:
  TlsMethod(Type type, tls::Side side, TlsEnd end);
  Type type() const final { return type_; }
  Turn begin(std::uint8_t identifier) final;
  Turn receive(const Packet& packet) final;
  const SignatureRequest* wanted() const final { return session_ ? session_->wanted() : nullptr; }
  Turn signature_made(Bytes signature) final;
  bool undecided() const final { return session_ && session_->undecided(); }
  Turn judge_again() final;
  const Refusal* refusing() const override {
    return verdict_ && verdict_->next == Turn::Next::failed ? &verdict_->refusal : nullptr;
  }
  ByteView msk() const final { return key_material_.view().first(msk_size_); }
  // 64 octets after success.
  ByteView emsk() const { return key_material_.view().subspan(msk_size_); }

 protected:
  struct Verdict {
    Turn::Next next = Turn::Next::go_on;
    Refusal refusal = {};
    bool attempt_refused = false;

    static Verdict go_on() { return {}; }
    static Verdict succeed() { return {Turn::Next::succeeded}; }
    static Verdict fail(Failure why, std::string detail = {}) {
      return fail(Refusal{why, std::move(detail)});
    }
    static Verdict fail(Refusal refusal) { return {Turn::Next::failed, std::move(refusal)}; }
  };
  // The tunnel stands: called when it does, and for whatever comes later, `data` or none, in a
  // packet with this identifier. What it writes to the session is sent, also with a verdict; a
  // server's verdict waits until the peer has read that.
  virtual Verdict in_tunnel(ByteView data, std::uint8_t identifier) = 0;
  // Of the keys before TLS 1.3 (RFC 5705 without a context).
  virtual std::string_view key_label() const { return "client EAP encryption"; }

  tls::Session& session() { return *session_; }
  bool is_server() const { return side_ == tls::Side::server; }

 private:
  Result<> open();
  Turn advance(ByteView message, std::uint8_t identifier);
  Turn go_on();
  Turn settle(Verdict verdict);
  Verdict judge();
  Verdict tls_failed() const;
  bool derive_keys();
  Turn send_next();
  Turn conclude(Verdict verdict);

  Type type_;
  tls::Side side_;
  TlsEnd end_;
  TlsFragments fragments_;
  std::unique_ptr<tls::Session> session_;
  std::uint8_t identifier_ = 0;     // of the packet that is being worked on
  std::optional<Verdict> verdict_;  // that is reached once what we are sending has arrived
  SecretBytes key_material_;
  std::size_t msk_size_ = 0;
};

}  // namespace culvert::eap
