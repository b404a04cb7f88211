// TLS sessions over OpenSSL's memory BIOs. Invariant: after every call all that OpenSSL could do
// with the octets it has is done, and its error queue is empty.
#include "crypto/tls.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.h"
#include "crypto/openssl_fiber.h"
#include "crypto/openssl_signing_key.h"

namespace culvert::tls {
namespace {

using openssl::failed;
using openssl::Handle;
using Certificate = Handle<X509, X509_free>;
using SslContext = Handle<SSL_CTX, SSL_CTX_free>;
using Ssl = Handle<SSL, SSL_free>;

struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_pop_free(stack, X509_free); }
};
using CertificateStack = std::unique_ptr<STACK_OF(X509), FreeStack>;

struct OpensslContext final : Context {
  OpensslContext(SslContext made, bool asks) : ssl(std::move(made)), asks_signatures(asks) {}
  SslContext ssl;
  bool asks_signatures;  // of its sessions' callers
};

Certificate parse(ByteView der) {
  Certificate certificate(X509_new_ex(openssl::tls_library(), openssl::kTlsProperties));
  X509* into = certificate.get();
  const unsigned char* at = der.data();
  if (into == nullptr || d2i_X509(&into, &at, static_cast<long>(der.size())) == nullptr) {
    static_cast<void>(certificate.release());  // d2i has freed it
    return nullptr;
  }
  if (at != der.data() + der.size()) return nullptr;
  return certificate;
}

Bytes to_der(const X509* certificate) {
  const int size = i2d_X509(certificate, nullptr);
  if (size <= 0) return {};
  Bytes der(static_cast<std::size_t>(size));
  unsigned char* at = der.data();
  i2d_X509(certificate, &at);
  return der;
}

// OpenSSL derives the alert from a verification error.
int verification_error(Alert alert) {
  switch (alert) {
    case Alert::unknown_ca:
      return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    case Alert::certificate_expired:
      return X509_V_ERR_CERT_HAS_EXPIRED;
    case Alert::certificate_revoked:
      return X509_V_ERR_CERT_REVOKED;
    case Alert::unsupported_certificate:
      return X509_V_ERR_INVALID_PURPOSE;
    case Alert::decrypt_error:
      return X509_V_ERR_CERT_SIGNATURE_FAILURE;
    case Alert::handshake_failure:
      return X509_V_ERR_APPLICATION_VERIFICATION;
    default:
      return X509_V_ERR_CERT_REJECTED;  // bad_certificate
  }
}

Result<> install(SSL_CTX* context, Credential& credential) {
  if (credential.chain.empty()) return {};
  const auto unusable = [] { return failed(Fault::local_policy, Reason::invalid_argument); };
  const Certificate leaf = parse(credential.chain.front());
  if (leaf == nullptr) return unusable();
  EVP_PKEY* public_key = X509_get0_pubkey(leaf.get());
  if (public_key == nullptr) return unusable();
  const CertificateStack others(sk_X509_new_null());
  for (std::size_t i = 1; i < credential.chain.size(); ++i) {
    Certificate certificate = parse(credential.chain[i]);
    if (certificate == nullptr || sk_X509_push(others.get(), certificate.get()) <= 0)
      return unusable();
    static_cast<void>(certificate.release());
  }
  auto key = TRY(openssl::make_signing_key(public_key, std::move(credential.sign)));
  if (SSL_CTX_use_cert_and_key(context, leaf.get(), key.get(), others.get(), 1) != 1)
    return unusable();
  return {};
}

// Forward secrecy always; CBC suites for Windows before 10. Servers need not know RFC 5746, as
// strongSwan's do not: there is no renegotiation that could be abused.
bool configure(SSL_CTX* context, const Settings& settings) {
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_LEGACY_SERVER_CONNECT);
  SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(context, static_cast<long>(limits::kMaxTlsCertificates));
  // What keys and certificates are strong enough is the verifier's to say.
  SSL_CTX_set_security_level(context, 1);
  return SSL_CTX_set_num_tickets(context, 0) == 1 &&
         SSL_CTX_set_min_proto_version(context, std::to_underlying(settings.min)) == 1 &&
         SSL_CTX_set_max_proto_version(context, std::to_underlying(settings.max)) == 1 &&
         SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL") == 1 &&
         SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384:P-521") == 1 &&
         SSL_CTX_set1_sigalgs_list(
             context,
             "ed25519:ed448:ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:"
             "RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512") == 1;
}

class OpensslSession final : public Session {
 public:
  OpensslSession(std::shared_ptr<const Context> context, Ssl ssl, SessionSettings settings)
      : context_(std::move(context)), settings_(std::move(settings)), ssl_(std::move(ssl)) {
    if (!static_cast<const OpensslContext&>(*context_).asks_signatures) return;
    fiber_.emplace([this] { result_ = SSL_do_handshake(ssl_.get()); },
                   [this](const SignatureScheme& scheme, ByteView message) {
                     return ask_signature(scheme, message);
                   });
  }
  // What waits on the fiber comes to its end there, so that nothing of it is left.
  ~OpensslSession() override {
    abandoned_ = true;
    if (fiber_ && fiber_->waits()) fiber_->advance();
    ERR_clear_error();
  }

  bool begin() {
    BIO* received = BIO_new(BIO_s_mem());
    BIO* to_send = BIO_new(BIO_s_mem());
    if (received == nullptr || to_send == nullptr) {
      BIO_free(received);
      BIO_free(to_send);
      return false;
    }
    SSL_set_bio(ssl_.get(), received, to_send);  // which owns them now
    SSL_set_app_data(ssl_.get(), this);
    SSL_set_info_callback(ssl_.get(), note_alert);
    if (settings_.side == Side::server) {
      const int mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
      SSL_set_verify(ssl_.get(), settings_.ask_certificate ? mode : SSL_VERIFY_NONE, nullptr);
      SSL_set_accept_state(ssl_.get());
      return true;
    }
    SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, nullptr);
    SSL_set_connect_state(ssl_.get());
    if (!settings_.server_name.empty() &&
        SSL_set_tlsext_host_name(ssl_.get(), settings_.server_name.c_str()) != 1)
      return false;
    advance();
    return state_ == State::handshaking;
  }

  void feed(ByteView octets) override {
    if (state_ == State::failed || state_ == State::closed) return;
    if (state_ == State::handshaking) {
      handshake_octets_ += octets.size();
      if (handshake_octets_ > limits::kMaxTlsHandshake) return give_up(Failure::Kind::too_large);
    }
    std::size_t written = 0;
    if (!octets.empty() &&
        BIO_write_ex(SSL_get_rbio(ssl_.get()), octets.data(), octets.size(), &written) != 1)
      return give_up(Failure::Kind::protocol);
    if (!wanted_ && !undecided_) advance();
  }

  const SignatureRequest* wanted() const override { return wanted_ ? &*wanted_ : nullptr; }

  void signature_made(Bytes signature) override {
    if (!wanted_) return;
    wanted_.reset();
    signature_ = std::move(signature);
    advance();
  }

  bool undecided() const override { return undecided_; }

  void judge_again() override {
    if (undecided_) advance();
  }

  Result<> write(ByteView data) override {
    if (state_ != State::established) return openssl::invalid_argument();
    std::size_t written = 0;
    if (data.empty()) return {};
    if (SSL_write_ex(ssl_.get(), data.data(), data.size(), &written) != 1) return failed();
    return {};
  }

  void close() override {
    if (state_ != State::established) return;
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }

  Bytes output() override {
    BIO* bio = SSL_get_wbio(ssl_.get());
    Bytes taken(BIO_ctrl_pending(bio));
    std::size_t count = 0;
    if (!taken.empty()) BIO_read_ex(bio, taken.data(), taken.size(), &count);
    taken.resize(count);
    return taken;
  }

  SecretBytes input() override { return std::exchange(input_, SecretBytes()); }
  State state() const override { return state_; }
  const Failure& failure() const override { return failure_; }
  Version version() const override { return static_cast<Version>(SSL_version(ssl_.get())); }
  const std::vector<Bytes>& peer_chain() const override { return peer_chain_; }

  Result<SecretBytes> export_keying_material(std::string_view label,
                                             std::optional<ByteView> context,
                                             std::size_t size) const override {
    if (state_ != State::established) return openssl::invalid_argument();
    SecretBytes out(size);
    const ByteView with = context.value_or(ByteView());
    if (SSL_export_keying_material(ssl_.get(), out.mutable_view().data(), size, label.data(),
                                   label.size(), with.data(), with.size(),
                                   context.has_value() ? 1 : 0) != 1)
      return failed();
    return out;
  }

  // OpenSSL asks what the peer's certificates are worth.
  static int judge(X509_STORE_CTX* store, void*) {
    const auto* ssl =
        static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto* self = static_cast<OpensslSession*>(SSL_get_app_data(ssl));
    STACK_OF(X509)* chain = X509_STORE_CTX_get0_untrusted(store);  // the leaf is its first
    for (int i = 0; i < sk_X509_num(chain); ++i)
      self->peer_chain_.push_back(to_der(sk_X509_value(chain, i)));
    self->ask_verdict();
    if (!self->refusal_) return 1;
    X509_STORE_CTX_set_error(store, verification_error(self->refusal_->alert));
    return 0;
  }

 private:
  static void note_alert(const SSL* ssl, int where, int value) {
    if ((where & SSL_CB_ALERT) == 0) return;
    auto* self = static_cast<OpensslSession*>(SSL_get_app_data(ssl));
    const auto alert = static_cast<Alert>(value & 0xff);
    ((where & SSL_CB_READ) != 0 ? self->received_ : self->sent_) = alert;
  }

  void advance() {
    ERR_clear_error();
    if (state_ == State::handshaking) {
      if (!shake_hands()) return;
      if (result_ != 1) return stopped(-1);
      state_ = State::established;
    }
    read_all();
  }

  // As far as it goes: result_ says how that is; false: it waits for a signature or a judgement, or
  // has failed.
  bool shake_hands() {
    if (!fiber_) {
      result_ = SSL_do_handshake(ssl_.get());
      return true;
    }
    while (true) {
      if (undecided_) judge_peer();
      if (undecided_) return false;
      if (!fiber_->advance()) {
        give_up(Failure::Kind::signing_failed);
        return false;
      }
      if (!fiber_->waits()) return true;
      ERR_clear_error();
      if (wanted_) return false;
      undecided_ = true;
    }
  }

  void judge_peer() {
    auto judgement = settings_.verify(peer_chain_);
    undecided_ = !judgement.decided;
    refusal_ = std::move(judgement.refusal);
  }

  // The verifier may want more of a stack than a fiber has.
  void ask_verdict() {
    if (!fiber_) return judge_peer();
    if (!abandoned_) openssl::Fiber::wait();
  }

  Result<Bytes> ask_signature(const SignatureScheme& scheme, ByteView message) {
    if (abandoned_) return failed();
    wanted_ = SignatureRequest{scheme, to_bytes(message)};
    openssl::Fiber::wait();
    return std::exchange(signature_, {});
  }

  void read_all() {
    std::array<std::uint8_t, 16 * 1'024> record;
    while (true) {
      std::size_t count = 0;
      if (SSL_read_ex(ssl_.get(), record.data(), record.size(), &count) != 1) break;
      if (input_.size() + count > limits::kMaxTlsUnread) {
        secure_zero(record);
        return give_up(Failure::Kind::too_large);
      }
      SecretBytes joined(input_.size() + count);
      std::ranges::copy(input_.view(), joined.mutable_view().begin());
      std::copy_n(record.begin(), count,
                  joined.mutable_view().begin() + static_cast<std::ptrdiff_t>(input_.size()));
      input_ = std::move(joined);
    }
    secure_zero(record);
    stopped(0);
  }

  // OpenSSL stopped: because it needs more octets, or for good.
  void stopped(int result) {
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_ZERO_RETURN)
      state_ = State::closed;
    else if (error != SSL_ERROR_WANT_READ)
      give_up(classify());
    ERR_clear_error();
  }

  Failure::Kind classify() const {
    using enum Failure::Kind;
    if (refusal_) return certificate_refused;
    if (received_ && *received_ != Alert::close_notify) return alert_received;
    while (const unsigned long error = ERR_get_error()) {
      const int reason = ERR_GET_REASON(error);
      if (ERR_GET_LIB(error) == ERR_LIB_USER && reason == openssl::kSignerRefused)
        return signing_failed;
      if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return no_certificate;
    }
    if (sent_ == Alert::handshake_failure || sent_ == Alert::protocol_version ||
        sent_ == Alert::insufficient_security)
      return no_agreement;
    return protocol;
  }

  void give_up(Failure::Kind kind) {
    state_ = State::failed;
    failure_ = {.kind = kind,
                .alert = kind == Failure::Kind::alert_received ? received_ : sent_,
                .why = refusal_ ? refusal_->why : std::string()};
  }

  std::shared_ptr<const Context> context_;
  SessionSettings settings_;
  Ssl ssl_;
  // Where signatures are asked for, the handshake runs on it, and stands still there meanwhile.
  std::optional<openssl::Fiber> fiber_;
  std::optional<SignatureRequest> wanted_;
  Bytes signature_;
  bool undecided_ = false;
  bool abandoned_ = false;
  int result_ = 0;  // of SSL_do_handshake()
  State state_ = State::handshaking;
  Failure failure_;
  std::size_t handshake_octets_ = 0;
  SecretBytes input_;
  std::vector<Bytes> peer_chain_;
  std::optional<Refusal> refusal_;
  std::optional<Alert> received_, sent_;
};

std::string alert_text(std::optional<Alert> alert) {
  if (!alert) return "";
  const std::string_view name = name_of(*alert);
  const std::string number = std::to_string(std::to_underlying(*alert));
  return name.empty() ? "TLS alert " + number : "TLS alert " + number + ", " + std::string(name);
}

// What an alert that the peer sent usually means.
std::string_view meaning(Alert alert) {
  switch (alert) {
    case Alert::unknown_ca:
      return "it does not trust the CA of our certificate";
    case Alert::certificate_expired:
      return "it says that our certificate has expired or is not valid yet";
    case Alert::certificate_revoked:
      return "it says that our certificate is revoked";
    case Alert::bad_certificate:
    case Alert::certificate_unknown:
    case Alert::unsupported_certificate:
    case Alert::access_denied:
      return "it does not accept our certificate";
    case Alert::certificate_required:
      return "it wants a certificate of ours";
    case Alert::protocol_version:
      return "no TLS version in common";
    case Alert::handshake_failure:
    case Alert::insufficient_security:
      return "no cipher suite, group or signature scheme in common, or it wants a certificate of "
             "ours";
    default:
      return "";
  }
}

}  // namespace

Result<std::shared_ptr<const Context>> Context::make(Settings settings) {
  if (openssl::tls_library() == nullptr) return failed();
  SslContext ssl(SSL_CTX_new_ex(openssl::tls_library(), openssl::kTlsProperties, TLS_method()));
  if (ssl == nullptr || !configure(ssl.get(), settings)) return failed();
  SSL_CTX_set_cert_verify_callback(ssl.get(), OpensslSession::judge, nullptr);
  const bool asks = !settings.credential.chain.empty() && settings.credential.sign == nullptr;
  CHECK_OK(install(ssl.get(), settings.credential));
  for (const Bytes& der : settings.authorities) {
    const Certificate authority = parse(der);
    if (authority == nullptr || SSL_CTX_add_client_CA(ssl.get(), authority.get()) != 1)
      return failed(Fault::local_policy, Reason::invalid_argument);
  }
  return std::make_shared<const OpensslContext>(std::move(ssl), asks);
}

Result<std::unique_ptr<Session>> Session::make(std::shared_ptr<const Context> context,
                                               SessionSettings settings) {
  const bool verifies = settings.side == Side::client || settings.ask_certificate;
  if (context == nullptr || (verifies && settings.verify == nullptr))
    return openssl::invalid_argument();
  Ssl ssl(SSL_new(static_cast<const OpensslContext&>(*context).ssl.get()));
  if (ssl == nullptr) return failed();
  auto session =
      std::make_unique<OpensslSession>(std::move(context), std::move(ssl), std::move(settings));
  if (!session->begin()) return failed();
  return session;
}

std::string_view name_of(Alert alert) {
  switch (alert) {
#define CULVERT_ALERT(name) \
  case Alert::name:         \
    return #name;
    CULVERT_ALERT(close_notify)
    CULVERT_ALERT(unexpected_message)
    CULVERT_ALERT(bad_record_mac)
    CULVERT_ALERT(record_overflow)
    CULVERT_ALERT(handshake_failure)
    CULVERT_ALERT(bad_certificate)
    CULVERT_ALERT(unsupported_certificate)
    CULVERT_ALERT(certificate_revoked)
    CULVERT_ALERT(certificate_expired)
    CULVERT_ALERT(certificate_unknown)
    CULVERT_ALERT(illegal_parameter)
    CULVERT_ALERT(unknown_ca)
    CULVERT_ALERT(access_denied)
    CULVERT_ALERT(decode_error)
    CULVERT_ALERT(decrypt_error)
    CULVERT_ALERT(protocol_version)
    CULVERT_ALERT(insufficient_security)
    CULVERT_ALERT(internal_error)
    CULVERT_ALERT(user_canceled)
    CULVERT_ALERT(missing_extension)
    CULVERT_ALERT(unsupported_extension)
    CULVERT_ALERT(unrecognized_name)
    CULVERT_ALERT(certificate_required)
#undef CULVERT_ALERT
  }
  return "";
}

std::string to_text(const Failure& failure) {
  const std::string alert = alert_text(failure.alert);
  const auto with_alert = [&](std::string text) {
    return alert.empty() ? text : text + " (" + alert + " sent)";
  };
  switch (failure.kind) {
    case Failure::Kind::none:
      return "";
    case Failure::Kind::certificate_refused:
      return with_alert(failure.why);
    case Failure::Kind::alert_received: {
      const std::string_view means = meaning(*failure.alert);
      return "the peer ended TLS with " + alert +
             (means.empty() ? std::string() : ": " + std::string(means));
    }
    case Failure::Kind::no_certificate:
      return with_alert("the peer has to show a certificate and did not");
    case Failure::Kind::no_agreement:
      return with_alert("no TLS version, cipher suite, group or signature scheme in common");
    case Failure::Kind::signing_failed:
      return with_alert("our private key did not sign");
    case Failure::Kind::too_large:
      return "the peer sent more octets than TLS has any use for here";
    case Failure::Kind::protocol:
      return with_alert("the peer broke the TLS protocol");
  }
  return "";
}

}  // namespace culvert::tls
