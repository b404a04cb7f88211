// The daemon's side of its signing process.
#pragma once

#include <deque>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

#include "daemon/signer_message.h"
#include "daemon/signer_process.h"
#include "io/event_loop.h"

namespace culvert {

class Signer {
 public:
  // The signature, or the sentence's end that says why there is none.
  using Signed = std::function<void(std::expected<Bytes, std::string>)>;

  Signer(io::EventLoop& loop, signer::Socket socket);

  // `done` is called later, on the loop's thread.
  void sign(const KeyId& key, const SignatureScheme& scheme, Bytes octets, Signed done);

  // The same, waited for as the loading of a key is: for handshakes that cannot go on later.
  std::expected<Bytes, std::string> sign_now(const KeyId& key, const SignatureScheme& scheme,
                                             Bytes octets);

  // The SubjectPublicKeyInfo of the key, which can sign from now on. The error goes on behind the
  // name of what was to be loaded. These wait for the answer: the process reads a file at most, and
  // is given up after two seconds.
  // password_path: of the file with its password; empty: it is not encrypted.
  std::expected<Bytes, std::string> load_file(const std::string& path,
                                              const std::string& password_path);
  std::expected<Bytes, std::string> load(ByteView file, ByteView password);
  void forget(const KeyId& key);

 private:
  std::uint64_t post(
      std::variant<signer::LoadKeyFile, signer::LoadKey, signer::ForgetKey, signer::Sign>&& what);
  void flush();
  std::expected<Bytes, std::string> await(std::uint64_t id);
  std::optional<signer::Answer> receive();
  void on_readable();
  void deliver(signer::Answer&& answer);
  void fail_all();

  signer::Socket socket_;
  bool dead_ = false;
  std::uint64_t last_id_ = 0;
  std::deque<SecretBytes> unsent_;
  std::unordered_map<std::uint64_t, Signed> waiting_;
  Bytes buffer_;
  std::unique_ptr<io::ReadableWatch> watch_;
};

}  // namespace culvert
