// Invariant: a Link that is not link_ any more is closed, and what comes of it is ignored. What is
// under way on its socket owns the Link, but not the connection.
#include "io/radsec.h"

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "io/tcp_endpoint.h"

namespace culvert::io {
namespace {

constexpr Duration kHandshakeTime = std::chrono::seconds(10);
// Packets that wait for the connection: as many as there are identifiers.
constexpr std::size_t kMaxQueued = 256 * limits::kMaxRadiusPacket;

}  // namespace

struct RadsecConnection::Link {
  explicit Link(EventLoop& loop) : socket(loop.context()) {}
  asio::ip::tcp::socket socket;
  std::unique_ptr<tls::Session> session;
  Bytes queued;    // packets that wait for TLS to be established
  Bytes received;  // the beginning of a packet
  Bytes writing;   // what the socket is being given
  bool established = false;
  std::array<std::uint8_t, 4'096> buffer;
};

RadsecConnection::RadsecConnection(EventLoop& loop, const Endpoint& remote, const RadsecTls& tls,
                                   Handlers handlers)
    : loop_(loop),
      remote_(remote),
      tls_(tls),
      handlers_(std::move(handlers)),
      deadline_(loop, [this] {
        if (link_ && !link_->established) end(link_);
      }) {}

RadsecConnection::~RadsecConnection() {
  asio::error_code ignored;
  if (link_) link_->socket.close(ignored);
}

void RadsecConnection::send(ByteView octets) {
  if (!link_) connect();
  const auto link = link_;
  if (!link->established) {
    if (link->queued.size() + octets.size() <= kMaxQueued) append(link->queued, octets);
    return;
  }
  // It fails only where the session has ended, of which reading tells.
  (void)link->session->write(octets);
  flush(link);
}

void RadsecConnection::connect() {
  link_ = std::make_shared<Link>(loop_);
  deadline_.set(loop_.now() + kHandshakeTime);
  link_->socket.async_connect(
      tcp_endpoint(remote_), [this, link = link_](const asio::error_code& error) {
        if (!link->socket.is_open()) return;
        auto session = tls::Session::make(
            tls_.context,
            {.side = tls::Side::client, .verify = tls_.verify, .server_name = tls_.server_name});
        if (error || !session) return end(link);
        link->session = std::move(*session);
        flush(link);
        read(link);
      });
}

void RadsecConnection::read(const std::shared_ptr<Link>& link) {
  link->socket.async_read_some(asio::buffer(link->buffer),
                               [this, link](const asio::error_code& error, std::size_t size) {
                                 if (!link->socket.is_open()) return;
                                 if (error) return end(link);
                                 link->session->feed({link->buffer.data(), size});
                                 advance(link);
                               });
}

void RadsecConnection::flush(const std::shared_ptr<Link>& link) {
  if (!link->writing.empty()) return;  // what there is by then goes next
  link->writing = link->session->output();
  if (link->writing.empty()) return;
  asio::async_write(link->socket, asio::buffer(link->writing),
                    [this, link](const asio::error_code& error, std::size_t) {
                      if (!link->socket.is_open()) return;
                      link->writing.clear();
                      if (error) return end(link);
                      flush(link);
                    });
}

// After the session was fed.
void RadsecConnection::advance(const std::shared_ptr<Link>& link) {
  tls::Session& session = *link->session;
  if (!link->established && session.state() == tls::State::established) {
    link->established = true;
    deadline_.set(kNever);
    (void)session.write(std::exchange(link->queued, {}));
  }
  append(link->received, session.input().view());
  const bool good = take_packets(*link);
  flush(link);
  const bool over = session.state() == tls::State::closed || session.state() == tls::State::failed;
  if (!good || over) return end(link);
  read(link);
}

// False: what came is no RADIUS, and where the next packet begins is unknown.
bool RadsecConnection::take_packets(Link& link) {
  constexpr std::size_t kLengthEnd = 4;
  std::size_t at = 0;
  bool good = true;
  while (link.received.size() - at >= kLengthEnd) {
    const std::size_t size = load_be<std::uint16_t>(link.received.data() + at + 2);
    good = size >= radius::kHeaderSize && size <= limits::kMaxRadiusPacket;
    if (!good || link.received.size() - at < size) break;
    handlers_.receive(ByteView(link.received).subspan(at, size));
    at += size;
  }
  link.received.erase(link.received.begin(),
                      link.received.begin() + static_cast<std::ptrdiff_t>(at));
  return good;
}

void RadsecConnection::end(const std::shared_ptr<Link>& link) {
  asio::error_code ignored;
  link->socket.close(ignored);
  if (link != link_) return;
  const bool was_there = link->established;
  link_.reset();
  deadline_.set(kNever);
  if (was_there)
    handlers_.lost();
  else
    handlers_.refused();
}

}  // namespace culvert::io
