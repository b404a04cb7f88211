// Invariant: every sign() is answered once: by the process, or when it is gone.
#include "daemon/signer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>

namespace culvert {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kPatience = 2s;
constexpr const char* kGone = "the signing process has died; restart culvertd";

std::expected<Bytes, std::string> outcome_of(signer::Answer&& answer) {
  if (answer.success) return std::move(answer.octets);
  return std::unexpected(std::string(as_text(answer.octets)));
}

}  // namespace

Signer::Signer(io::EventLoop& loop, signer::Socket socket)
    : socket_(std::move(socket)), buffer_(signer::kMaxMessage) {
  fcntl(socket_.fd(), F_SETFL, O_NONBLOCK);
  watch_ = std::make_unique<io::ReadableWatch>(loop, socket_.fd(), [this] { on_readable(); });
}

void Signer::sign(const KeyId& key, const SignatureScheme& scheme, Bytes octets, Signed done) {
  if (dead_) return done(std::unexpected(kGone));
  const std::uint64_t id = post(signer::Sign{key, scheme, std::move(octets)});
  waiting_.emplace(id, std::move(done));
}

std::expected<Bytes, std::string> Signer::sign_now(const KeyId& key, const SignatureScheme& scheme,
                                                   Bytes octets) {
  return await(post(signer::Sign{key, scheme, std::move(octets)}));
}

std::expected<Bytes, std::string> Signer::load_file(const std::string& path,
                                                    const std::string& password_path) {
  return await(
      post(signer::LoadKeyFile{SecretBytes(as_bytes(path)), SecretBytes(as_bytes(password_path))}));
}

std::expected<Bytes, std::string> Signer::load(ByteView file, ByteView password) {
  return await(post(signer::LoadKey{SecretBytes(file), SecretBytes(password)}));
}

void Signer::forget(const KeyId& key) { await(post(signer::ForgetKey{key})); }

std::uint64_t Signer::post(
    std::variant<signer::LoadKeyFile, signer::LoadKey, signer::ForgetKey, signer::Sign>&& what) {
  const std::uint64_t id = ++last_id_;
  unsent_.push_back(signer::encode({id, std::move(what)}));
  flush();
  return id;
}

// What does not fit into the socket now goes when an answer has made room.
void Signer::flush() {
  while (!dead_ && !unsent_.empty()) {
    const ByteView message = unsent_.front().view();
    if (send(socket_.fd(), message.data(), message.size(), MSG_NOSIGNAL) < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) dead_ = true;
      return;
    }
    unsent_.pop_front();
  }
}

std::optional<signer::Answer> Signer::receive() {
  for (;;) {
    const ssize_t size = recv(socket_.fd(), buffer_.data(), buffer_.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return std::nullopt;
    if (size <= 0) {
      dead_ = true;
      return std::nullopt;
    }
    auto answer = signer::decode_answer(ByteView(buffer_).first(static_cast<std::size_t>(size)));
    if (answer) return std::move(*answer);
  }
}

std::expected<Bytes, std::string> Signer::await(std::uint64_t id) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!dead_) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (left <= 0ms) return std::unexpected("the signing process does not answer");
    pollfd waited{socket_.fd(), POLLIN, 0};
    ::poll(&waited, 1, static_cast<int>(left.count()));
    while (auto answer = receive()) {
      flush();
      if (answer->id == id) return outcome_of(std::move(*answer));
      deliver(std::move(*answer));
    }
  }
  return std::unexpected(kGone);
}

void Signer::on_readable() {
  while (auto answer = receive()) {
    flush();
    deliver(std::move(*answer));
  }
  if (dead_) fail_all();
}

void Signer::deliver(signer::Answer&& answer) {
  const auto at = waiting_.find(answer.id);
  if (at == waiting_.end()) return;
  const Signed done = std::move(at->second);
  waiting_.erase(at);
  done(outcome_of(std::move(answer)));
}

void Signer::fail_all() {
  watch_.reset();
  unsent_.clear();
  for (auto& [id, done] : std::exchange(waiting_, {})) done(std::unexpected(kGone));
}

}  // namespace culvert
