// Invariant: a private key leaves this process in no form; a request that makes no sense is
// answered like one that fails.
#include "daemon/signer_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>

#include "base/limits.h"
#include "config/file.h"
#include "crypto/openssl_provider.h"
#include "crypto/private_key.h"
#include "daemon/signer_message.h"

namespace culvert::signer {
namespace {

class KeyRing {
 public:
  Answer answer(const Request& request) {
    auto done = std::visit([this](const auto& one) { return run(one); }, request.what);
    if (done) return {request.id, true, std::move(*done)};
    return {request.id, false, to_bytes(as_bytes(done.error()))};
  }

 private:
  using Outcome = std::expected<Bytes, std::string>;

  Outcome run(const LoadKeyFile& load) {
    const std::string path(as_text(load.path.view()));
    const auto file = config::read_file(path, limits::kMaxSecretFileSize);
    if (!file) return std::unexpected(file.error());
    const std::string password_path(as_text(load.password_path.view()));
    config::FileContents password;
    if (!password_path.empty()) {
      auto read = config::read_file(password_path, limits::kMaxSecretFileSize);
      if (!read) return std::unexpected(read.error());
      password = std::move(*read);
    }
    auto loaded = add(file->octets.view(), config::without_newline(password.octets.view()));
    if (!loaded) return std::unexpected("\"" + path + "\" " + loaded.error());
    return loaded;
  }
  Outcome run(const LoadKey& load) { return add(load.file.view(), load.password.view()); }
  Outcome run(const ForgetKey& forget) {
    keys_.erase(forget.key);
    return Bytes{};
  }
  Outcome run(const Sign& sign) {
    const auto key = keys_.find(sign.key);
    if (key == keys_.end()) return std::unexpected("the private key is not loaded any more");
    auto signature = key->second.sign(sign.scheme, {sign.octets});
    if (!signature) return std::unexpected("the private key can't make such a signature");
    return std::move(*signature);
  }

  Outcome add(ByteView file, ByteView password) {
    auto key = PrivateKey::load(file, as_text(password));
    if (!key) return std::unexpected(std::string(describe(key.error())));
    auto known = provider_->load_public_key(key->spki());
    if (!known) return std::unexpected("holds a key that is not sound");
    Bytes spki = key->spki();
    keys_.insert_or_assign((*known)->key_id(), std::move(*key));
    return spki;
  }

  std::unique_ptr<Provider> provider_ = make_openssl_provider();
  std::map<KeyId, PrivateKey> keys_;
};

// It is stopped by the end of its socket, not by the signals that stop the daemon; nobody may look
// into its memory.
void seclude() {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) std::signal(number, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_NAME, "culvert-signer");
}

}  // namespace

std::expected<Socket, std::string> start_process() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return std::unexpected(std::string("the signing process: ") + std::strerror(errno));
  for (const int fd : ends) {
    const int size = 4 * static_cast<int>(kMaxMessage);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  }
  const pid_t child = fork();
  if (child < 0) {
    ::close(ends[0]);
    ::close(ends[1]);
    return std::unexpected(std::string("the signing process: ") + std::strerror(errno));
  }
  if (child == 0) {
    ::close(ends[0]);
    seclude();
    serve(ends[1]);
    _exit(0);
  }
  ::close(ends[1]);
  return Socket(ends[0]);
}

void serve(int fd) {
  KeyRing keys;
  SecretBytes buffer(kMaxMessage);
  for (;;) {
    const ssize_t size = recv(fd, buffer.mutable_view().data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;
    const MutableBytes message = buffer.mutable_view().first(static_cast<std::size_t>(size));
    const auto request = decode_request(message);
    const Answer answer =
        request ? keys.answer(*request) : Answer{0, false, to_bytes(as_bytes("is no request"))};
    secure_zero(message);
    const Bytes octets = encode(answer);
    while (send(fd, octets.data(), octets.size(), 0) < 0)
      if (errno != EINTR) return;
  }
}

}  // namespace culvert::signer
