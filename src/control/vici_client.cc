// The blocking vici client: one socket, one command at a time.
#include "control/vici_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace culvert::vici {

namespace {

std::string error_text(int number) { return std::strerror(number); }

std::string connect_hint(int number) {
  if (number == ENOENT || number == ECONNREFUSED) return "; is culvertd running?";
  if (number == EACCES || number == EPERM) return "; run this as root";
  return {};
}

int open_socket(const Address& address) {
  if (address.kind == Address::Kind::unix_socket) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    address.path.copy(name.sun_path, sizeof(name.sun_path) - 1);
    if (fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0)
      return fd;
    const int saved = errno;
    if (fd >= 0) ::close(fd);
    errno = saved;
    return -1;
  }
  const bool v6 = address.host.find(':') != std::string::npos;
  const int fd = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 name6{};
  name6.sin6_family = AF_INET6;
  name6.sin6_port = htons(address.port);
  sockaddr_in name4{};
  name4.sin_family = AF_INET;
  name4.sin_port = htons(address.port);
  ::inet_pton(v6 ? AF_INET6 : AF_INET, address.host.c_str(),
              v6 ? static_cast<void*>(&name6.sin6_addr) : &name4.sin_addr);
  const auto* name =
      v6 ? reinterpret_cast<const sockaddr*>(&name6) : reinterpret_cast<const sockaddr*>(&name4);
  const auto size = static_cast<socklen_t>(v6 ? sizeof(name6) : sizeof(name4));
  if (fd >= 0 && ::connect(fd, name, size) == 0) return fd;
  const int saved = errno;
  if (fd >= 0) ::close(fd);
  errno = saved;
  return -1;
}

}  // namespace

struct Client::Connection {
  int fd = -1;
  SegmentReader reader;

  ~Connection() { ::close(fd); }

  Answer<> send(const Packet& packet) {
    auto octets = encode_segment(packet);
    if (!octets) return std::unexpected("the message is too large for vici (512 KiB)");
    ByteView left = *octets;
    while (!left.empty()) {
      const auto sent = ::send(fd, left.data(), left.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) return std::unexpected("cannot send to the daemon: " + error_text(errno));
      left = left.subspan(static_cast<std::size_t>(sent));
    }
    return {};
  }

  // nullopt: nothing within `timeout_ms` (negative: wait for ever).
  Answer<std::optional<Packet>> receive(int timeout_ms) {
    while (true) {
      const auto segment = reader.next();
      if (!segment) return std::unexpected("the daemon sent a malformed segment");
      if (*segment) {
        auto packet = decode_packet(**segment);
        if (!packet) return std::unexpected("the daemon sent a malformed message");
        return std::move(*packet);
      }
      pollfd ready{fd, POLLIN, 0};
      const int count = ::poll(&ready, 1, timeout_ms);
      if (count < 0 && errno == EINTR) continue;
      if (count == 0) return std::nullopt;
      std::array<std::uint8_t, 65'536> buffer;
      const auto got = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return std::unexpected("cannot read from the daemon: " + error_text(errno));
      if (got == 0) return std::unexpected("the daemon closed the connection");
      reader.feed(ByteView(buffer).first(static_cast<std::size_t>(got)));
    }
  }
};

Client::Client(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Client::Answer<Client> Client::connect(std::string_view uri) {
  const auto address = parse_address(uri);
  if (!address) return std::unexpected(address.error());
  const int fd = open_socket(*address);
  if (fd < 0)
    return std::unexpected("cannot connect to " + std::string(uri) + ": " + error_text(errno) +
                           connect_hint(errno));
  auto connection = std::make_unique<Connection>();
  connection->fd = fd;
  return Client(std::move(connection));
}

Client::Answer<Packet> Client::exchange(const Packet& packet, const EventHandler& on_event) {
  if (auto sent = connection_->send(packet); !sent) return std::unexpected(sent.error());
  while (true) {
    auto answer = connection_->receive(-1);
    if (!answer) return std::unexpected(answer.error());
    if ((*answer)->type != PacketType::event) return std::move(**answer);
    if (on_event) on_event((*answer)->name, (*answer)->message);
  }
}

Client::Answer<Message> Client::request(const std::string& command, const Message& arguments,
                                        const EventHandler& on_event) {
  auto answer = exchange({PacketType::cmd_request, command, arguments}, on_event);
  if (!answer) return std::unexpected(answer.error());
  if (answer->type == PacketType::cmd_response) return std::move(answer->message);
  if (answer->type == PacketType::cmd_unknown)
    return std::unexpected("the daemon does not know the command '" + command + "'");
  return std::unexpected("the daemon answered out of turn");
}

Client::Answer<> Client::confirm(PacketType type, const std::string& event) {
  auto answer = exchange({type, event, {}}, {});
  if (!answer) return std::unexpected(answer.error());
  if (answer->type == PacketType::event_confirm) return {};
  if (answer->type == PacketType::event_unknown)
    return std::unexpected("the daemon does not know the event '" + event + "'");
  return std::unexpected("the daemon answered out of turn");
}

Client::Answer<> Client::register_event(const std::string& event) {
  return confirm(PacketType::event_register, event);
}

Client::Answer<> Client::unregister_event(const std::string& event) {
  return confirm(PacketType::event_unregister, event);
}

Client::Answer<Message> Client::stream(const std::string& command, const Message& arguments,
                                       const std::string& event, const EventHandler& on_event) {
  if (auto registered = register_event(event); !registered)
    return std::unexpected(registered.error());
  auto answer = request(command, arguments, on_event);
  if (!answer) return answer;
  if (auto unregistered = unregister_event(event); !unregistered)
    return std::unexpected(unregistered.error());
  return answer;
}

Client::Answer<std::optional<Packet>> Client::next_event(std::chrono::milliseconds timeout) {
  return connection_->receive(timeout.count() == 0 ? -1 : static_cast<int>(timeout.count()));
}

std::optional<std::string> failure_of(const Message& response) {
  const auto* success = response.find("success");
  if (success == nullptr || *success == "yes") return std::nullopt;
  return std::string(response.get("errmsg", "the daemon refused and did not say why"));
}

}  // namespace culvert::vici
