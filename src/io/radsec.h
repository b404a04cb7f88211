// RADIUS over TLS (RFC 6614): one connection to one server, made when there is something to send
// and made again when it was lost. Within it packets follow each other, each with its own length.
#pragma once

#include "io/radius_sockets.h"

namespace culvert::io {

class RadsecConnection final : public RadiusPath {
 public:
  struct Handlers {
    std::function<void(ByteView)> receive;
    std::function<void()> refused;  // no connection, no TLS, or a server that is not trusted
    std::function<void()> lost;     // it was there, and has ended
  };

  // The loop outlives this; `handlers` are called on its thread, never from within send().
  RadsecConnection(EventLoop& loop, const Endpoint& remote, const RadsecTls& tls,
                   Handlers handlers);
  ~RadsecConnection() override;

  void send(ByteView octets) override;

 private:
  struct Link;
  void connect();
  void read(const std::shared_ptr<Link>& link);
  void flush(const std::shared_ptr<Link>& link);
  void advance(const std::shared_ptr<Link>& link);
  bool take_packets(Link& link);
  void end(const std::shared_ptr<Link>& link);

  EventLoop& loop_;
  Endpoint remote_;
  RadsecTls tls_;
  Handlers handlers_;
  Timer deadline_;  // for the handshake
  std::shared_ptr<Link> link_;
};

}  // namespace culvert::io
