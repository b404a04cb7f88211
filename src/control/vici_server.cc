// Listening and publishing. No client can hold up another: everything here is asynchronous, and
// what one session queues is bounded by itself.
#include "control/vici_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/limits.h"
#include "control/vici_status.h"
#include "trace/render.h"

namespace culvert::vici {

namespace {

constexpr int kBacklog = 64;

std::unexpected<std::string> system_error(const std::string& what) {
  return std::unexpected(fmt::format("{}: {}", what, std::strerror(errno)));
}

sockaddr_un unix_name(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  return name;
}

// True when somebody accepts connections there.
bool is_live(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const auto name = unix_name(path);
  const bool connected =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0 ||
      errno == EAGAIN;  // its backlog is full
  ::close(fd);
  return connected;
}

std::expected<void, std::string> clear_stale_socket(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return system_error("cannot look at " + path);
  }
  if (!S_ISSOCK(status.st_mode))
    return std::unexpected(path + " exists and is not a socket; choose another with --vici");
  if (is_live(path))
    return std::unexpected("another daemon listens on " + path +
                           " already; stop it, or choose another socket with --vici");
  if (::unlink(path.c_str()) != 0) return system_error("cannot remove the stale socket " + path);
  return {};
}

Result<Bytes> encode_event(std::string_view name, Message&& message) {
  return encode_segment({PacketType::event, std::string(name), std::move(message)});
}

// An event's octets, made when the first client wants them.
template <class Make>
class Lazy {
 public:
  explicit Lazy(Make make) : make_(std::move(make)) {}
  ByteView octets() {
    if (!made_) segment_ = make_().value_or(Bytes{});
    made_ = true;
    return segment_;
  }

 private:
  Make make_;
  bool made_ = false;
  Bytes segment_;
};

}  // namespace

Server::Server(asio::io_context& io, control::Backend& backend, Log log)
    : io_(io), backend_(backend), log_(std::move(log)), commands_(backend), retry_(io) {}

// NOLINTNEXTLINE(bugprone-exception-escape): nothing but a lack of memory is thrown.
Server::~Server() { close(); }

std::expected<void, std::string> Server::listen(const Address& address) {
  return address.kind == Address::Kind::unix_socket ? listen_unix(address.path)
                                                    : listen_tcp(address);
}

std::expected<void, std::string> Server::listen_unix(const std::string& path) {
  if (auto cleared = clear_stale_socket(path); !cleared) return cleared;
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return system_error("cannot make a socket");
  const auto name = unix_name(path);
  // The mode must be right from the first moment, so chmod() would be too late.
  const mode_t before = ::umask(0177);
  const int bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name));
  const int saved = errno;
  ::umask(before);
  struct stat status{};
  if (bound != 0 || ::stat(path.c_str(), &status) != 0) {
    ::close(fd);
    errno = bound != 0 ? saved : errno;
    return system_error("cannot listen on " + path);
  }
  socket_path_ = path;
  socket_inode_ = status.st_ino;
  return start(fd, AF_UNIX);
}

std::expected<void, std::string> Server::listen_tcp(const Address& address) {
  const bool v6 = address.host.find(':') != std::string::npos;
  const int family = v6 ? AF_INET6 : AF_INET;
  const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return system_error("cannot make a socket");
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in6 name6{};
  name6.sin6_family = AF_INET6;
  name6.sin6_port = htons(address.port);
  ::inet_pton(AF_INET6, address.host.c_str(), &name6.sin6_addr);
  sockaddr_in name4{};
  name4.sin_family = AF_INET;
  name4.sin_port = htons(address.port);
  ::inet_pton(AF_INET, address.host.c_str(), &name4.sin_addr);
  const auto* name =
      v6 ? reinterpret_cast<const sockaddr*>(&name6) : reinterpret_cast<const sockaddr*>(&name4);
  if (::bind(fd, name, static_cast<socklen_t>(v6 ? sizeof(name6) : sizeof(name4))) != 0) {
    const auto error =
        system_error(fmt::format("cannot listen on {} port {}", address.host, address.port));
    ::close(fd);
    return error;
  }
  return start(fd, family);
}

std::expected<void, std::string> Server::start(int fd, int family) {
  if (::listen(fd, kBacklog) != 0) {
    const auto error = system_error("cannot listen for vici clients");
    ::close(fd);
    return error;
  }
  asio::error_code failed;
  acceptor_ = std::make_unique<Acceptor>(io_);
  acceptor_->assign(asio::generic::stream_protocol(family, 0), fd, failed);
  if (failed) {
    ::close(fd);
    return std::unexpected("cannot listen for vici clients: " + failed.message());
  }
  accept();
  return {};
}

void Server::accept() {
  acceptor_->async_accept([this](const asio::error_code& error, Session::Socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      admit(std::move(socket));
      return accept();
    }
    // Out of descriptors, most likely: try again when some may have been closed.
    log_(trace::Level::warning, "cannot accept a vici client: " + error.message());
    retry_.expires_after(std::chrono::seconds(1));
    retry_.async_wait([this](const asio::error_code& aborted) {
      if (!aborted) accept();
    });
  });
}

void Server::admit(Session::Socket socket) {
  if (sessions_.size() >= limits::kMaxViciClients) {
    log_(trace::Level::warning,
         fmt::format("refused a vici client: {} are connected already", sessions_.size()));
    return;
  }
  const auto number = next_client_++;
  // The callback must not keep the session alive, so it finds it by address.
  auto slot = std::make_shared<std::weak_ptr<Session>>();
  auto session = std::make_shared<Session>(
      std::move(socket), commands_, [this, number, slot](const std::string& reason) {
        if (!reason.empty())
          log_(trace::Level::warning,
               fmt::format("disconnected vici client {}: it {}", number, reason));
        // Not at once: publish() may be walking over the sessions.
        asio::post(io_, [this, gone = slot->lock()] { remove(gone); });
      });
  *slot = session;
  sessions_.push_back(session);
  session->start();
}

void Server::remove(const std::shared_ptr<Session>& session) { std::erase(sessions_, session); }

void Server::publish(const trace::Event& event) {
  const auto level = log_level(event);
  const bool alerts = trace::info_of(event).explains_failure;
  Lazy alert([&] { return encode_event("alert", alert_event(event)); });
  Lazy log([&] { return encode_event("log", log_event(event)); });
  Lazy control([&] { return encode_event("control-log", log_event(event)); });
  for (const auto& session : sessions_) {
    if (session->registered("log")) session->send_event(log.octets());
    if (alerts && session->registered("alert")) session->send_event(alert.octets());
    if (session->follows(event, level)) session->send_event(control.octets());
  }
}

void Server::publish(const UpDown& change) {
  const std::string_view name = change.child ? "child-updown" : "ike-updown";
  Lazy segment([&] {
    return encode_event(name, updown_event(change, backend_.now(), [this](SaPairId pair) {
                          return backend_.counters(pair);
                        }));
  });
  for (const auto& session : sessions_)
    if (session->registered(name)) session->send_event(segment.octets());
}

void Server::publish(const SaNews& news) {
  const auto name = name_of(news);
  Lazy segment([&] {
    return encode_event(name, news_event(news, backend_.now(), [this](SaPairId pair) {
                          return backend_.counters(pair);
                        }));
  });
  for (const auto& session : sessions_)
    if (session->registered(name)) session->send_event(segment.octets());
}

void Server::close() {
  asio::error_code ignored;
  if (acceptor_) acceptor_->close(ignored);
  retry_.cancel();
  for (const auto& session : sessions_) session->close();
  sessions_.clear();
  struct stat status{};
  if (!socket_path_.empty() && ::lstat(socket_path_.c_str(), &status) == 0 &&
      status.st_ino == socket_inode_)
    ::unlink(socket_path_.c_str());
  socket_path_.clear();
}

}  // namespace culvert::vici
