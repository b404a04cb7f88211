// The sockets of RADIUS: those of a radius::Client, each with a port of its own (or a connection,
// for RadSec), and the one that Disconnect- and CoA-Requests come to.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "crypto/tls.h"
#include "io/event_loop.h"
#include "radius/client.h"
#include "radius/dynamic.h"

namespace culvert::io {

// What RADIUS over TLS (RFC 6614) needs besides the address: our certificate, and what the server's
// is worth.
struct RadsecTls {
  std::shared_ptr<const tls::Context> context;
  tls::Verifier verify;
  std::string server_name;  // SNI; none when empty
};

// One way to one server: a UDP socket or a connection.
class RadiusPath {
 public:
  virtual ~RadiusPath() = default;
  virtual void send(ByteView octets) = 0;
};

class RadiusSockets {
 public:
  // Gets everything but Transmit; called on the loop's thread, never inside another call to this.
  using Handler = std::function<void(radius::Output&&)>;

  // The loop and the provider outlive this. `tls` by the index of the server; servers that are
  // streams have one.
  RadiusSockets(EventLoop& loop, Provider& provider, std::vector<radius::Server> servers,
                std::map<std::uint32_t, RadsecTls> tls, Handler handler);
  ~RadiusSockets();

  radius::RequestId send(radius::Request request);
  void cancel(radius::RequestId id);

  // For machines that use the client themselves (radius::Accounting); run() after each use.
  radius::Client& client() { return client_; }
  // Carries out what the client has to say, soon.
  void run();

 private:
  using Key = std::pair<std::uint32_t, std::uint32_t>;  // server, socket
  void carry_out();
  void transmit(const radius::Transmit& transmit);
  std::unique_ptr<RadiusPath> open(const Key& key);

  EventLoop& loop_;
  radius::Client client_;
  std::map<std::uint32_t, RadsecTls> tls_;
  Handler handler_;
  std::map<Key, std::unique_ptr<RadiusPath>> paths_;
  Timer timer_;
  std::shared_ptr<bool> scheduled_ = std::make_shared<bool>(false);  // gone with this
};

// Where dynamic authorization clients send to.
class RadiusListener {
 public:
  // `take` carries a command out and calls answer(), now or later.
  using Take = std::function<void(radius::DynamicAuthorization::Command&&)>;
  using Ignored = std::function<void(const Endpoint& remote, std::string_view why)>;

  RadiusListener(EventLoop& loop, radius::DynamicAuthorization& server, Take take, Ignored ignored);
  ~RadiusListener();

  // The error is a sentence.
  std::expected<void, std::string> open(const Endpoint& local);
  void answer(radius::DynamicAuthorization::CommandId id, radius::ErrorCause cause);

 private:
  void on_readable();
  void send(const Endpoint& remote, ByteView octets);

  EventLoop& loop_;
  radius::DynamicAuthorization& server_;
  Take take_;
  Ignored ignored_;
  int fd_ = -1;
  std::unique_ptr<ReadableWatch> readable_;
};

}  // namespace culvert::io
