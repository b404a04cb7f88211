// TLS 1.2 and 1.3 over memory, for EAP (RFC 5216, RFC 9190, RFC 5281, PEAP) and RadSec: octets go
// in, octets come out. No resumption, no renegotiation, no early data. What the peer's certificate
// is worth and how our key signs is asked of the caller, so that path checks have one home and the
// private key may live in another process.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/signature_request.h"

namespace culvert::tls {

enum class Version : std::uint16_t { v1_2 = 0x0303, v1_3 = 0x0304 };

// RFC 8446, 6, and RFC 5246, 7.2; the registry is open.
enum class Alert : std::uint8_t {
  close_notify = 0,
  unexpected_message = 10,
  bad_record_mac = 20,
  record_overflow = 22,
  handshake_failure = 40,
  bad_certificate = 42,
  unsupported_certificate = 43,
  certificate_revoked = 44,
  certificate_expired = 45,
  certificate_unknown = 46,
  illegal_parameter = 47,
  unknown_ca = 48,
  access_denied = 49,
  decode_error = 50,
  decrypt_error = 51,
  protocol_version = 70,
  insufficient_security = 71,
  internal_error = 80,
  user_canceled = 90,
  missing_extension = 109,
  unsupported_extension = 110,
  unrecognized_name = 112,
  certificate_required = 116,
};

// Signs the message itself (the signer hashes it).
using Signer = std::function<Result<Bytes>(const SignatureScheme& scheme, ByteView message)>;

// Why a certificate is not taken: the alert that the peer gets and the sentence that we log.
struct Refusal {
  Alert alert = Alert::bad_certificate;
  std::string why;
};
// What the peer's chain is worth. Undecided: something has to be found out first, after which
// Session::judge_again() asks once more; only sessions that ask for signatures can wait.
struct Judgement {
  Judgement(std::optional<Refusal> why) : refusal(std::move(why)) {}
  Judgement(Refusal why) : refusal(std::move(why)) {}
  Judgement(std::nullopt_t) {}
  static Judgement undecided() {
    Judgement judgement(Refusal{Alert::internal_error, "it has not been judged"});
    judgement.decided = false;
    return judgement;
  }

  std::optional<Refusal> refusal;
  bool decided = true;
};
// Judges the peer's chain, leaf first, each certificate as DER.
using Verifier = std::function<Judgement(std::span<const Bytes> chain)>;

// Who we are: may be empty for a client without a certificate.
struct Credential {
  std::vector<Bytes> chain;  // DER, leaf first
  Signer sign;               // none: sessions ask for signatures, see Session::wanted()
};

struct Settings {
  Credential credential;
  std::vector<Bytes> authorities;  // certificates (DER) whose subjects a server asks for
  Version min = Version::v1_2;
  Version max = Version::v1_3;
};

// What sessions with one credential share. Immutable; may be used by any number of sessions.
class Context {
 public:
  // Fails with invalid_argument on a certificate that cannot be used.
  static Result<std::shared_ptr<const Context>> make(Settings settings);
  virtual ~Context() = default;
};

enum class Side : std::uint8_t { client, server };
enum class State : std::uint8_t { handshaking, established, closed, failed };

struct Failure {
  enum class Kind : std::uint8_t {
    none,
    certificate_refused,  // by our verifier
    alert_received,       // the peer ended it
    no_certificate,       // the peer has to show one and did not
    no_agreement,         // nothing in common: versions, cipher suites, groups, signatures
    signing_failed,       // our signer refused
    too_large,            // more octets than any honest handshake has
    protocol,             // octets that are not valid TLS here
  };
  Kind kind = Kind::none;
  std::optional<Alert> alert;  // received, or else sent
  std::string why;             // certificate_refused: the verifier's sentence
};
// One sentence without a full stop.
std::string to_text(const Failure& failure);
std::string_view name_of(Alert alert);  // empty when the registry of RFC 8446 lacks it

struct SessionSettings {
  Side side = Side::client;
  bool ask_certificate = false;  // server: the client must have one
  Verifier verify;               // needed on a client, and on a server that asks
  std::string server_name;       // client: SNI; none when empty
};

class Session {
 public:
  // A client has its ClientHello in output() at once.
  static Result<std::unique_ptr<Session>> make(std::shared_ptr<const Context> context,
                                               SessionSettings settings);
  virtual ~Session() = default;

  // Takes records as they come, split anywhere; what to answer is in output(), unless a signature
  // is wanted() or the peer's chain undecided().
  virtual void feed(ByteView octets) = 0;
  // What our key has to sign before the handshake can go on; nullptr: nothing. It goes on with
  // signature_made(); an empty signature says that there is none.
  virtual const SignatureRequest* wanted() const = 0;
  virtual void signature_made(Bytes signature) = 0;
  // The verifier has to know more before the handshake can go on, with judge_again().
  virtual bool undecided() const = 0;
  virtual void judge_again() = 0;
  // Protects application data; only when established.
  virtual Result<> write(ByteView data) = 0;
  // Says close_notify; only when established.
  virtual void close() = 0;

  virtual Bytes output() = 0;       // takes what is to be sent
  virtual SecretBytes input() = 0;  // takes the application data that has arrived

  virtual State state() const = 0;
  virtual const Failure& failure() const = 0;
  virtual Version version() const = 0;                       // once established
  virtual const std::vector<Bytes>& peer_chain() const = 0;  // as judged; empty without one

  // RFC 5705, RFC 8446, 7.5; only when established. A missing context is not an empty one
  // (TLS 1.2).
  virtual Result<SecretBytes> export_keying_material(std::string_view label,
                                                     std::optional<ByteView> context,
                                                     std::size_t size) const = 0;
};

}  // namespace culvert::tls
