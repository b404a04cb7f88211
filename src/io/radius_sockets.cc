// Invariant: no call into the client happens while one of its outputs is being handled by it, since
// outputs are carried out from the loop only; a datagram that cannot be sent is one that was lost.
#include "io/radius_sockets.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/limits.h"
#include "io/radsec.h"
#include "io/socket_name.h"

namespace culvert::io {
namespace {

constexpr int kDatagramsPerWake = 64;
constexpr int kReceiveBuffer = 1 << 20;  // answers of a burst of logins

int open_socket(Family family) {
  const int fd = ::socket(family == Family::v4 ? AF_INET : AF_INET6,
                          SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0)
    (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof(kReceiveBuffer));
  return fd;
}

std::uint16_t port_of(const sockaddr_storage& name) {
  return ntohs(name.ss_family == AF_INET ? reinterpret_cast<const sockaddr_in&>(name).sin_port
                                         : reinterpret_cast<const sockaddr_in6&>(name).sin6_port);
}

// Connected, so that the kernel chooses a port at random, drops what others send to it, and says
// when the server's port is closed.
class UdpPath final : public RadiusPath {
 public:
  UdpPath(EventLoop& loop, const Endpoint& remote, std::function<void(ByteView)> receive,
          std::function<void()> refused)
      : receive_(std::move(receive)), refused_(std::move(refused)) {
    fd_ = open_socket(remote.address.family());
    const SocketName name(remote.address, remote.port);
    if (fd_ < 0 || ::connect(fd_, name.get(), name.size) != 0) return;
    readable_ = std::make_unique<ReadableWatch>(loop, fd_, [this] { on_readable(); });
  }
  ~UdpPath() override {
    readable_.reset();
    if (fd_ >= 0) ::close(fd_);
  }
  bool usable() const { return readable_ != nullptr; }

  void send(ByteView octets) override {
    // An error that an earlier datagram met is reported once; then this one is sent.
    if (::send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL) < 0 && errno == ECONNREFUSED) {
      refused_();
      (void)!::send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL);
    }
  }

 private:
  void on_readable() {
    std::array<std::uint8_t, limits::kMaxRadiusPacket> buffer;
    for (int i = 0; i < kDatagramsPerWake; ++i) {
      const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (size >= 0) {
        receive_({buffer.data(), static_cast<std::size_t>(size)});
        continue;
      }
      if (errno == ECONNREFUSED) refused_();
      return;
    }
  }

  std::function<void(ByteView)> receive_;
  std::function<void()> refused_;
  int fd_ = -1;
  std::unique_ptr<ReadableWatch> readable_;
};

}  // namespace

RadiusSockets::RadiusSockets(EventLoop& loop, Provider& provider,
                             std::vector<radius::Server> servers,
                             std::map<std::uint32_t, RadsecTls> tls, Handler handler)
    : loop_(loop),
      client_(provider, std::move(servers)),
      tls_(std::move(tls)),
      handler_(std::move(handler)),
      timer_(loop, [this] { run(); }) {}

RadiusSockets::~RadiusSockets() = default;

radius::RequestId RadiusSockets::send(radius::Request request) {
  const auto id = client_.send(std::move(request), loop_.now());
  run();
  return id;
}

void RadiusSockets::cancel(radius::RequestId id) {
  client_.cancel(id, loop_.now());
  run();
}

void RadiusSockets::run() {
  if (*scheduled_) return;
  *scheduled_ = true;
  loop_.post([this, weak = std::weak_ptr(scheduled_)] {
    const auto scheduled = weak.lock();
    if (!scheduled) return;
    *scheduled = false;
    carry_out();
  });
}

void RadiusSockets::carry_out() {
  while (auto output = client_.poll(loop_.now())) {
    if (const auto* packet = std::get_if<radius::Transmit>(&*output))
      transmit(*packet);
    else
      handler_(std::move(*output));
  }
  timer_.set(client_.next_timer());
}

void RadiusSockets::transmit(const radius::Transmit& transmit) {
  const Key key{transmit.server, transmit.socket};
  auto found = paths_.find(key);
  if (found == paths_.end()) {
    auto path = open(key);
    if (!path) return;  // tried again with the next packet
    found = paths_.emplace(key, std::move(path)).first;
  }
  found->second->send(transmit.octets);
}

std::unique_ptr<RadiusPath> RadiusSockets::open(const Key& key) {
  const auto [server, socket] = key;
  const radius::Server& config = client_.server(server);
  auto receive = [this, server, socket](ByteView octets) {
    client_.receive(server, socket, client_.server(server).endpoint, octets, loop_.now());
    run();
  };
  auto refused = [this, server, socket] {
    client_.refused(server, socket, loop_.now());
    run();
  };
  if (config.stream) {
    auto lost = [this, server, socket] {
      client_.lost(server, socket);
      run();
    };
    return std::make_unique<RadsecConnection>(
        loop_, config.endpoint, tls_.at(server),
        RadsecConnection::Handlers{std::move(receive), std::move(refused), std::move(lost)});
  }
  auto path =
      std::make_unique<UdpPath>(loop_, config.endpoint, std::move(receive), std::move(refused));
  if (!path->usable()) return nullptr;
  return path;
}

RadiusListener::RadiusListener(EventLoop& loop, radius::DynamicAuthorization& server, Take take,
                               Ignored ignored)
    : loop_(loop), server_(server), take_(std::move(take)), ignored_(std::move(ignored)) {}

RadiusListener::~RadiusListener() {
  readable_.reset();
  if (fd_ >= 0) ::close(fd_);
}

std::expected<void, std::string> RadiusListener::open(const Endpoint& local) {
  fd_ = open_socket(local.address.family());
  const SocketName name(local.address, local.port);
  if (fd_ < 0 || ::bind(fd_, name.get(), name.size) != 0)
    return std::unexpected(fmt::format("cannot listen for dynamic authorization on {}: {}",
                                       local.to_string(), std::strerror(errno)));
  readable_ = std::make_unique<ReadableWatch>(loop_, fd_, [this] { on_readable(); });
  return {};
}

void RadiusListener::on_readable() {
  std::array<std::uint8_t, limits::kMaxRadiusPacket> buffer;
  for (int i = 0; i < kDatagramsPerWake; ++i) {
    sockaddr_storage name{};
    socklen_t name_size = sizeof(name);
    const ssize_t size = ::recvfrom(fd_, buffer.data(), buffer.size(), 0,
                                    reinterpret_cast<sockaddr*>(&name), &name_size);
    if (size < 0) return;
    const Endpoint remote{address_of(reinterpret_cast<const sockaddr*>(&name)), port_of(name)};
    const auto wall = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    auto received =
        server_.receive(remote, {buffer.data(), static_cast<std::size_t>(size)}, wall, loop_.now());
    if (auto* command = std::get_if<radius::DynamicAuthorization::Command>(&received))
      take_(std::move(*command));
    else if (const auto* reply = std::get_if<Bytes>(&received))
      send(remote, *reply);
    else
      ignored_(remote, std::get<radius::DynamicAuthorization::Ignored>(received).why);
  }
}

void RadiusListener::answer(radius::DynamicAuthorization::CommandId id, radius::ErrorCause cause) {
  if (const auto reply = server_.answer(id, cause)) send(reply->remote, reply->octets);
}

// A client whose answer is lost asks again.
void RadiusListener::send(const Endpoint& remote, ByteView octets) {
  const SocketName name(remote.address, remote.port);
  (void)!::sendto(fd_, octets.data(), octets.size(), MSG_NOSIGNAL, name.get(), name.size);
}

}  // namespace culvert::io
