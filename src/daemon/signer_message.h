// What culvertd and its signing process say to each other: one message per datagram of a socket
// pair. Both sides are ours, and yet neither believes a length.
#pragma once

#include <cstdint>
#include <variant>

#include "base/secret.h"
#include "crypto/signature.h"

namespace culvert::signer {

// ---- requests ----

struct LoadKeyFile {
  SecretBytes path, password_path;  // no password_path: it is not encrypted
};
struct LoadKey {
  SecretBytes file, password;  // the file's octets
};
struct ForgetKey {
  KeyId key{};
};
struct Sign {
  KeyId key{};
  SignatureScheme scheme;
  Bytes octets;
};
struct Request {
  std::uint64_t id = 0;
  std::variant<LoadKeyFile, LoadKey, ForgetKey, Sign> what;
};

// ---- answers ----

struct Answer {
  std::uint64_t id = 0;
  bool success = false;
  // The SubjectPublicKeyInfo of a loaded key, a signature, or the end of a sentence that says what
  // is wrong.
  Bytes octets;
};

inline constexpr std::size_t kMaxMessage = 160 * 1'024;

SecretBytes encode(const Request& request);
Result<Request> decode_request(ByteView octets);
Bytes encode(const Answer& answer);
Result<Answer> decode_answer(ByteView octets);

}  // namespace culvert::signer
