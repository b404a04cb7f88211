// The control socket: accepts vici clients and hands them events.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/vici_session.h"
#include "shard/output.h"

namespace culvert::vici {

class Server {
 public:
  // For the daemon's own log; not called from within publish().
  using Log = std::function<void(trace::Level level, const std::string& text)>;

  // The backend and the io_context outlive the server.
  Server(asio::io_context& io, control::Backend& backend, Log log);
  ~Server();

  // Starts to listen. A stale socket file is replaced; one that somebody listens on is not, and
  // the error says so. The socket is its owner's alone (mode 0600).
  std::expected<void, std::string> listen(const Address& address);
  // Disconnects everybody and removes the socket file.
  void close();

  void publish(const trace::Event& event);
  void publish(const UpDown& change);
  void publish(const SaNews& news);

  std::size_t clients() const { return sessions_.size(); }

 private:
  using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;
  std::expected<void, std::string> listen_unix(const std::string& path);
  std::expected<void, std::string> listen_tcp(const Address& address);
  std::expected<void, std::string> start(int fd, int family);
  void accept();
  void admit(Session::Socket socket);
  void remove(const std::shared_ptr<Session>& session);

  asio::io_context& io_;
  control::Backend& backend_;
  Log log_;
  Commands commands_;
  std::unique_ptr<Acceptor> acceptor_;
  asio::steady_timer retry_;
  std::vector<std::shared_ptr<Session>> sessions_;
  std::uint64_t next_client_ = 1;
  std::string socket_path_;
  std::uint64_t socket_inode_ = 0;
};

}  // namespace culvert::vici
